# SPDX-License-Identifier: Apache-2.0
"""The numbers at which an answer turns from no to yes, each with a name."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from swm_core.errors import ConfigError


def check_positive(limits: Any, what: str) -> None:
    """Make sure that all numbers of a dataclass are finite and above 0.

    Raises:
        ConfigError: one is not; names it.
    """
    for field in fields(limits):
        value = getattr(limits, field.name)
        if isinstance(value, float | int) and not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{what} {field.name} is {value}; it must be finite and above 0")


@dataclass(frozen=True)
class Thresholds:
    """Limits of the question relations, for Language-Table by default.

    The values are those of the paper's Language-Table generator. Where that generator contradicts the meaning of
    the words in the paper, the meaning wins:

    * "Did it move?" is yes when the displacement reaches `moved` (the generator had it the other way round).
    * Directions are compared as unit vectors, and every direction is judged for itself. The generator chose one
      direction by the largest product with un-normalised vectors, which prefers diagonals (length 1.41) and could
      call a motion near an axis "no" although a yes was wanted.
    * Yes and no are read from the truth alone; there is no looser or tighter pre-filter for either of them. The
      generator filtered board places with the centre's limit for "left center" too, and did not filter its negative
      directions, so that some of them were true.
    * "Touching" of the effector is physical contact, as the paper's success for reaching is; "next to", "near",
      "close to" are the distance `near`. A centre distance of 5 cm leaves up to 2.5 cm of air.

    Attributes:
        touching: two objects touch below this horizontal distance of their centres, m.
        near: an object is next to the effector below this horizontal distance, m.
        board: an object is at a border or corner place below this distance from its anchor, m.
        board_center: the same for the centre place, m.
        direction_width: half width of the band that counts as "left of", "above" and so on, m.
        direction_start: where the band begins, as a fraction of its reach.
        axis_reach: length of the band for left, right, up, down, m.
        diagonal_reach: length of the band for the four diagonals, m.
        moved: least displacement that counts as motion, m.
        closer: least decrease of a distance that counts as closer, m.
        axis_cone: half angle within which a motion is left, right, up or down, rad.
        diagonal_cone: half angle within which a motion is diagonal, rad.
    """

    touching: float = 0.05
    near: float = 0.05
    board: float = 0.115
    board_center: float = 0.10
    direction_width: float = 0.04
    direction_start: float = 0.05
    axis_reach: float = 0.104
    diagonal_reach: float = 0.052 * math.sqrt(2.0)
    moved: float = 0.04
    closer: float = 0.04
    axis_cone: float = math.radians(20.0)
    diagonal_cone: float = math.radians(30.0)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: a threshold is not finite and above 0.
        """
        check_positive(self, "threshold")


@dataclass(frozen=True)
class StackingLimits:
    """When one of two touching objects of the same height counts as on top of the other.

    Attributes:
        height: how much higher its centre is when it lies flat on the other, m.
        tolerance: by how much less or more that may be, m; a cube that leans on its neighbour's edge is lower.
        offset: largest horizontal distance of the centres, m; a cube of 4 cm falls at 2 cm if nothing holds it, but
            may be turned, and may be held.
    """

    height: float = 0.04
    tolerance: float = 0.01
    offset: float = 0.03

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: a value is not finite and above 0.
        """
        check_positive(self, "threshold")


ON_TOP_LIMITS = StackingLimits()


@dataclass(frozen=True)
class GraspingThresholds:
    """Limits of the question relations for a gripper among cubes; the paper gives none, these are ours.

    Attributes:
        opposing: an object is grasped when the push of one finger is this near to the opposite of another's, rad. Two
            fingers that push a cube along, or press on it from above, push the same way.
        on_top: when one object is on top of another.
        closer: least decrease of a distance that counts as closer, m: half of what the gripper does in a step, and
            above the few millimetres by which it and a grasped cube give way.
    """

    opposing: float = math.radians(45.0)
    on_top: StackingLimits = ON_TOP_LIMITS
    closer: float = 0.01

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: a threshold is not finite and above 0.
        """
        check_positive(self, "threshold")
