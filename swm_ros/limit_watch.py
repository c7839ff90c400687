# SPDX-License-Identifier: Apache-2.0
"""Finds what left for the robot although the guard's limits forbid it. Shares no code with the guard.

It knows neither when the guard judged a command nor what was lost between, so that it finds only what no times explain:
a growth of speed is allowed what a whole control period allows, the first of a row a period's jerk, the next one's two.
"""

from __future__ import annotations

import numpy as np

from swm_ros.guard_config import GuardConfig

OVERSHOOT = 0.01  # m that the effector may be outside the workspace: the robot follows its commands only so well
ROUNDING = 1e-6


class LimitWatch:
    """Judges what leaves.

    Attributes:
        broken: what was outside the limits, in words.
    """

    def __init__(self, limits: GuardConfig) -> None:
        """Begin at rest.

        Args:
            limits: the guard's.
        """
        self.broken: list[str] = []
        self._limits = limits
        self._most = np.array((*limits.max_velocity, *limits.max_angular_velocity, limits.max_gripper_rate))
        period = limits.control_period
        self._growth = period * np.array((*limits.max_acceleration, *limits.max_angular_acceleration))
        self._first_growth = period**2 * np.array((*limits.max_jerk, *limits.max_angular_jerk))
        self._velocity, self._grew = np.zeros(6), np.zeros(6)  # how many commands in a row each speed grew

    def command(self, speeds: np.ndarray) -> None:
        """Judge a command.

        Args:
            speeds: (7,) linear (m/s) and angular (rad/s) velocity, and the gripper's rate.
        """
        if not np.all(np.isfinite(speeds)):
            self.broken.append(f"not finite: {speeds}")
            return
        if np.any(np.abs(speeds) > self._most * (1 + ROUNDING)):
            self.broken.append(f"too fast: {speeds}")
        velocity = speeds[:6]
        turned = velocity * self._velocity < 0
        grew = turned | (np.abs(velocity) > np.abs(self._velocity))
        growth = np.where(grew, np.abs(velocity - self._velocity), 0.0)
        times = np.where(grew, np.where(turned, 1, self._grew + 1), 0)
        most = np.minimum(self._growth, times * self._first_growth)
        if np.any(growth > most * (1 + ROUNDING)):
            self.broken.append(f"too abrupt: {velocity} after {self._velocity}")
        self._velocity, self._grew = velocity, times

    def effector(self, position: np.ndarray) -> None:
        """Judge where the effector is: (3,) m."""
        low, high = self._limits.workspace_low, self._limits.workspace_high
        if np.any(position < np.subtract(low, OVERSHOOT)) or np.any(position > np.add(high, OVERSHOOT)):
            self.broken.append(f"effector out of the workspace: {position}")
