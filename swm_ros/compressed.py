# SPDX-License-Identifier: Apache-2.0
"""Compressed images: what a camera driver or this stack sends over a slow link.

The size is read from the file's header and checked before anything is decoded, so that a small message cannot ask for
much memory.
"""

from __future__ import annotations

import array
import io

import numpy as np
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage

from swm_ros.images import ImageCause, ImageError

FORMATS = ("jpeg", "png")


def decode(message: CompressedImage, width: int, height: int) -> np.ndarray:
    """Read a compressed image.

    Args:
        message: JPEG or PNG, whatever its `format` says.
        width: wanted width, px.
        height: wanted height, px.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: it is neither, grey, of another size, or truncated.
    """
    try:
        with Picture.open(io.BytesIO(bytes(message.data)), formats=[f.upper() for f in FORMATS]) as picture:
            if picture.size != (width, height):
                found = f"{picture.width}x{picture.height}"
                raise ImageError(ImageCause.SIZE, f"compressed image is {found}, {width}x{height} expected")
            if picture.mode not in ("RGB", "RGBA"):
                raise ImageError(ImageCause.ENCODING, f"compressed image has mode {picture.mode}; colours are needed")
            return np.asarray(picture.convert("RGB"))
    except Picture.UnidentifiedImageError as error:
        raise ImageError(
            ImageCause.ENCODING, f"compressed image of format {message.format!r} is neither JPEG nor PNG"
        ) from error
    except Picture.DecompressionBombError as error:
        raise ImageError(ImageCause.SIZE, f"compressed image is far too large: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(ImageCause.LENGTH, f"compressed image cannot be read: {error}") from error


def encode(image: np.ndarray, format: str, quality: int) -> CompressedImage:
    """Compress.

    Args:
        image: (H, W, 3) uint8 RGB.
        format: "jpeg" or "png" (without loss).
        quality: of JPEG, 1 to 100; colours are kept at full resolution.

    Returns:
        A message with an empty header, named as image_transport names it.
    """
    file = io.BytesIO()
    options = {"quality": quality, "subsampling": 0} if format == "jpeg" else {"compress_level": 1}
    Picture.fromarray(image).save(file, format, **options)
    return CompressedImage(format=f"rgb8; {format} compressed", data=array.array("B", file.getvalue()))
