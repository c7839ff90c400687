# SPDX-License-Identifier: Apache-2.0
"""A command without ROS: what the guard judges."""

from __future__ import annotations

from dataclasses import dataclass

from swm_ros.schedule import SAFE_ACTION

ZERO = (0.0, 0.0, 0.0)


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
