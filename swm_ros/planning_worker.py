# SPDX-License-Identifier: Apache-2.0
"""The one thread that enters the world model. One job at a time: there is no queue in which frames grow old.

The model is loaded and warmed up on that thread too: OpenMP keeps a team of threads for each thread that calls it, and
a team that is made with the first goal makes its first plan late.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from swm_core.planning.controller import Controller
from swm_core.planning.plan import Plan
from swm_core.tasks import Task
from swm_ros.schedule import Window


@dataclass(frozen=True)
class Frame:
    """An observation with its times.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        stamp: of its header, ns of the ROS clock.
        received: monotonic, s.
        taken: monotonic time at which it was taken, as far as the stamp can be believed, s.
    """

    image: np.ndarray
    stamp: int
    received: float
    taken: float


@dataclass(frozen=True)
class Planned:
    """A plan with what it was made from.

    Attributes:
        plan: what the controller returned.
        frame: the observation.
        window: tick of the first action, committed actions, time budget.
        epoch: of the goal.
        subgoal: index of the subgoal pursued.
        finished: whether the controller holds the task for complete.
        given_up: why the controller gives the task up; empty while it does not.
        begun: monotonic time at which planning was asked for, s.
        ended: monotonic time at which the plan was ready, s.
    """

    plan: Plan
    frame: Frame
    window: Window
    epoch: int
    subgoal: int
    finished: bool
    given_up: str
    begun: float
    ended: float


def _yield_to_others(niceness: int) -> None:
    """Set the niceness of the calling thread, where the system has one for each thread."""
    if niceness and sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


class PlanningWorker:
    """Runs a controller on a thread of its own."""

    def __init__(self, make: Callable[[], Controller], notify: Callable[[], None], niceness: int = 0) -> None:
        """Start the thread and make the controller on it; whatever `make` raises is raised here.

        Args:
            make: gives the controller, warmed up; no other thread touches it.
            notify: called on the worker's thread when a plan is ready to be collected.
            niceness: of the thread and of those that the mathematics starts from it; above 0 the others go first.
        """
        self._notify = notify
        self._pool = ThreadPoolExecutor(1, "planning", _yield_to_others, (niceness,))
        try:
            self._controller = self._pool.submit(make).result()
        except BaseException:
            self._pool.shutdown()
            raise
        self.weights = self._controller.weights  # hash of the model's
        self._job: Future[Planned] | None = None
        self._finished: deque[Future[Planned]] = deque()
        self._epoch: int | None = None  # of the task that the controller was started with
        self._stale = False  # whether the job in hand is of a scene that is no more
        self._base = 0  # tick of the first action of the plan before

    @property
    def busy(self) -> bool:
        """Whether a plan is being made or waits to be collected."""
        return self._job is not None

    def plan(self, frame: Frame, window: Window, epoch: int, task: Task) -> None:
        """Plan from a frame; the task is begun when its epoch is new. Not to be called while busy."""
        begun, anew = time.monotonic(), epoch != self._epoch
        executed = None if anew else window.base - self._base
        self._epoch, self._base, self._stale = epoch, window.base, False

        def work() -> Planned:
            controller = self._controller
            if anew:
                controller.start(task)
            spent = time.monotonic() - begun
            deadline = None if window.budget == float("inf") else max(window.budget - spent, 0.0)
            plan = controller.plan(frame.image, window.committed, deadline, executed)
            ended = time.monotonic()
            stands = controller.subgoal, controller.finished, controller.given_up
            return Planned(plan, frame, window, epoch, *stands, begun, ended)

        self._job = self._pool.submit(work)
        self._job.add_done_callback(self._done)

    def forget(self) -> None:
        """Drop the job in hand and begin the task anew with the next plan, as the scene is another one."""
        self._epoch, self._stale = None, True

    def ask(self, image: np.ndarray, questions: Sequence[str], actions: np.ndarray) -> Future[np.ndarray]:
        """Probabilities of yes, (K, h+1); see `Controller.ask`."""
        return self._pool.submit(self._controller.ask, image, questions, actions)

    def attention(self, image: np.ndarray, questions: Sequence[str]) -> Future[np.ndarray]:
        """Where questions look, (K, rows, columns); see `Controller.attention`."""
        return self._pool.submit(self._controller.attention, image, questions)

    def finished(self) -> Iterator[Future[Planned]]:
        """Jobs that are done, successfully or not; each is given out once, a dropped one never."""
        while self._finished:
            job, self._job = self._finished.popleft(), None
            if not self._stale:
                yield job

    def close(self) -> None:
        """Wait for the job in hand and end the thread."""
        self._notify = lambda: None
        self._pool.shutdown(cancel_futures=True)

    def _done(self, job: Future[Planned]) -> None:
        self._finished.append(job)
        self._notify()
