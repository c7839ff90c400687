# SPDX-License-Identifier: Apache-2.0
"""What is where at one instant, or over a batch of instants: all that question truth may look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swm_core.errors import SceneError

EFFECTOR = "effector"  # the name under which contacts list the robot's tool (peg or gripper)
STATE = ("positions", "yaws", "effector", "contacts", "gripper", "fingers", "gaps")  # the arrays, in order
_NOT_GIVEN = np.empty(0)


@dataclass(frozen=True)
class SceneState:
    """Typed scene state; every array may carry the same leading batch shape `...` (time, for a trajectory).

    Attributes:
        names: the N objects' names ("red moon"), in the order of the arrays.
        positions: (..., N, 3) float64, objects' reference points in the world frame, m.
        yaws: (..., N) float64, rotation about the world's z axis, rad.
        effector: (..., 3) float64, tool point in the world frame, m (Language-Table: commanded xy, see its docs).
        contacts: (..., N+1, N+1) bool, symmetric, who touches whom; row and column N are the effector (of a gripper,
            the inner sides of its fingers).
        gripper: (...) float64 in [0, 1], 0 open, 1 closed; 0 where there is no gripper.
        fingers: (..., F, N, 3) float64, direction in which finger f presses on object n, world frame, length 1; zeros
            where it does not touch. F is 0 where there is no gripper, or where this is not known.
        gaps: (..., N) float64, least distance between effector and object, m, 0 in contact; NaN where it is not known.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    yaws: np.ndarray
    effector: np.ndarray
    contacts: np.ndarray
    gripper: np.ndarray
    fingers: np.ndarray = field(default_factory=lambda: _NOT_GIVEN)
    gaps: np.ndarray = field(default_factory=lambda: _NOT_GIVEN)

    def __post_init__(self) -> None:
        """Fill in what was not given and check shapes.

        Raises:
            SceneError: an array's shape does not follow from the names and the batch shape, or names repeat.
        """
        n, batch = len(self.names), self.effector.shape[:-1]
        if self.fingers is _NOT_GIVEN:
            object.__setattr__(self, "fingers", np.zeros((*batch, 0, n, 3)))
        if self.gaps is _NOT_GIVEN:
            object.__setattr__(self, "gaps", np.full((*batch, n), np.nan))
        if len(set(self.names)) != n:
            raise SceneError(f"object names repeat: {self.names}")
        expected = {
            "positions": (*batch, n, 3),
            "yaws": (*batch, n),
            "effector": (*batch, 3),
            "contacts": (*batch, n + 1, n + 1),
            "gripper": batch,
            "fingers": (*batch, *np.shape(self.fingers)[-3:-2], n, 3),
            "gaps": (*batch, n),
        }
        for name, shape in expected.items():
            found = np.shape(getattr(self, name))
            if found != shape:
                raise SceneError(f"{name} has shape {found}, expected {shape} for {n} objects")

    def __getitem__(self, at: Any) -> SceneState:
        """The scenes at an index, slice or mask of the leading batch axes."""
        return SceneState(self.names, *(np.asarray(getattr(self, name))[at] for name in STATE))

    def only(self, names: tuple[str, ...]) -> SceneState:
        """The scene with these objects, in this order; the others are left out.

        Raises:
            SceneError: one of them is not there.
        """
        n, at = len(self.names), [self.index(name) for name in names]
        with_effector = np.array([*at, n])
        return SceneState(
            names,
            self.positions[..., at, :],
            self.yaws[..., at],
            self.effector,
            self.contacts[..., with_effector[:, None], with_effector],
            self.gripper,
            self.fingers[..., at, :],
            self.gaps[..., at],
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
        return SceneState(first.names, *(np.stack([getattr(s, name) for s in scenes]) for name in STATE))
