# SPDX-License-Identifier: Apache-2.0
"""What a camera driver that looks alive may do: repeat one picture, or send one colour. Pure logic: no ROS.

A picture that comes again is no fault while nothing moves. It is one once the effector has gone on: then it shows the
past, and whoever plans from it moves blindly.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from swm_ros.images import ImageCause, ImageError

LATE = 2 * 10**8  # ns that a pose may come after the picture of its time
LEAST_RANGE = 8  # of 255 between the darkest and the brightest value; a covered lens stays below it


class CameraHealth:
    """Remembers the last picture and where the effector was when it was taken; stamps are ns of one clock."""

    def __init__(self, travel: float) -> None:
        """Have seen nothing yet.

        Args:
            travel: distance of the effector after which the same picture cannot be true any more, m.
        """
        self.travel = travel
        self._poses: deque[tuple[int, np.ndarray]] = deque(maxlen=256)
        self._picture: np.ndarray | None = None
        self._stamp = self._first = 0
        self._since: np.ndarray | None = None

    def see_effector(self, position: tuple[float, float, float], stamp: int) -> None:
        """Take the effector's position, m; without any, a repeated picture is not noticed."""
        self._poses.append((stamp, np.asarray(position)))
        if self._picture is not None and self._first - LATE <= stamp <= self._first:
            self._since = self._effector(self._first, anew=False)  # nearer to when the picture was first taken

    def check(self, picture: np.ndarray, stamp: int) -> None:
        """Check a picture against those before.

        Args:
            picture: (H, W, 3) uint8 RGB, kept.
            stamp: when it was taken; the effector is looked up for that time, as a picture may be late.

        Raises:
            ImageError: it is of one colour, or the effector has moved since it was first taken.
        """
        spread = int(picture.max()) - int(picture.min())
        if spread < LEAST_RANGE:
            text = f"all values are within {spread} of 255 of each other; is the lens covered or the sensor off?"
            raise ImageError(ImageCause.BLANK, text)
        effector = self._effector(stamp, anew=stamp == self._stamp)
        if self._picture is None or not np.array_equal(picture, self._picture):
            self._picture, self._since, self._first = picture, effector, stamp
        elif self._since is None or effector is None:
            self._since = effector
        elif (moved := float(np.linalg.norm(effector - self._since))) > self.travel:
            text = f"the same picture again although the effector has moved {1e3 * moved:.1f} mm; restart the camera"
            raise ImageError(ImageCause.FROZEN, text)
        self._stamp = stamp

    def _effector(self, stamp: int, anew: bool) -> np.ndarray | None:
        """Where it was at a time; where it is now for a picture that is sent anew or a stamp of another clock."""
        before = [position for at, position in self._poses if at <= stamp and not anew]
        newest = self._poses[-1][1] if self._poses else None
        return before[-1] if before else newest
