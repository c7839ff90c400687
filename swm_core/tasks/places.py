# SPDX-License-Identifier: Apache-2.0
"""What "left", "up" or "the top left corner" mean on a table, as vectors and points in the world frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

CENTER = "center"


def _langtable_anchors() -> dict[str, tuple[float, float]]:
    """Nine points of the Language-Table board, 2.5 cm nearer to the robot than its workspace (world xy, m)."""
    rows = {"top": 0.125, "": 0.35, "bottom": 0.575}
    columns = {"left": -0.3048, "": 0.0, "right": 0.3048}
    return {f"{r} {c}".strip() or CENTER: (x, y) for r, x in rows.items() for c, y in columns.items()}


@dataclass(frozen=True)
class TablePlaces:
    """Directions and named places as the camera shows them; Language-Table's by default.

    There the robot stands at the image's top: up in the image is away from the reader, towards -x, and right is +y.

    Attributes:
        up: (2,) unit vector in world xy of what the image shows as up.
        right: (2,) unit vector in world xy of what the image shows as right.
        anchors: named places, world xy, m; the one named "center" has its own threshold.
    """

    up: tuple[float, float] = (-1.0, 0.0)
    right: tuple[float, float] = (0.0, 1.0)
    anchors: Mapping[str, tuple[float, float]] = field(default_factory=_langtable_anchors)

    @property
    def directions(self) -> Mapping[str, tuple[float, float]]:
        """The eight directions by name ("up", "up left", ...) as unit vectors in world xy."""
        up, right = np.asarray(self.up, float), np.asarray(self.right, float)
        found: dict[str, tuple[float, float]] = {}
        for row, vertical in (("up", up), ("", 0.0 * up), ("down", -up)):
            for column, horizontal in (("left", -right), ("", 0.0 * right), ("right", right)):
                vector = vertical + horizontal
                name = f"{row} {column}".strip()
                if name:
                    unit = vector / np.linalg.norm(vector)
                    found[name] = (float(unit[0]), float(unit[1]))
        return MappingProxyType(found)


def is_diagonal(direction: str) -> bool:
    """Whether a direction's name joins two ("up left")."""
    return " " in direction
