# SPDX-License-Identifier: Apache-2.0
"""How old a frame is, by its stamp, whose clock may be another than ours. Pure logic: no ROS and no clock of its own.

A stamp that differs from our clock by less than the oldest frame of use is believed. Otherwise nobody can tell a clock
that differs from frames that are late; the frame that lags least is then taken for a fresh one, and the others are as
old as they lag behind it.
"""

from __future__ import annotations

OTHER_CLOCK = 10.0  # s; a stamp that is suddenly off by more is from a clock that was set, not from a late frame
RELEARN = 1.0  # s; frames that all that long are late tell that a clock was set by a little


class FrameClock:
    """The age of frames, from their stamps.

    Attributes:
        offset: what the camera's clock is held to be behind ours, s; 0 where the stamps agree with our clock.
        late: frames that were too old to be used.
    """

    def __init__(self, oldest: float) -> None:
        """Know nothing of the camera's clock.

        Args:
            oldest: age up to which a frame is of use, s.
        """
        self.oldest = oldest
        self.offset = 0.0
        self.late = 0
        self._heard = False
        self._late_since: float | None = None
        self._least = 0.0  # lag since then, s

    def age(self, stamp: int, now: int, received: float) -> float | None:
        """Age of a frame that has come, s; None for one that is too old.

        Args:
            stamp: when it was taken, ns of the camera's clock.
            now: ns of our clock.
            received: monotonic, s.
        """
        lag = (now - stamp) / 1e9
        if 0.0 <= lag <= self.oldest:
            self.offset = 0.0
        elif not self._heard or lag < self.offset or lag > self.offset + OTHER_CLOCK:
            self.offset = lag
        self._heard = True
        if lag - self.offset > self.oldest and not self._relearn(lag, received):
            self.late += 1
            return None
        self._late_since = None
        return lag - self.offset

    def _relearn(self, lag: float, received: float) -> bool:
        """Whether late frames have come for so long that their clock must differ; its offset is known then."""
        if self._late_since is None:
            self._late_since, self._least = received, lag
        self._least = min(self._least, lag)
        if received - self._late_since < RELEARN:
            return False
        self.offset = self._least
        return lag - self.offset <= self.oldest
