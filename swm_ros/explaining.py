# SPDX-License-Identifier: Apache-2.0
"""Why plans are as they are, told while somebody listens: gains per iteration, first and final path, attention."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future

import numpy as np
from builtin_interfaces.msg import Time

from swm_core.environment import EnvironmentSpec, free_path
from swm_core.planning.plan import Plan
from swm_msgs.msg import Explanation
from swm_ros import qos
from swm_ros.conversions import flat, point, stamp_of
from swm_ros.lifecycle import ManagedNode
from swm_ros.plan_messages import Numbered
from swm_ros.planning_worker import PlanningWorker

PERIOD = 1.0  # s between plans whose attention is told; it takes the worker as long as a frame's encoding


def explanation(numbered: Numbered, spec: EnvironmentSpec, now: Time) -> Explanation:
    """The message of a plan, without attention."""
    made, plan = numbered.made, numbered.made.plan
    means = plan.probabilities.mean(-1)  # (I+1, K)
    message = Explanation(
        plan_id=numbered.plan_id,
        epoch=numbered.goal.epoch,
        observation_stamp=stamp_of(made.frame.stamp),
        questions=list(plan.questions),
        iterations=len(plan.values) - 1,
        value_gains=flat(np.diff(plan.values)),
        gains=flat(np.diff(means, axis=0)),
        first_path=[point(p) for p in _first_path(plan, spec)],
        path=[point(p) for p in plan.path],
    )
    message.header.stamp, message.header.frame_id = now, "world"
    return message


def _first_path(plan: Plan, spec: EnvironmentSpec) -> np.ndarray:
    """(H+1, 3) where the proposal leads if each action moves the effector as asked, m; empty where none is kept."""
    return free_path(plan.path[0], plan.history[0], spec) if len(plan.history) and len(plan.path) else np.zeros((0, 3))


class Explainer:
    """Publishes explanations in the order of the plans; one waits for its attention, and those behind it for that."""

    def __init__(self, node: ManagedNode, spec: EnvironmentSpec, worker: PlanningWorker) -> None:
        """Create the publisher.

        Args:
            node: the planner.
            spec: of its environment.
            worker: the thread that looks for the attention, when it has nothing else to do.
        """
        self._spec, self._worker = spec, worker
        self._publisher = node.advertise(Explanation, qos.EXPLANATION, qos.RECORD)
        self._waiting: deque[tuple[Explanation, Future[np.ndarray] | None]] = deque()
        self._looked = -PERIOD  # monotonic, s

    @property
    def heard(self) -> bool:
        """Whether somebody listens."""
        return self._publisher.get_subscription_count() > 0

    def tell(self, numbered: Numbered, now: Time) -> None:
        """Explain a plan, if somebody listens."""
        if not self.heard:
            self._waiting.clear()
            return
        message, looking = explanation(numbered, self._spec, now), None
        plan = numbered.made.plan
        if time.monotonic() - self._looked >= PERIOD and plan.questions:
            self._looked = time.monotonic()
            looking = self._worker.attention(numbered.made.frame.image, plan.questions)
        self._waiting.append((message, looking))
        self.flush()

    def flush(self) -> None:
        """Publish what is ready."""
        while self._waiting and (self._waiting[0][1] is None or self._waiting[0][1].done()):
            message, looking = self._waiting.popleft()
            if looking is not None and not looking.cancelled() and looking.exception() is None:
                maps = looking.result()
                _, message.rows, message.columns = maps.shape
                message.cell = -(-self._spec.camera.height // maps.shape[1]) if maps.size else 0  # the last may be cut
                message.attention = flat(maps)
            self._publisher.publish(message)
