# SPDX-License-Identifier: Apache-2.0
"""A real camera's frames as the model's camera would have taken them: undistorted, and cropped or seen from its place.

All of it is one remapping, computed once. Two ways to choose what is seen:

- a crop: a rectangle of the undistorted frame, scaled to the model's size;
- the camera's pose: the table's plane is drawn as the model's camera sees it. Exact for what lies flat; what stands up
  leans the more, the further the camera is from the model's place, so that a camera near it is needed all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from swm_core.camera import Camera
from swm_core.errors import ConfigError
from swm_core.frames import Transform

_ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Calibration:
    """Lens of a camera, as ROS's camera_calibration writes it.

    Attributes:
        width: image width, px.
        height: image height, px.
        matrix: (3, 3) camera matrix, px.
        distortion: (n,) coefficients of OpenCV's model (plumb_bob: 5, rational_polynomial: 8).
    """

    width: int
    height: int
    matrix: np.ndarray
    distortion: np.ndarray

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read a file of camera_calibration (image_width, camera_matrix, distortion_coefficients).

        Raises:
            ConfigError: it cannot be read, lacks an entry, or has another distortion model.
        """
        try:
            content = yaml.safe_load(path.read_text())
            model = content.get("distortion_model", "plumb_bob")
            if model not in ("plumb_bob", "rational_polynomial"):
                raise ConfigError(f"{path}: distortion model {model!r}; plumb_bob and rational_polynomial are known")
            matrix = _numbers(content["camera_matrix"]).reshape(3, 3)
            distortion = _numbers(content["distortion_coefficients"])
            return cls(int(content["image_width"]), int(content["image_height"]), matrix, distortion)
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{path} is no camera calibration: {error!r}") from error


def _numbers(entry: Mapping | Sequence) -> np.ndarray:
    return np.asarray(entry["data"] if isinstance(entry, Mapping) else entry, float)


class CameraView:
    """Turns frames of a real camera into frames of the model's camera."""

    def __init__(
        self,
        size: tuple[int, int],
        camera: Camera,
        calibration: Calibration | None = None,
        crop: Sequence[int] = (),
        pose: Transform | None = None,
        table_height: float = 0.0,
    ) -> None:
        """Compute the map.

        Args:
            size: width and height of the frames, px.
            camera: the model's.
            calibration: of the real camera; None for one without distortion (not with a pose).
            crop: left, top, width, height in the undistorted frame, px; empty for the whole frame.
            pose: of the camera's optical frame (x right, y down, z forward) in the world; None to crop.
            table_height: of the plane that is drawn right, m.

        Raises:
            ConfigError: crop and pose are both given, the crop is outside the frame or of another aspect than the
                model's camera, the calibration is of another size, or a pose lacks a calibration.
        """
        self.size = size
        if calibration is not None and (calibration.width, calibration.height) != tuple(size):
            calibrated = f"{calibration.width}x{calibration.height}"
            raise ConfigError(f"the calibration is of {calibrated} frames, the camera's are {size[0]}x{size[1]}")
        if pose is not None and (crop or calibration is None):
            raise ConfigError("a camera pose needs a calibration and excludes a crop")
        box = tuple(crop) or (0, 0, *size)
        if pose is None:
            _check_crop(box, size, camera)
        self._target = camera.width, camera.height
        wide = box[2] if pose is None else size[0]
        self._fineness = max(1, math.floor(wide / camera.width))  # several samples a pixel, or fine detail would alias
        pixels = self._pixels()
        if pose is None:
            scale = np.array(box[2:], float) / np.array(self._target)
            found = _seen_through(pixels * scale + np.array(box[:2], float), calibration)
        else:
            found = _seen_at(camera.unproject(pixels, table_height), pose, calibration)
        # from continuous coordinates, in which a pixel's centre is at a half, to OpenCV's, in which it is whole
        self._columns, self._rows = (np.ascontiguousarray(found[..., i] - 0.5, np.float32) for i in (0, 1))

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Draw the view; what the camera does not see is black.

        Args:
            frame: (H, W, 3) uint8 of the size given.

        Returns:
            (h, w, 3) uint8 of the model's size, the channels in the same order.
        """
        fine = cv2.remap(frame, self._columns, self._rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return fine if self._fineness == 1 else cv2.resize(fine, self._target, interpolation=cv2.INTER_AREA)

    def _pixels(self) -> np.ndarray:
        """(h, w, 2) continuous coordinates in the model's image of the centres of all samples."""
        u = (np.arange(self._target[0] * self._fineness) + 0.5) / self._fineness
        v = (np.arange(self._target[1] * self._fineness) + 0.5) / self._fineness
        return np.stack(np.meshgrid(u, v), -1)


def _check_crop(box: tuple[int, ...], size: tuple[int, int], camera: Camera) -> None:
    if len(box) != 4 or min(box[:2]) < 0 or min(box[2:]) <= 0 or box[0] + box[2] > size[0] or box[1] + box[3] > size[1]:
        raise ConfigError(f"crop {box} (left, top, width, height) is not inside a {size[0]}x{size[1]} frame")
    wanted = camera.width / camera.height
    if abs(box[2] / box[3] / wanted - 1) > _ASPECT_TOLERANCE:
        raise ConfigError(
            f"{box[2]}x{box[3]} has another aspect than the model's camera ({camera.width}x{camera.height}); choose a "
            f"crop such as {round(box[3] * wanted)}x{box[3]} or {box[2]}x{round(box[2] / wanted)}"
        )


def _seen_through(pixels: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Where the distorting lens shows what an ideal one would show at (..., 2) pixels."""
    if calibration is None:
        return pixels
    homogeneous = np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)
    return _project(homogeneous @ np.linalg.inv(calibration.matrix).T, calibration)


def _seen_at(points: np.ndarray, pose: Transform, calibration: Calibration | None) -> np.ndarray:
    """Where a camera shows (..., 3) points of the world; far outside the frame where they are behind it."""
    if calibration is None:
        raise ConfigError("a camera pose needs a calibration")
    seen = pose.inverse.point(points)
    return np.where(seen[..., 2:] > 1e-6, _project(seen, calibration), -1e4)


def _project(points: np.ndarray, calibration: Calibration) -> np.ndarray:
    flat = np.ascontiguousarray(points.reshape(-1, 1, 3))
    found, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), calibration.matrix, calibration.distortion)
    return found.reshape(*points.shape[:-1], 2)
