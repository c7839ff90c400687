# SPDX-License-Identifier: Apache-2.0
"""Whether somebody presses the emergency stop, by its topic. Pure logic, without ROS."""

from __future__ import annotations

from collections import deque

WORDS = 100  # that are remembered, more than may come between one's first time and its last


class StopButton:
    """What the topic says, each word of which may come several times, a late one after newer words.

    Only the first time counts. Which word is newer the stamps do not tell, as several buttons have several clocks.

    Attributes:
        pressed: whether the last word was true.
    """

    def __init__(self) -> None:
        """Nobody presses."""
        self.pressed = False
        self._words: deque[tuple[bool, int]] = deque(maxlen=WORDS)

    def hear(self, pressed: bool, stamp: int) -> bool:
        """Take a word.

        Args:
            pressed: the word.
            stamp: when it was published, ns of the publisher's clock; 0 where that is not said.

        Returns:
            Whether it is a true that was not heard before.
        """
        word = pressed, stamp
        if stamp and word in self._words:
            return False
        self._words.append(word)
        self.pressed = pressed
        return pressed
