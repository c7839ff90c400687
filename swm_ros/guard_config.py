# SPDX-License-Identifier: Apache-2.0
"""Limits and time-outs of the guard."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from swm_core.errors import ConfigError
from swm_ros.guard_limits import Box

SAFE_ACTIONS = ("zero", "hold", "none")
ZERO = (0.0, 0.0, 0.0)
FASTEST = {"max_velocity": (20.0, "m/s"), "max_angular_velocity": (50.0, "rad/s")}  # no arm is; another unit was meant
_VECTORS = (
    "max_velocity", "max_acceleration", "max_jerk", "max_angular_velocity", "max_angular_acceleration",
    "max_angular_jerk", "workspace_low", "workspace_high",
)  # fmt: skip


@dataclass(frozen=True)
class GuardConfig:
    """Limits and time-outs of the guard; until limits are given nothing moves.

    Attributes:
        frame: frame in which velocities and the effector's position are given.
        max_velocity: largest speed along x, y, z of that frame, m/s; 0 locks an axis.
        max_acceleration: largest growth of speed along x, y, z, m/s^2; slowing down and stopping are never limited.
        max_jerk: largest growth of acceleration along x, y, z, m/s^3; ending an acceleration is never limited.
        max_angular_velocity: largest rate about x, y, z, rad/s; 0 locks an axis.
        max_angular_acceleration: largest growth of the rate about x, y, z, rad/s^2.
        max_angular_jerk: largest growth of angular acceleration about x, y, z, rad/s^3.
        max_gripper_rate: largest rate at which the gripper opens or closes, share of its range per second; 0 locks it.
        speed_scale: factor on every velocity and rate, for commissioning (slow mode).
        workspace_low: lowest corner of the effector's workspace, m.
        workspace_high: highest corner, m.
        limit_workspace: whether motion out of the workspace is cut; needs the effector's pose.
        keep_out: boxes that the effector must not enter, six numbers each (lowest corner, highest corner), m, widened
            by the tool's extent; needs the effector's pose.
        pose_timeout: age by receipt at which the effector's pose is too old to allow motion, s.
        pose_delay: how long before its arrival the effector's pose may have been measured, s; the way commanded since
            then is added to it.
        control_period: time for which one command acts, s.
        check_freshness: whether missing commands are replaced by the safe action; off in lockstep, where time stands
            still.
        command_timeout: time without an acceptable command after which the safe action is taken, s; motion is cut so
            that even a last command, acting that long, leads nowhere forbidden.
        safe_action: "zero" (zero velocity, the gripper left as it is), "hold" (zero velocity for `command_timeout`,
            three times at least, then nothing, for a controller that holds its position when commands cease and would
            drift under zero velocities) or "none" (nothing is sent: the robot must stop by itself within
            `command_timeout` of the last command).
    """

    frame: str = "world"
    max_velocity: tuple[float, ...] = ZERO
    max_acceleration: tuple[float, ...] = ZERO
    max_jerk: tuple[float, ...] = ZERO
    max_angular_velocity: tuple[float, ...] = ZERO
    max_angular_acceleration: tuple[float, ...] = ZERO
    max_angular_jerk: tuple[float, ...] = ZERO
    max_gripper_rate: float = field(default=0.0, metadata={"range": (0.0, 1000.0)})
    speed_scale: float = field(default=1.0, metadata={"range": (0.01, 1.0)})
    workspace_low: tuple[float, ...] = ZERO
    workspace_high: tuple[float, ...] = ZERO
    limit_workspace: bool = True
    keep_out: tuple[float, ...] = ()
    pose_timeout: float = field(default=0.5, metadata={"range": (0.01, 10.0)})
    pose_delay: float = field(default=0.1, metadata={"range": (0.0, 2.0)})
    control_period: float = field(default=0.1, metadata={"range": (0.001, 10.0)})
    check_freshness: bool = True
    command_timeout: float = field(default=0.25, metadata={"range": (0.01, 10.0)})
    safe_action: str = "zero"

    def __post_init__(self) -> None:
        """Check what ranges cannot.

        Raises:
            ConfigError: a limit is negative, absurd, not finite or has not three numbers, an axis may have speed but
                may not speed up, a box is empty, or the safe action is unknown.
        """
        for name in _VECTORS:
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise ConfigError(f"{name} needs three finite numbers, got {values}")
            if name.startswith("max") and min(values) < 0:
                raise ConfigError(f"{name} must not be negative, got {values}")
        for name, (most, unit) in FASTEST.items():
            if max(getattr(self, name)) > most:
                raise ConfigError(f"{name} is in {unit}, and {getattr(self, name)} is beyond {most} {unit}")
        for kind in ("", "angular_"):
            for rate in ("acceleration", "jerk"):
                speeds, rates = getattr(self, f"max_{kind}velocity"), getattr(self, f"max_{kind}{rate}")
                if any(speed > 0 and most == 0 for speed, most in zip(speeds, rates, strict=True)):
                    raise ConfigError(f"max_{kind}{rate} is {rates}: an axis with a speed ({speeds}) needs more than 0")
        if any(low > high for low, high in zip(self.workspace_low, self.workspace_high, strict=True)):
            raise ConfigError(f"workspace is empty: {self.workspace_low} to {self.workspace_high}")
        if len(self.keep_out) % 6 or not all(math.isfinite(v) for v in self.keep_out):
            raise ConfigError(f"keep_out needs six finite numbers a box, got {self.keep_out}")
        if any(np.any(low >= high) for low, high in self.keep_out_boxes):
            raise ConfigError(f"a keep-out box is empty: {self.keep_out}; give lowest corner, then highest")
        if self.safe_action not in SAFE_ACTIONS:
            raise ConfigError(f"safe_action is {self.safe_action!r}; choose {', '.join(SAFE_ACTIONS)}")

    @cached_property
    def keep_out_boxes(self) -> tuple[Box, ...]:
        """The boxes that the effector must not enter."""
        numbers = np.asarray(self.keep_out, float).reshape(-1, 2, 3)
        return tuple((low, high) for low, high in numbers)

    @property
    def needs_pose(self) -> bool:
        """Whether motion is allowed only where the effector's pose is known."""
        return self.limit_workspace or bool(self.keep_out)
