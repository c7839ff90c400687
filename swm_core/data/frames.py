# SPDX-License-Identifier: Apache-2.0
"""Frames as PNG files in memory: lossless, and small because simulated frames are mostly flat."""

from __future__ import annotations

import cv2
import numpy as np

from swm_core.errors import DataError

PNG_LEVEL = 1  # higher levels cost several times the time for a tenth of the size


def encode_png(image: np.ndarray) -> bytes:
    """PNG file of a frame.

    Args:
        image: (H, W, 3) uint8 RGB.

    Raises:
        DataError: another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"a frame is (H, W, 3) uint8, got {image.shape} {image.dtype}")
    _, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
    return data.tobytes()


def decode_png(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB frame of a PNG file.

    Raises:
        DataError: the bytes are no whole image.
    """
    flags = cv2.IMREAD_COLOR_RGB if data else None
    try:
        image = None if flags is None else cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"frame does not decode: {error}") from error
    if image is None:
        raise DataError(f"frame of {len(data)} bytes does not decode")
    return image
