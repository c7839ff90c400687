# SPDX-License-Identifier: Apache-2.0
"""What the page shows, kept from the messages as they come. No node and no page here."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from swm_msgs.msg import (
    Command,
    EpisodeStatus,
    Explanation,
    GoalStatus,
    GuardStatus,
    Plan,
    PlanStats,
    SceneState,
    StackStatus,
)
from swm_ros.conversions import vector

HISTORY = 30.0  # s of curves
QUALITY = 80  # of JPEG, percent


@dataclass
class Seen:
    """The newest of everything, and the last seconds of what is plotted.

    Attributes:
        frame: the newest frame as JPEG; empty before the first.
        number: of that frame.
        viewers: pages that look at the frames; without any none is encoded.
        goal: how the goal stands.
        refusal: of the last goal text that was refused; None when another was accepted since.
        guard: what the guard lets through.
        plan: the newest plan; None before the first.
        stats: its numbers.
        explanation: why the newest plan is as it is; None before the first.
        looked: the newest explanation with attention, and the newest frame of then as JPEG; None before the first.
        stack: how the nodes stand.
        episode: of the simulator; None on a robot.
        scene: the simulator's truth; None on a robot.
        effector: (3,) where it is, world frame, m; None before it is known.
        answers: (s, questions, probabilities) over time.
        speeds: (s, speed in m/s) of the commands that left the guard.
        limits: the guard's parameters by name; empty before they are known.
    """

    frame: bytes = b""
    number: int = 0
    viewers: int = 0
    goal: GoalStatus = field(default_factory=GoalStatus)
    refusal: GoalStatus | None = None
    guard: GuardStatus = field(default_factory=GuardStatus)
    plan: Plan | None = None
    stats: PlanStats | None = None
    explanation: Explanation | None = None
    looked: tuple[Explanation, bytes] | None = None
    stack: StackStatus = field(default_factory=StackStatus)
    episode: EpisodeStatus | None = None
    scene: SceneState | None = None
    effector: np.ndarray | None = None
    answers: deque[tuple[float, tuple[str, ...], tuple[float, ...]]] = field(default_factory=deque)
    speeds: deque[tuple[float, float]] = field(default_factory=deque)
    limits: dict[str, Any] = field(default_factory=dict)

    def see_frame(self, picture: np.ndarray) -> None:
        """Encode a (H, W, 3) uint8 RGB frame, if somebody looks."""
        if self.viewers or not self.number:
            self.frame = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
            self.number += 1

    def see_goal(self, status: GoalStatus) -> None:
        """Keep the goal's state; a refused one does not take the place of the one pursued."""
        if status.state == GoalStatus.REFUSED:
            self.refusal = status
            if self.pursued:
                return
        elif status.state == GoalStatus.ACCEPTED:
            self.refusal = None
        self.goal = status
        if status.questions and len(status.probabilities) == len(status.questions):
            self._keep(self.answers, (time.monotonic(), tuple(status.questions), tuple(status.probabilities)))

    def see_explanation(self, explanation: Explanation) -> None:
        """Keep why a plan is as it is."""
        self.explanation = explanation
        if explanation.rows:
            self.looked = explanation, self.frame

    def see_command(self, command: Command) -> None:
        """Keep the speed of a command that left the guard."""
        self._keep(self.speeds, (time.monotonic(), float(np.linalg.norm(vector(command.twist.twist.linear)))))

    @property
    def pursued(self) -> bool:
        """Whether a goal is being pursued."""
        return self.goal.state in (GoalStatus.ACCEPTED, GoalStatus.ACTIVE, GoalStatus.WAITING)

    def curves(self) -> dict[str, list[list[float]]]:
        """Per question of the newest goal, [s before now, probability] in the last seconds."""
        now, newest = time.monotonic(), self.answers[-1][1] if self.answers else ()
        rows = [(at - now, values) for at, questions, values in list(self.answers) if questions == newest]
        return {q: [[round(at, 2), round(v[i], 4)] for at, v in rows] for i, q in enumerate(newest)}

    def speed_curves(self) -> dict[str, list[list[float]]]:
        """[s before now, m/s] of the last seconds, and the largest speed that the guard lets pass along one axis."""
        now = time.monotonic()
        curves = {"speed": [[round(at - now, 2), round(speed, 4)] for at, speed in list(self.speeds)]}
        if most := max(self.limits.get("max_velocity") or (), default=0.0) * self.limits.get("speed_scale", 1.0):
            curves["limit of an axis"] = [[-HISTORY, most], [0.0, most]]
        return curves

    @staticmethod
    def _keep(kept: deque, entry: tuple) -> None:
        kept.append(entry)
        while kept[0][0] < entry[0] - HISTORY:
            kept.popleft()
