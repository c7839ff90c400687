# SPDX-License-Identifier: Apache-2.0
"""A pinhole camera: where a world point is seen, and which table point a pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swm_core.errors import ConfigError


@dataclass(frozen=True)
class Camera:
    """Pinhole camera without distortion (REP 103 optical frame: x right, y down, z forward).

    Attributes:
        width: image width, px.
        height: image height, px.
        focal: focal length, px (square pixels).
        position: camera centre in the world frame, m.
        rotation: 3 rows, the optical axes x (image right), y (image down), z (forward) in the world frame.
        principal: principal point (u, v), px; None for the image centre.
    """

    width: int
    height: int
    focal: float
    position: tuple[float, float, float]
    rotation: tuple[tuple[float, float, float], ...]
    principal: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the rotation and sizes.

        Raises:
            ConfigError: sizes are not positive or the rotation is not orthonormal and right-handed.
        """
        r = np.asarray(self.rotation, float)
        if self.width <= 0 or self.height <= 0 or self.focal <= 0:
            sizes = (self.width, self.height, self.focal)
            raise ConfigError(f"camera needs positive width, height and focal, got {sizes}")
        if r.shape != (3, 3) or not np.allclose(r @ r.T, np.eye(3), atol=1e-4) or np.linalg.det(r) < 0:
            raise ConfigError("camera rotation needs three right-handed orthonormal rows: right, down, forward")

    @property
    def centre(self) -> np.ndarray:
        """(2,) principal point, px."""
        return np.asarray(self.principal if self.principal is not None else (self.width / 2, self.height / 2), float)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixel coordinates of world points.

        Args:
            points: (..., 3) world frame, m, in front of the camera.

        Returns:
            (..., 2) continuous (u, v), px; u to the right, v down.
        """
        p = (np.asarray(points, float) - np.asarray(self.position)) @ np.asarray(self.rotation, float).T
        return self.focal * p[..., :2] / p[..., 2:] + self.centre

    def unproject(self, pixels: np.ndarray, z: float = 0.0) -> np.ndarray:
        """World points where the pixels' rays meet the horizontal plane at height z.

        Args:
            pixels: (..., 2) continuous (u, v), px.
            z: height of the plane in the world frame, m.

        Returns:
            (..., 3) world frame, m.
        """
        uv = (np.asarray(pixels, float) - self.centre) / self.focal
        rays = np.concatenate([uv, np.ones_like(uv[..., :1])], -1) @ np.asarray(self.rotation, float)
        origin = np.asarray(self.position, float)
        return origin + rays * ((z - origin[2]) / rays[..., 2:])
