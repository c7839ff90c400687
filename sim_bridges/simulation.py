# SPDX-License-Identifier: Apache-2.0
"""A simulator with its renderer on one thread of its own, and the episode that it plays. No ROS here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from swm_core.environment import Environment
from swm_core.errors import SwmError
from swm_core.layouts import pass_over_solved
from swm_core.scene import SceneState
from swm_core.tasks import TaskSpec, steps_done


@dataclass(frozen=True)
class Episode:
    """What an episode is about.

    Attributes:
        number: counts from 1.
        seed: of the layout.
        objects: names of the objects.
        task: name of the task whose truth is checked; empty for none.
        specs: its steps.
    """

    number: int
    seed: int
    objects: tuple[str, ...]
    task: str = ""
    specs: tuple[TaskSpec, ...] = ()


@dataclass(frozen=True)
class Instant:
    """The simulator after a reset or a step.

    Attributes:
        episode: which episode.
        step: control periods since it began.
        image: (H, W, 3) uint8 RGB.
        scene: the true state.
        done: steps of the task that have been reached; see `steps_done`.
        reached_step: step at which all were; None before.
    """

    episode: Episode
    step: int
    image: np.ndarray
    scene: SceneState
    done: int
    reached_step: int | None


class Simulation:
    """Runs an environment on one thread, which alone builds, steps, draws and closes it."""

    def __init__(self, make: Callable[[], Environment]) -> None:
        """Build the environment.

        Args:
            make: called on the simulator's thread.

        Raises:
            Exception: whatever `make` raises.
        """
        self._pool = ThreadPoolExecutor(1, "simulator")
        self._last: Instant | None = None  # touched by the simulator's thread only
        try:
            self._env = self._pool.submit(make).result()
        except BaseException:
            self._pool.shutdown()
            raise

    def reset(self, episode: Episode) -> Future[Instant]:
        """Begin an episode; jobs given earlier are finished first. One that is refused leaves the present one as it is.

        Raises:
            SwmError: (by the future) the environment refuses the episode.
        """
        return self._pool.submit(self._reset, episode)

    def step(self, action: np.ndarray) -> Future[Instant]:
        """Advance one control period by an (A,) action."""
        return self._pool.submit(self._step, action)

    def set_task(self, task: str, specs: tuple[TaskSpec, ...]) -> Future[None]:
        """Check the truth of another task from now on, within the same episode."""
        return self._pool.submit(self._set_task, task, specs)

    def close(self) -> None:
        """Free the simulator and end the thread."""
        self._pool.submit(self._env.close)
        self._pool.shutdown()

    def _reset(self, episode: Episode) -> Instant:
        """Take the first layout of the seed in which the task's first step does not hold yet, as evaluation does."""
        try:
            self._env.reset(seed=episode.seed, options={"objects": episode.objects})
        except SwmError:
            raise
        except Exception:
            self._last = None  # broken off midway: what state the simulator is in is not known
            raise
        self._last = None
        pass_over_solved(self._env, episode.objects, episode.specs)
        return self._observe(episode, 0, 0, None)

    def _step(self, action: np.ndarray) -> Instant:
        last = self._last
        if last is None:
            raise RuntimeError("step before the first reset")
        self._env.step(action)
        return self._observe(last.episode, last.step + 1, last.done, last.reached_step)

    def _set_task(self, task: str, specs: tuple[TaskSpec, ...]) -> None:
        if self._last is not None:
            episode = replace(self._last.episode, task=task, specs=specs)
            self._last = replace(self._last, episode=episode, done=0, reached_step=None)

    def _observe(self, episode: Episode, step: int, done: int, reached: int | None) -> Instant:
        scene = self._env.scene()
        done = steps_done(episode.specs, scene, done)
        if reached is None and episode.specs and done == len(episode.specs):
            reached = step
        self._last = Instant(episode, step, self._env.render(), scene, done, reached)
        return self._last
