# SPDX-License-Identifier: Apache-2.0
"""A camera without a ROS driver, read by OpenCV: a V4L2 device, or whatever else OpenCV opens (a stream, a file).

It is read on a thread of its own, which keeps the newest frame and connects again whenever the camera is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

RETRY = 1.0  # s between attempts to connect


class Capture:
    """Reads a camera until it is closed; the latest frame wins."""

    def __init__(
        self,
        source: str,
        size: tuple[int, int],
        rate: float,
        ready: Callable[[], object],
        tell: Callable[[str], object],
        retry: float = RETRY,
    ) -> None:
        """Begin to connect; returns at once.

        Args:
            source: "/dev/video0", its number, an address or a file.
            size: width and height that the camera is asked for, px; it may give others.
            rate: frames per s that it is asked for; a file is read at this rate.
            ready: called on the camera's thread when there is a new frame.
            tell: writes to the log; called when the camera is gone and when it is there.
            retry: s between attempts to connect.
        """
        self._source, self._size, self._rate, self._retry = source, size, rate, retry
        self._ready, self._tell = ready, tell
        self._frame: tuple[np.ndarray, int] | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def take(self) -> tuple[np.ndarray, int] | None:
        """The newest frame that was not taken yet: (H, W, 3) uint8 BGR and when it came, ns of the system's clock."""
        with self._lock:
            frame, self._frame = self._frame, None
        return frame

    def close(self) -> None:
        """Stop reading; a camera that hangs is left to its thread."""
        self._closing.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        told = None
        while not self._closing.is_set():
            device = self._open()
            there = self._read(device) if device.isOpened() else False
            device.release()
            if self._closing.is_set():
                return
            state = "lost" if there else "not there"
            if state != told:
                self._tell(f"camera {self._source} is {state}; trying again every {self._retry:g} s")
            told = state
            self._closing.wait(self._retry)

    def _open(self) -> cv2.VideoCapture:
        number = self._source.removeprefix("/dev/video")
        device = cv2.VideoCapture(int(number) if number.isdecimal() else self._source)
        device.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
        device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        device.set(cv2.CAP_PROP_FPS, self._rate)
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an older frame is of no use
        return device

    def _read(self, device: cv2.VideoCapture) -> bool:
        """Read until it fails; tell whether there was a frame."""
        any_frame, pause = False, 1.0 / self._rate if Path(self._source).is_file() else 0.0
        while not self._closing.is_set():
            good, frame = device.read()
            if not good:
                break
            if not any_frame:
                self._tell(f"camera {self._source} gives {frame.shape[1]}x{frame.shape[0]} frames")
                any_frame = True
            with self._lock:
                self._frame = frame, time.time_ns()
            self._ready()
            self._closing.wait(pause)
        return any_frame
