# SPDX-License-Identifier: Apache-2.0
"""What the last node before the hardware lets through. Pure logic: no ROS and no clock, so that tests can attack it.

Refused: not finite, wrong frame, out of order (a stale or repeated step of a plan, a plan of an earlier goal),
anything while the emergency stop is latched, and after its release what belongs to a goal from before. Limited: speed,
acceleration and jerk per axis, the gripper, and motion that would leave the workspace or enter a keep-out box. This is
not a safety-rated function.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from dataclasses import replace

import numpy as np

from swm_ros.guard_config import GuardConfig
from swm_ros.guard_limits import Box, Way, limit_change, limit_speed, rise_of, stay_inside, stay_out
from swm_ros.motion import ZERO, Motion
from swm_ros.schedule import LARGEST_EPOCH, SAFE_ACTION
from swm_ros.stop_button import StopButton

FIRST = (0, 0, -1)  # comes before every command
HALTS = 3  # zero velocities that the safe action "hold" sends at least, should one be lost


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
    BEFORE_RESET = "goal from before the reset or a pause"
    UNPLANNED_MOTION = "unplanned motion"
    NO_POSE = "no effector pose"
    FAR_POSE = "effector pose far outside the workspace"
    ASLEEP = "waited while the guard was asleep"
    SPEED_LIMIT = "speed limit"
    ACCELERATION_LIMIT = "acceleration limit"
    WORKSPACE_LIMIT = "workspace limit"
    KEEP_OUT = "keep-out box"
    GRIPPER_LIMIT = "gripper limit"


REFUSALS = frozenset(list(Cause)[:9])
FAR = 1.0  # m outside the workspace; a pose that is farther is in other units, or of another frame


class Guard:
    """Decides about commands; times are seconds of a monotonic clock, given by the caller."""

    def __init__(self, config: GuardConfig) -> None:
        """Start without commands, pose or emergency stop."""
        self.config = config
        self.estop = False
        self.button = StopButton()
        self.accepted = 0
        self.limited = 0
        self.counts: Counter[Cause] = Counter()
        self.first: dict[Cause, str] = {}  # what was said when a cause occurred first
        self.message = ""
        self._order = FIRST
        self._passed: Motion | None = None  # newest step of a plan, as it left; None once the guard stopped
        self._heard_epoch = 0  # newest of the well-formed commands, refused ones included
        self._barred_epoch = -1  # of this goal and those before it nothing passes
        self._velocity, self._rise = np.zeros(6), np.zeros(6)
        self._rests = False  # whether the newest command that passed was to stand
        self._halts = 0  # safe actions since the newest command that passed, or since the emergency stop
        self._halted_at = 0.0  # when the first of them was, s
        self._awake_at: float | None = None
        self._deaf_until = -math.inf
        self._sent_at: float | None = None
        self._accepted_at: float | None = None
        self._hull: Box | None = None  # where the effector may be, from its last pose and what was sent since
        self._now: Box = np.zeros(3), np.zeros(3)  # where it may be if it does at once what it is told
        self._acts_until = math.inf  # when it stops by itself, s
        self._commanded_at = 0.0
        self._way = Way(config.pose_delay if config.check_freshness else 0.0)
        self._far = False  # whether the last pose was
        self._pose_at = self._moved_at = 0.0
        self._pose_stamp = 0
        self._most = np.array((*config.max_velocity, *config.max_angular_velocity))
        self._acceleration = np.array((*config.max_acceleration, *config.max_angular_acceleration))
        self._jerk = np.array((*config.max_jerk, *config.max_angular_jerk))
        self._workspace = np.array(config.workspace_low), np.array(config.workspace_high)

    def wake(self, now: float) -> None:
        """Note that the process runs, several times within the time-out; after a longer gap it was halted or starved.

        Commands that arrived meanwhile wait in a queue and seem fresh when they are read, so that for half a control
        period nothing passes.
        """
        if self._awake_at is not None and now - self._awake_at > self.config.command_timeout:
            self._deaf_until = now + self.config.control_period / 2
        self._awake_at = now

    def see_effector(self, position: tuple[float, float, float], now: float, stamp: int = 0) -> None:
        """Take the effector's position; one that is not finite, far away, or the last one once more, is ignored.

        It may have been measured earlier, so that what was done meanwhile is not in it yet.

        Args:
            position: m, in the frame of commands.
            now: receipt time, s.
            stamp: when it was measured, ns of any clock; 0 where that is not said.
        """
        again = stamp != 0 and stamp == self._pose_stamp
        if again or not all(math.isfinite(v) for v in position):
            return
        away = np.maximum(self._workspace[0] - position, position - self._workspace[1]).max()
        self._far = self.config.limit_workspace and away > FAR
        if self._far:
            return
        self._dead_reckon(now)
        low, high = self._way.since(now)
        self._now = self._hull = np.add(position, low), np.add(position, high)
        self._pose_stamp, self._pose_at = stamp, now

    def latch_estop(self, why: str) -> None:
        """Stop until `reset`; latching again changes nothing."""
        if not self.estop:
            self.message = f"emergency stop: {why}"
            self._halts = 0
        self.estop = True

    def reset(self) -> bool:
        """Release the emergency stop, unless it is still pressed. Only a goal given afterwards moves the robot.

        Returns:
            Whether no stop is latched any more.
        """
        if self.button.pressed:
            return False
        if self.estop:
            self.bar()
            self.message = "released; a new goal moves the robot"
        self.estop = False
        return True

    def bar(self) -> None:
        """Pass nothing of the goals that were heard of so far."""
        self._barred_epoch = max(self._order[0], self._heard_epoch)
        self._accepted_at = None

    def rest(self, now: float) -> Motion | None:
        """The safe action, when commands stay away or must not pass; None when nothing is to be sent.

        Args:
            now: when it is sent, s.
        """
        self._dead_reckon(now)
        self._passed = None
        if self.config.safe_action == "none":  # the robot goes on until it stops by itself
            self._acts_until = min(self._acts_until, self._commanded_at + self.config.command_timeout)
            return None
        self._sent(np.zeros(6), np.zeros(6), now)
        if not self._halts:
            self._halted_at = now
        self._halts += 1
        enough = self._halts > HALTS and now - self._halted_at > self.config.command_timeout
        if self.config.safe_action == "hold" and enough:
            return None
        return Motion(ZERO, frame=self.config.frame)

    def state(self, now: float) -> State:
        """What the guard is doing at a time."""
        if self.estop:
            return State.ESTOPPED
        if self._accepted_at is None or (self._rests and self.stale(now)):
            return State.WAITING
        return State.HOLDING_STALE if self.stale(now) else State.RUNNING

    def stale(self, now: float) -> bool:
        """Whether the last command is too old; never before the first, nor in lockstep."""
        late = self._accepted_at is not None and now - self._accepted_at > self.config.command_timeout
        return self.config.check_freshness and late

    @property
    def epoch(self) -> int:
        """Epoch of the newest goal that was obeyed, or that a release bars; 0 before the first. Newer goals pass."""
        return max(self._order[0], self._barred_epoch, 0)

    def age(self, now: float) -> float:
        """Time since the last accepted command, s; -1 before the first."""
        return -1.0 if self._accepted_at is None else now - self._accepted_at

    def judge(self, motion: Motion, now: float) -> Motion | None:
        """Let a command through, reduced to the limits, or refuse it.

        Args:
            motion: what is asked.
            now: receipt time, s.

        Returns:
            What may be sent on, or None when it is refused; the count of the cause tells why. In lockstep, for the step
            that passed last, what was sent then, uncounted.
        """
        self._dead_reckon(now)
        cause = self._refusal(motion, now)
        again = self._passed if cause == Cause.ORDER and not self.config.check_freshness else None
        if again is not None and again.order == motion.order:
            return again  # in lockstep a step comes twice when what became of it was lost on the way
        if cause is not None:
            self._count(cause, motion)
            return None
        causes, velocity, rise = self._limit(np.array((*motion.linear, *motion.angular)), now)
        gripper = float(limit_speed(np.array(motion.gripper), np.array(self.config.max_gripper_rate)))
        causes += [Cause.GRIPPER_LIMIT] * (gripper != motion.gripper)
        for cause in causes:
            self._count(cause, motion)
        self.limited += bool(causes)
        self.accepted += 1
        self._accepted_at = self._commanded_at = now
        self._rests, self._halts = motion.order[1] == SAFE_ACTION, 0
        self._sent(velocity, rise, now)
        x, y, z, roll, pitch, yaw = (float(v) for v in velocity)
        gripper *= self.config.speed_scale
        allowed = replace(motion, linear=(x, y, z), angular=(roll, pitch, yaw), gripper=gripper)
        if motion.order[1] != SAFE_ACTION:
            self._order, self._passed = motion.order, allowed
        return allowed

    def _malformed(self, motion: Motion) -> Cause | None:
        """What no command may be, whatever the guard is doing."""
        if not all(math.isfinite(v) for v in (*motion.linear, *motion.angular, motion.gripper)):
            return Cause.NOT_FINITE
        if motion.frame != self.config.frame:
            return Cause.FRAME
        return Cause.ORDER if motion.order[0] > LARGEST_EPOCH else None

    def _refusal(self, motion: Motion, now: float) -> Cause | None:
        malformed = self._malformed(motion)
        if self.estop:
            if malformed is None:
                self._heard_epoch = max(self._heard_epoch, motion.order[0])
            return Cause.ESTOP
        if malformed is not None:
            return malformed
        if motion.order[1] == SAFE_ACTION:
            return None if motion.still else Cause.UNPLANNED_MOTION
        if motion.order[0] <= self._barred_epoch:
            return Cause.BEFORE_RESET
        if motion.order <= self._order:
            return Cause.ORDER
        if self.config.check_freshness and now < self._deaf_until:
            return Cause.ASLEEP
        if self.config.needs_pose and not motion.still and not self._pose_known(now):
            return Cause.FAR_POSE if self._far else Cause.NO_POSE
        return None

    def _limit(self, asked: np.ndarray, now: float) -> tuple[list[Cause], np.ndarray, np.ndarray]:
        """Cut speed, growth of speed and motion to where the effector must not be, in this order.

        Returns:
            Why something was cut; (6,) velocity; (6,) acceleration with which speed grows by it.
        """
        config = self.config
        causes: list[Cause] = []
        if self.stale(now):  # the safe action was due: speed grows from rest
            self._velocity, self._rise = np.zeros(6), np.zeros(6)
        slow = limit_speed(asked, self._most)
        if not np.array_equal(slow, asked):
            causes.append(Cause.SPEED_LIMIT)
        slow = slow * config.speed_scale
        elapsed = config.control_period
        if config.check_freshness and self._sent_at is not None:
            elapsed = min(max(now - self._sent_at, 0.0), elapsed)
        gentle = limit_change(slow, self._velocity, self._rise, elapsed, self._acceleration, self._jerk)
        if not np.array_equal(gentle, slow):
            causes.append(Cause.ACCELERATION_LIMIT)
        hull, linear = self._hull, gentle[:3]
        if hull is not None and self._pose_known(now):
            horizon = config.command_timeout if config.check_freshness else config.control_period
            inside = stay_inside(linear, hull, self._workspace, horizon) if config.limit_workspace else linear
            linear = stay_out(inside, hull, config.keep_out_boxes, horizon)
            causes += [Cause.WORKSPACE_LIMIT] * (not np.allclose(inside, gentle[:3], atol=1e-4))
            causes += [Cause.KEEP_OUT] * (not np.allclose(linear, inside, atol=1e-4))
        velocity = np.concatenate([linear, gentle[3:]])
        return causes, velocity, rise_of(velocity, self._velocity, elapsed)

    def _sent(self, velocity: np.ndarray, rise: np.ndarray, now: float) -> None:
        """Remember what was sent; rest after rest is no new beginning, or the next command would hardly speed up."""
        if velocity.any() or self._velocity.any():
            self._sent_at = now
        self._velocity, self._rise = velocity, rise
        self._acts_until = math.inf

    def _pose_known(self, now: float) -> bool:
        fresh = not self.config.check_freshness or now - self._pose_at <= self.config.pose_timeout
        return self._hull is not None and fresh

    def _dead_reckon(self, now: float) -> None:
        """Widen the hull by the way that the command being executed may have made. In lockstep time stands still."""
        if not self.config.check_freshness:
            return
        step = self._velocity[:3] * max(min(now, self._acts_until) - self._moved_at, 0.0)
        if now >= self._acts_until:
            self._velocity, self._rise, self._sent_at = np.zeros(6), np.zeros(6), self._acts_until
            self._acts_until = math.inf
        self._moved_at = max(now, self._moved_at)
        self._way.go_on(now, step)
        self._now = self._now[0] + step, self._now[1] + step
        if self._hull is not None:
            self._hull = np.minimum(self._hull[0], self._now[0]), np.maximum(self._hull[1], self._now[1])

    def _count(self, cause: Cause, motion: Motion) -> None:
        self.counts[cause] += 1
        verb = "refused" if cause in REFUSALS else "reduced"
        epoch, plan, step = motion.order
        asked = f"velocity {motion.linear} m/s in {motion.frame!r}, epoch {epoch}, plan {plan}, step {step}"
        self.message = f"{verb}: {cause.value} ({asked})"
        self.first.setdefault(cause, self.message)
