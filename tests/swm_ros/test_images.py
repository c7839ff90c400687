# SPDX-License-Identifier: Apache-2.0
"""Images become the same RGB array on every path, and malformed ones are refused with their cause."""

import array

import numpy as np
import pytest
from sensor_msgs.msg import Image

from swm_ros.images import (
    ACCEPTED_ENCODINGS,
    ImageCause,
    ImageError,
    Reader,
    check,
    from_rgb,
    to_rgb_numpy,
    working_cv_bridge,
)

HEIGHT, WIDTH = 5, 7
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def message_of(encoding: str, padding: int = 0) -> Image:
    """A message made by hand, channel by channel."""
    order = {"r": RGB[..., 0], "g": RGB[..., 1], "b": RGB[..., 2], "a": np.full((HEIGHT, WIDTH), 9, np.uint8)}
    pixels = np.stack([order[c] for c in encoding.removesuffix("8")], -1).reshape(HEIGHT, -1)
    rows = np.concatenate([pixels, np.full((HEIGHT, padding), 77, np.uint8)], 1)
    message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=rows.shape[1])
    message.data = array.array("B", rows.tobytes())
    return message


@pytest.mark.parametrize("encoding", ACCEPTED_ENCODINGS)
@pytest.mark.parametrize("padding", [0, 3])
def test_every_accepted_encoding_gives_the_same_rgb(encoding, padding):
    message = message_of(encoding, padding)
    check(message, WIDTH, HEIGHT)
    converted = to_rgb_numpy(message)
    assert converted.dtype == np.uint8
    assert np.array_equal(converted, RGB)


@pytest.mark.parametrize("encoding", ACCEPTED_ENCODINGS)
def test_cv_bridge_gives_the_same(encoding):
    convert = working_cv_bridge()
    if convert is None:
        pytest.skip("no working cv_bridge in this installation")
    assert np.array_equal(convert(message_of(encoding)), to_rgb_numpy(message_of(encoding)))


def test_a_cv_bridge_that_swaps_colours_is_not_used(monkeypatch):
    import sys
    import types

    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            return to_rgb_numpy(message)[..., ::-1]

    monkeypatch.setitem(sys.modules, "cv_bridge", types.SimpleNamespace(CvBridge=CvBridge))
    assert working_cv_bridge() is None


def test_a_cv_bridge_that_works_is_used(monkeypatch):
    import sys
    import types

    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            assert encoding == "rgb8"
            return to_rgb_numpy(message)

    monkeypatch.setitem(sys.modules, "cv_bridge", types.SimpleNamespace(CvBridge=CvBridge))
    convert = working_cv_bridge()
    assert convert is not None
    assert np.array_equal(convert(message_of("bgr8")), RGB)


def test_there_and_back():
    message = from_rgb(RGB)
    assert isinstance(message.data, array.array)
    assert np.array_equal(to_rgb_numpy(message), RGB)


def _with(**changes) -> Image:
    message = message_of("rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "cause", "said"),
    [
        (_with(encoding="mono8"), ImageCause.ENCODING, "rgb8, bgr8"),
        (_with(encoding=""), ImageCause.ENCODING, "''"),
        (_with(width=8), ImageCause.SIZE, "8x5"),
        (_with(height=0), ImageCause.SIZE, "7x0"),
        (_with(width=2**32 - 1), ImageCause.SIZE, "4294967295x5"),
        (_with(step=20), ImageCause.STEP, "21"),
        (_with(step=2**32 - 1), ImageCause.STEP, "4294967295"),
        (_with(data=array.array("B", b"\0" * 100)), ImageCause.LENGTH, "100 bytes"),
        (_with(data=array.array("B")), ImageCause.LENGTH, "0 bytes"),
    ],
)
def test_malformed_images_are_refused_with_cause_and_numbers(message, cause, said):
    with pytest.raises(ImageError, match=said) as caught:
        check(message, WIDTH, HEIGHT)
    assert caught.value.cause == cause


def test_a_reader_goes_on_after_refusals_and_tells_each_cause_once():
    told = []
    reader = Reader(WIDTH, HEIGHT, told.append)
    short = _with(data=array.array("B", b"\0" * 10))
    assert [reader.read(m) for m in (short, _with(encoding="mono8"), short, short)] == [None] * 4
    assert reader.refused == {ImageCause.LENGTH: 3, ImageCause.ENCODING: 1}
    assert ["10 bytes" in told[0], "mono8" in told[1], len(told)] == [True, True, 2]
    assert np.array_equal(reader.read(message_of("bgr8")), RGB)
