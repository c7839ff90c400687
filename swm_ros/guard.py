# SPDX-License-Identifier: Apache-2.0
"""What the last node before the hardware lets through. Pure logic: no ROS and no clock, so that tests can attack it.

Refused: not finite, wrong frame, out of order (a stale or repeated step of a plan, a plan of an earlier goal),
anything while the emergency stop is latched. Limited: speed per axis and of the gripper, change of speed, and motion
that would leave the workspace. This is not a safety-rated function.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from swm_core.errors import ConfigError
from swm_ros.schedule import SAFE_ACTION

ZERO = (0.0, 0.0, 0.0)


class State(enum.IntEnum):
    """What the guard is doing; the values are those of swm_msgs/GuardStatus."""

    WAITING = 0
    RUNNING = 1
    HOLDING_STALE = 2
    ESTOPPED = 3


class Cause(enum.Enum):
    """Why a command was refused or reduced."""

    NOT_FINITE = "not finite"
    FRAME = "frame"
    ORDER = "order"
    ESTOP = "estop"
    UNPLANNED_MOTION = "unplanned motion"
    NO_POSE = "no effector pose"
    SPEED_LIMIT = "speed limit"
    ACCELERATION_LIMIT = "acceleration limit"
    WORKSPACE_LIMIT = "workspace limit"


REFUSALS = frozenset(list(Cause)[:6])


@dataclass(frozen=True)
class GuardConfig:
    """Limits and time-outs of the guard; until limits are given nothing moves.

    Attributes:
        frame: frame in which velocities must be given.
        max_velocity: largest speed along x, y, z of that frame, m/s; 0 locks an axis.
        max_angular_velocity: largest rate about x, y, z, rad/s; 0 locks an axis.
        max_gripper_rate: largest rate at which the gripper opens or closes, share of its range per second; 0 locks it.
        max_acceleration: largest change of speed along any axis, m/s^2; stopping is never limited.
        workspace_low: lowest corner of the effector's workspace, m.
        workspace_high: highest corner, m.
        limit_workspace: whether motion out of the workspace is cut; needs /swm/effector_pose.
        pose_timeout: age by receipt at which the effector's pose is too old to allow motion, s.
        control_period: time for which one command acts, s.
        check_freshness: whether missing commands are replaced by zero velocity; off in lockstep, where time stands
            still.
        command_timeout: time without an acceptable command after which zero velocity is sent, s.
    """

    frame: str = "world"
    max_velocity: tuple[float, ...] = ZERO
    max_angular_velocity: tuple[float, ...] = ZERO
    max_gripper_rate: float = field(default=0.0, metadata={"range": (0.0, 1000.0)})
    max_acceleration: float = field(default=6.5, metadata={"range": (0.01, 1000.0)})
    workspace_low: tuple[float, ...] = ZERO
    workspace_high: tuple[float, ...] = ZERO
    limit_workspace: bool = True
    pose_timeout: float = field(default=0.5, metadata={"range": (0.01, 10.0)})
    control_period: float = field(default=0.1, metadata={"range": (0.001, 10.0)})
    check_freshness: bool = True
    command_timeout: float = field(default=0.25, metadata={"range": (0.01, 10.0)})

    def __post_init__(self) -> None:
        """Check what ranges cannot.

        Raises:
            ConfigError: a limit is negative, not finite or has not three numbers, or the workspace is empty.
        """
        for name in ("max_velocity", "max_angular_velocity", "workspace_low", "workspace_high"):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise ConfigError(f"{name} needs three finite numbers, got {values}")
            if name.startswith("max") and min(values) < 0:
                raise ConfigError(f"{name} must not be negative, got {values}")
        if any(low > high for low, high in zip(self.workspace_low, self.workspace_high, strict=True)):
            raise ConfigError(f"workspace is empty: {self.workspace_low} to {self.workspace_high}")


@dataclass(frozen=True)
class Motion:
    """What the guard needs of a command.

    Attributes:
        linear: velocity, m/s.
        angular: rate, rad/s.
        gripper: rate at which the gripper closes, share of its range per second; 0 leaves it.
        frame: frame of the velocity.
        order: (epoch, plan id, step); must grow lexicographically from command to command.
    """

    linear: tuple[float, float, float]
    angular: tuple[float, float, float] = ZERO
    gripper: float = 0.0
    frame: str = "world"
    order: tuple[int, int, int] = (0, SAFE_ACTION, 0)

    @property
    def still(self) -> bool:
        """Whether nothing is asked to move."""
        return not any((*self.linear, *self.angular, self.gripper))


def _cut(speeds: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Speeds within +-most; one that is above by a rounding error stays as it is."""
    return np.where(np.abs(speeds) > most * (1 + 1e-6), np.clip(speeds, -most, most), speeds)


class Guard:
    """Decides about commands; times are seconds of a monotonic clock, given by the caller."""

    def __init__(self, config: GuardConfig) -> None:
        """Start without commands, pose or emergency stop."""
        self.config = config
        self.estop = False
        self.accepted = 0
        self.limited = 0
        self.counts: Counter[Cause] = Counter()
        self.message = ""
        self._order = (0, 0, -1)
        self._velocity = np.zeros(3)
        self._accepted_at: float | None = None
        self._pose: tuple[np.ndarray, float] | None = None

    def see_effector(self, position: tuple[float, float, float], now: float) -> None:
        """Take the effector's position (m, world frame); positions that are not finite are ignored."""
        if all(math.isfinite(v) for v in position):
            self._pose = (np.asarray(position), now)

    def latch_estop(self, why: str) -> None:
        """Stop until `reset`; latching again changes nothing."""
        if not self.estop:
            self.message = f"emergency stop: {why}"
        self.estop = True
        self._velocity = np.zeros(3)

    def reset(self) -> None:
        """Release the emergency stop and forget the order of commands (a restarted planner may begin anew)."""
        self.estop = False
        self._order = (0, 0, -1)
        self._accepted_at = None
        self._velocity = np.zeros(3)
        self.message = "released"

    def state(self, now: float) -> State:
        """What the guard is doing at a time."""
        if self.estop:
            return State.ESTOPPED
        if self._accepted_at is None:
            return State.WAITING
        stale = self.config.check_freshness and now - self._accepted_at > self.config.command_timeout
        if stale:
            self._velocity = np.zeros(3)  # zero is being sent: accelerations count from rest
        return State.HOLDING_STALE if stale else State.RUNNING

    def age(self, now: float) -> float:
        """Time since the last accepted command, s; -1 before the first."""
        return -1.0 if self._accepted_at is None else now - self._accepted_at

    def judge(self, motion: Motion, now: float) -> Motion | None:
        """Let a command through, reduced to the limits, or refuse it.

        Args:
            motion: what is asked.
            now: receipt time, s.

        Returns:
            What may be sent on, or None when it is refused; the count of the cause tells why.
        """
        cause = self._refusal(motion, now)
        if cause is not None:
            self._count(cause, motion)
            return None
        self.state(now)  # after a pause accelerations count from rest
        if motion.order[1] != SAFE_ACTION:
            self._order = motion.order
        linear = self._limit(np.asarray(motion.linear, float), motion, now)
        turning = np.array([*motion.angular, motion.gripper])
        slow = _cut(turning, np.array([*self.config.max_angular_velocity, self.config.max_gripper_rate]))
        if not np.array_equal(slow, turning):
            self._count(Cause.SPEED_LIMIT, motion)
        self.limited += int(not np.array_equal(slow, turning) or tuple(linear) != tuple(motion.linear))
        self.accepted += 1
        self._accepted_at = now
        self._velocity = linear
        x, y, z, roll, pitch, yaw, gripper = (float(v) for v in (*linear, *slow))
        return Motion((x, y, z), (roll, pitch, yaw), gripper, motion.frame, motion.order)

    def _refusal(self, motion: Motion, now: float) -> Cause | None:
        if self.estop:
            return Cause.ESTOP
        if not all(math.isfinite(v) for v in (*motion.linear, *motion.angular, motion.gripper)):
            return Cause.NOT_FINITE
        if motion.frame != self.config.frame:
            return Cause.FRAME
        if motion.order[1] == SAFE_ACTION:
            return None if motion.still else Cause.UNPLANNED_MOTION
        if motion.order <= self._order:
            return Cause.ORDER
        if self.config.limit_workspace and not motion.still and self._position(now) is None:
            return Cause.NO_POSE
        return None

    def _limit(self, velocity: np.ndarray, motion: Motion, now: float) -> np.ndarray:
        """Cut speed, change of speed and motion out of the workspace, in this order; each may only reduce."""
        config = self.config
        slow = _cut(velocity, np.asarray(config.max_velocity))
        if not np.array_equal(slow, velocity):
            self._count(Cause.SPEED_LIMIT, motion)
        gentle = self._limit_change(slow)
        if not np.array_equal(gentle, slow):
            self._count(Cause.ACCELERATION_LIMIT, motion)
        position = self._position(now)
        if not config.limit_workspace or position is None:
            return gentle
        period = config.control_period
        up = np.maximum((np.asarray(config.workspace_high) - position) / period, 0.0)
        down = np.minimum((np.asarray(config.workspace_low) - position) / period, 0.0)
        inside = np.clip(gentle, down, up)
        if not np.allclose(inside, gentle, atol=1e-4):
            self._count(Cause.WORKSPACE_LIMIT, motion)
        return inside

    def _limit_change(self, velocity: np.ndarray) -> np.ndarray:
        """Limit speeding up and reversing; slowing down towards rest is always allowed."""
        step = self.config.max_acceleration * self.config.control_period
        reduced = np.clip(velocity, self._velocity - step, self._velocity + step)
        slowing = (np.abs(velocity) <= np.abs(self._velocity)) & (velocity * self._velocity >= 0)
        # a limited reversal must not go on in the old direction: rest instead
        reduced = np.where((velocity * self._velocity < 0) & (reduced * velocity < 0), 0.0, reduced)
        return np.where(slowing, velocity, reduced)

    def _position(self, now: float) -> np.ndarray | None:
        if self._pose is None:
            return None
        fresh = not self.config.check_freshness or now - self._pose[1] <= self.config.pose_timeout
        return self._pose[0] if fresh else None

    def _count(self, cause: Cause, motion: Motion) -> None:
        self.counts[cause] += 1
        verb = "refused" if cause in REFUSALS else "reduced"
        epoch, plan, step = motion.order
        asked = f"velocity {motion.linear} m/s in {motion.frame!r}, epoch {epoch}, plan {plan}, step {step}"
        self.message = f"{verb}: {cause.value} ({asked})"
