# SPDX-License-Identifier: Apache-2.0
"""A link over which a camera's frames come late, irregularly, and not all. No ROS and no clock of its own."""

from __future__ import annotations

import math

import numpy as np


class CameraLink:
    """Says when a frame arrives; frames keep their order. The same seed gives the same delays and losses."""

    def __init__(self, latency: float, jitter: float, drop: float, seed: int) -> None:
        """Begin.

        Args:
            latency: mean delay, s.
            jitter: standard deviation of the delay, s; no delay is below 0.
            drop: probability that a frame is lost.
            seed: of the random numbers.
        """
        self._latency, self._jitter, self._drop = latency, jitter, drop
        self._random = np.random.default_rng(seed)
        self._newest = -math.inf

    def send(self, now: float) -> float | None:
        """When a frame that is sent now arrives, s; None if it is lost."""
        lost, delay = self._random.random() < self._drop, self._random.normal(self._latency, self._jitter)
        if lost:
            return None
        self._newest = max(now + max(delay, 0.0), self._newest)
        return self._newest
