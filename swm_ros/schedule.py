# SPDX-License-Identifier: Apache-2.0
"""Which step of which plan is sent at which tick of the 10 Hz timer. Pure bookkeeping: no ROS, no clock of its own.

Ticks are numbered. A plan made from a frame is tied to the tick whose command is the first that the frame does not
show yet: action i belongs to tick `base + i`. The commands between the frame and the moment when the plan will be
ready are known beforehand: those already sent, and the steps of the present plan that will be sent meanwhile. They
are given to the planner as committed, so that overlap of planning and execution is exact in the model's own terms.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

LARGEST_EPOCH = 2**62  # of a goal; they are milliseconds, and a larger one would leave no room for newer goals
SAFE_ACTION = 0  # plan id of a command that belongs to no plan; such a command must be zero


@dataclass(frozen=True)
class Window:
    """What a planning call is told.

    Attributes:
        base: tick of the plan's first action.
        committed: (m, A) float32, actions of the ticks base .. base+m-1.
        budget: time that planning may take, s.
    """

    base: int
    committed: np.ndarray
    budget: float


@dataclass(frozen=True)
class ActivePlan:
    """A plan that commands are taken from.

    Attributes:
        plan_id: grows with each plan.
        actions: (H, A) float32.
        base: tick of its first action.
        observation: stamp of its frame, ns.
    """

    plan_id: int
    actions: np.ndarray
    base: int
    observation: int


@dataclass(frozen=True)
class Step:
    """One command to be sent.

    Attributes:
        plan: where it comes from.
        index: which action of the plan.
    """

    plan: ActivePlan
    index: int

    @property
    def action(self) -> np.ndarray:
        """(A,) float32, in the environment's unit per step."""
        return self.plan.actions[self.index]


class CommandSchedule:
    """Plan, ticks and the memory of what was sent; times are seconds of a monotonic clock."""

    def __init__(self, period: float, action_dim: int, latency: float, planning_time: float = 0.0) -> None:
        """Begin without a plan.

        Args:
            period: time between ticks, s.
            action_dim: A.
            latency: first guess of the time from dispatching a planning job to its plan, s.
            planning_time: what each job is given at least, s.
        """
        self.period = period
        self.action_dim = action_dim
        self.latency = latency
        self.planning_time = planning_time
        self.plan: ActivePlan | None = None
        self.tick = 0  # number of the next tick
        self.rests_since = -math.inf  # time of the first tick without motion, s; only where planning does not overlap
        self._last_tick: float | None = None
        self._sent: deque[tuple[int, float, np.ndarray]] = deque(maxlen=64)

    def clear(self) -> None:
        """Forget the plan, as when a goal ends; what was sent remains known."""
        self.plan = None

    def observe_latency(self, seconds: float) -> None:
        """Learn how long planning takes: rises at once, falls slowly, so that a plan is rarely late."""
        self.latency = max(seconds, 0.9 * self.latency + 0.1 * seconds)

    def window(self, frame_time: float, now: float, horizon: int) -> Window:
        """The committed actions and the time budget of a planning call that begins now.

        Args:
            frame_time: when the frame was taken, s; not after now.
            now: s.
            horizon: H; at most half of it is committed.
        """
        shown = [number for number, at, _ in self._sent if at >= frame_time]
        base = min(shown, default=self.tick)
        next_tick = now if self._last_tick is None else max(self._last_tick + self.period, now)
        allowed = max(self.latency, self.planning_time)
        pending = max(0, math.ceil((allowed - (next_tick - now)) / self.period))  # ticks before the plan is ready
        count = min(self.tick - base + pending, horizon // 2)
        committed = np.zeros((count, self.action_dim), np.float32)
        sent = {number: action for number, _, action in self._sent}
        for i in range(count):
            committed[i] = sent[base + i] if base + i in sent else self._planned(base + i)
        # ready before the tick that sends the first refined action, with a tenth of a period to spare
        budget = next_tick + (base + count - self.tick) * self.period - 0.1 * self.period - now
        return Window(base, committed, max(budget, 0.5 * self.period))

    def late(self, window: Window) -> bool:
        """Whether a plan made in a window is ready only now that the first action it was to decide has been due."""
        return self.tick > window.base + len(window.committed)

    def install(self, plan: ActivePlan) -> None:
        """Take commands from a newer plan from now on."""
        self.plan = plan

    def take(self, now: float) -> Step | None:
        """The command of this tick; None when there is no plan or it is used up.

        Args:
            now: time of the tick, s.
        """
        step = None
        if self.plan is not None and 0 <= self.tick - self.plan.base < len(self.plan.actions):
            step = Step(self.plan, self.tick - self.plan.base)
        self.record(now, step.action if step else np.zeros(self.action_dim, np.float32))
        return step

    def rest_after(self, steps: int, now: float) -> None:
        """Without overlap: drop a plan of which so many steps were sent, at the tick that is due now, s."""
        if self.plan is not None and self.tick - self.plan.base >= steps:
            self.plan, self.rests_since = None, now

    def record(self, now: float, action: np.ndarray) -> None:
        """Remember what this tick sent, and count it."""
        self._sent.append((self.tick, now, action))
        self._last_tick = now
        self.tick += 1

    def _planned(self, tick: int) -> np.ndarray:
        plan = self.plan
        if plan is None or not 0 <= tick - plan.base < len(plan.actions):
            return np.zeros(self.action_dim, np.float32)
        return plan.actions[tick - plan.base]
