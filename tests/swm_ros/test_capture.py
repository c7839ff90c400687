# SPDX-License-Identifier: Apache-2.0
"""A camera that OpenCV reads: frames arrive, it goes, it comes back. A video file stands in for the device."""

import queue
import threading

import cv2
import numpy as np
import pytest
from stack_harness import PATIENCE

from swm_ros.capture import Capture


def record(path, frames: int = 5) -> None:
    """A video whose frames are of one colour each."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 40 * i, np.uint8))
    writer.release()


@pytest.fixture
def heard():
    return queue.Queue()


def wait(heard: queue.Queue, text: str) -> None:
    while text not in (said := heard.get(timeout=PATIENCE)):
        assert said


def test_a_camera_that_comes_late_and_goes_is_connected_again(tmp_path, heard):
    path, ready = tmp_path / "camera.avi", threading.Event()
    capture = Capture(str(path), (64, 48), 100.0, ready.set, heard.put, retry=0.05)
    try:
        wait(heard, "is not there")
        record(path)
        wait(heard, "gives 64x48 frames")
        assert ready.wait(PATIENCE)
        frame, stamp = capture.take()
        assert frame.shape == (48, 64, 3)
        assert stamp > 0
        wait(heard, "is lost")
        ready.clear()
        wait(heard, "gives 64x48 frames")  # it is tried again
        assert ready.wait(PATIENCE)
    finally:
        capture.close()
    assert not capture._thread.is_alive()


def test_a_frame_is_taken_once_and_the_latest_wins(tmp_path, heard):
    path = tmp_path / "camera.avi"
    record(path)
    capture = Capture(str(path), (64, 48), 1000.0, lambda: None, heard.put, retry=60.0)
    try:
        wait(heard, "is lost")
        frame, _ = capture.take()
        assert abs(int(frame.mean()) - 160) < 8, "not the last frame"
        assert capture.take() is None
    finally:
        capture.close()
