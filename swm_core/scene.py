# SPDX-License-Identifier: Apache-2.0
"""What is where at one instant, or over a batch of instants: all that question truth may look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from swm_core.errors import SceneError

EFFECTOR = "effector"  # the name under which contacts list the robot's tool (peg or gripper)


@dataclass(frozen=True)
class SceneState:
    """Typed scene state; every array may carry the same leading batch shape `...` (time, for a trajectory).

    Attributes:
        names: the N objects' names ("red moon"), in the order of the arrays.
        positions: (..., N, 3) float64, objects' reference points in the world frame, m.
        yaws: (..., N) float64, rotation about the world's z axis, rad.
        effector: (..., 3) float64, tool point in the world frame, m (Language-Table: commanded xy, see its docs).
        contacts: (..., N+1, N+1) bool, symmetric, who touches whom; row and column N are the effector.
        gripper: (...) float64 in [0, 1], 0 open, 1 closed; 0 where there is no gripper.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    yaws: np.ndarray
    effector: np.ndarray
    contacts: np.ndarray
    gripper: np.ndarray

    def __post_init__(self) -> None:
        """Check shapes.

        Raises:
            SceneError: an array's shape does not follow from the names and the batch shape, or names repeat.
        """
        n, batch = len(self.names), self.effector.shape[:-1]
        if len(set(self.names)) != n:
            raise SceneError(f"object names repeat: {self.names}")
        expected = {
            "positions": (*batch, n, 3),
            "yaws": (*batch, n),
            "effector": (*batch, 3),
            "contacts": (*batch, n + 1, n + 1),
            "gripper": batch,
        }
        for field, shape in expected.items():
            found = np.shape(getattr(self, field))
            if found != shape:
                raise SceneError(f"{field} has shape {found}, expected {shape} for {n} objects")

    def __getitem__(self, at: Any) -> SceneState:
        """The scenes at an index, slice or mask of the leading batch axes."""
        return SceneState(
            self.names,
            *(np.asarray(getattr(self, f))[at] for f in ("positions", "yaws", "effector", "contacts", "gripper")),
        )

    def index(self, name: str) -> int:
        """Place of an object in the arrays.

        Raises:
            SceneError: there is no such object.
        """
        if name not in self.names:
            raise SceneError(f"no object {name!r} in the scene; it has {', '.join(self.names)}")
        return self.names.index(name)

    @staticmethod
    def stack(scenes: list[SceneState]) -> SceneState:
        """Join scenes of the same objects along a new first axis."""
        first = scenes[0]
        if any(s.names != first.names for s in scenes):
            raise SceneError("scenes with different objects cannot be stacked")
        return SceneState(
            first.names,
            *(
                np.stack([getattr(s, f) for s in scenes])
                for f in ("positions", "yaws", "effector", "contacts", "gripper")
            ),
        )
