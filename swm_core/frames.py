# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms between frames, in the form in which tf and calibrations give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swm_core.errors import ConfigError


@dataclass(frozen=True)
class Transform:
    """The pose of a child frame in a parent frame; takes coordinates in the child to coordinates in the parent.

    Attributes:
        translation: (3,) origin of the child in the parent, m.
        rotation: (3, 3) its columns are the child's axes in the parent.
    """

    translation: np.ndarray
    rotation: np.ndarray

    @classmethod
    def from_numbers(cls, numbers: Sequence[float], name: str) -> Transform:
        """From x, y, z (m) and the quaternion x, y, z, w, as tf prints them; no numbers are the identity.

        Args:
            numbers: seven, or none.
            name: of the setting, for errors.

        Raises:
            ConfigError: there are not seven finite numbers, or the quaternion is far from a rotation.
        """
        if not len(numbers):
            return cls(np.zeros(3), np.eye(3))
        values = np.asarray(numbers, float)
        if values.shape != (7,) or not np.all(np.isfinite(values)):
            raise ConfigError(f"{name} needs x, y, z, qx, qy, qz, qw, got {tuple(numbers)}")
        length = float(np.linalg.norm(values[3:]))
        if abs(length - 1) > 0.01:
            raise ConfigError(f"the quaternion of {name} has length {length:.3f}; a rotation has 1")
        x, y, z, w = values[3:] / length
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(values[:3], rotation)

    @property
    def inverse(self) -> Transform:
        """From the parent to the child."""
        return Transform(-self.rotation.T @ self.translation, self.rotation.T)

    def point(self, coordinates: Sequence[float] | np.ndarray) -> np.ndarray:
        """(..., 3) points of the child frame in the parent frame, m."""
        return np.asarray(coordinates, float) @ self.rotation.T + self.translation

    def direction(self, components: Sequence[float] | np.ndarray) -> np.ndarray:
        """(..., 3) vectors of the child frame (velocities, rates) in the parent frame; no origin matters."""
        return np.asarray(components, float) @ self.rotation.T
