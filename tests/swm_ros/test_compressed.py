# SPDX-License-Identifier: Apache-2.0
"""Compressed images come back as they were sent, and what is none is refused before it is decoded."""

import array
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage

from swm_ros.compressed import decode, encode
from swm_ros.images import ImageCause, ImageError

HEIGHT, WIDTH = 90, 160
RAMP = np.stack(np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT)), -1)
RGB = np.uint8(np.concatenate([RAMP, 255 - RAMP[..., :1]], -1))


def message(data: bytes, format: str = "jpeg") -> CompressedImage:
    return CompressedImage(format=format, data=array.array("B", data))


def grey() -> bytes:
    file = io.BytesIO()
    Picture.fromarray(RGB[..., 0]).save(file, "png")
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes whose header promises 65,000 x 65,000 pixels."""
    header = struct.pack(">IIBBBBB", 65000, 65000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + b"\0\0\0\x40IDAT"
        + bytes(64)
    )


def test_png_is_exact_and_jpeg_is_close_in_colours_and_small():
    assert np.array_equal(decode(encode(RGB, "png", 95), WIDTH, HEIGHT), RGB)
    sent = encode(RGB, "jpeg", 95)
    assert sent.format == "rgb8; jpeg compressed"
    assert len(sent.data) < RGB.size / 8
    assert np.abs(decode(sent, WIDTH, HEIGHT).astype(int) - RGB).mean() < 2


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (bytes(encode(RGB, "jpeg", 95).data)[:500], ImageCause.LENGTH),
        (bytes(encode(RGB[:-1], "jpeg", 95).data), ImageCause.SIZE),
        (grey(), ImageCause.ENCODING),
        (bomb(), ImageCause.SIZE),
        (b"", ImageCause.ENCODING),
        (b"GIF89a" + bytes(100), ImageCause.ENCODING),
    ],
    ids=["truncated", "size", "grey", "bomb", "empty", "gif"],
)
def test_what_is_none_is_refused_with_its_cause(data, cause):
    with pytest.raises(ImageError) as caught:
        decode(message(data), WIDTH, HEIGHT)
    assert caught.value.cause == cause


def test_random_damage_is_refused_or_gives_an_image_of_the_size():
    random, good = np.random.default_rng(0), bytes(encode(RGB, "jpeg", 80).data)
    for _ in range(300):
        data = bytearray(good)
        for place in random.integers(0, len(data), random.integers(1, 20)):
            data[place] = random.integers(256)
        try:
            assert decode(message(bytes(data)), WIDTH, HEIGHT).shape == (HEIGHT, WIDTH, 3)
        except ImageError:
            continue
