# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB arrays and back: by cv_bridge where there is a working one, else the same by numpy.

Accepted: rgb8, bgr8, rgba8, bgra8 (alpha is dropped). The model was trained on colours, so grey images are refused
rather than repeated into three channels. Sizes and lengths are checked before anything is read.
"""

from __future__ import annotations

import array
import enum
from collections import Counter
from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import Image

from swm_core.errors import SwmError

_CHANNELS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0)}
ACCEPTED_ENCODINGS = tuple(_CHANNELS)
MAX_PIXELS = 4096 * 4096  # more is taken for a malformed header


class ImageCause(enum.Enum):
    """Why an image is refused."""

    ENCODING = "encoding"
    SIZE = "size"
    STEP = "step"
    LENGTH = "length"
    BLANK = "blank"
    FROZEN = "frozen"


class ImageError(SwmError, ValueError):
    """An image message cannot be used; carries its cause."""

    def __init__(self, cause: ImageCause, text: str) -> None:
        """Keep cause and text."""
        super().__init__(text)
        self.cause = cause


def check(message: Image, width: int, height: int) -> None:
    """Check encoding, size, row step and data length of an image.

    Args:
        message: any image message.
        width: wanted width, px.
        height: wanted height, px.

    Raises:
        ImageError: one of them is not as wanted; the message says what was found and what is accepted.
    """
    if message.encoding not in _CHANNELS:
        raise ImageError(
            ImageCause.ENCODING,
            f"encoding {message.encoding!r} is not accepted; accepted: {', '.join(ACCEPTED_ENCODINGS)}",
        )
    if (message.width, message.height) != (width, height):
        raise ImageError(
            ImageCause.SIZE,
            f"image is {message.width}x{message.height}, the model's camera is {width}x{height}; set the driver's size "
            "or crop and resize before this node (scaling here would hide a wrong camera)",
        )
    row = width * (4 if "a" in message.encoding else 3)
    if message.step < row or message.step * height > 4 * MAX_PIXELS:
        raise ImageError(
            ImageCause.STEP, f"row step is {message.step} bytes, {message.encoding} of width {width} needs {row}"
        )
    if len(message.data) < message.step * (height - 1) + row:
        raise ImageError(
            ImageCause.LENGTH,
            f"data has {len(message.data)} bytes, {message.step} x {height} = {message.step * height} expected",
        )


def to_rgb_numpy(message: Image) -> np.ndarray:
    """Convert a checked image by numpy alone.

    Returns:
        (H, W, 3) uint8 RGB, contiguous, not sharing memory with the message.
    """
    channels, depth = _CHANNELS[message.encoding], 4 if "a" in message.encoding else 3
    flat = np.frombuffer(message.data, np.uint8)
    rows = np.lib.stride_tricks.as_strided(
        flat, (message.height, message.width * depth), (message.step, 1), writeable=False
    )  # rows may be padded, the last one need not be
    return np.ascontiguousarray(rows.reshape(message.height, message.width, depth)[..., channels])


class Reader:
    """Checks and converts the images of one topic; of each cause of refusal the first is told."""

    def __init__(self, width: int, height: int, tell: Callable[[str], object]) -> None:
        """Begin with nothing refused.

        Args:
            width: wanted width, px.
            height: wanted height, px.
            tell: writes to the log.
        """
        self.size, self.tell = (width, height), tell
        self.refused: Counter[ImageCause] = Counter()

    def read(self, message: Image) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB, contiguous and a copy; None if the image is refused."""
        try:
            check(message, *self.size)
        except ImageError as error:
            if not self.refused[error.cause]:
                self.tell(f"frame refused: {error}")
            self.refused[error.cause] += 1
            return None
        return to_rgb_numpy(message)


def from_rgb(image: np.ndarray) -> Image:
    """An rgb8 message with an empty header.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    height, width, _ = image.shape
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = array.array("B", np.ascontiguousarray(image).tobytes())  # 100 times faster than assigning an array
    return message


def working_cv_bridge() -> Callable[[Image], np.ndarray] | None:
    """cv_bridge's conversion if it is installed and gives what it should on a small image of each encoding, else None.

    The check is there because a cv_bridge built for another NumPy or another ROS imports and then fails or crashes on
    use.
    """
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()

        def convert(message: Image) -> np.ndarray:
            return np.ascontiguousarray(bridge.imgmsg_to_cv2(message, "rgb8"))

        for encoding in ACCEPTED_ENCODINGS:
            depth = 4 if "a" in encoding else 3
            sample = Image(height=2, width=3, encoding=encoding, step=3 * depth)
            sample.data = array.array("B", range(6 * depth))
            if not np.array_equal(convert(sample), to_rgb_numpy(sample)):
                return None
    except Exception:  # whatever a foreign binary raises: then it is not a working one
        return None
    return convert


def converter() -> tuple[Callable[[Image], np.ndarray], str]:
    """The conversion to use in this process and its name ("cv_bridge" or "numpy")."""
    found = working_cv_bridge()
    return (found, "cv_bridge") if found else (to_rgb_numpy, "numpy")
