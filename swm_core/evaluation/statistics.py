# SPDX-License-Identifier: Apache-2.0
"""Statistics of success counts and probabilities: intervals, paired tests, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np


def wilson_interval(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927), without continuity correction.

    Args:
        successes: number of successes; may be fractional for an effective sample size.
        trials: number of trials.
        confidence: coverage, within 0 and 1.

    Returns:
        lower and upper end; (0, 1) without trials.

    Raises:
        ValueError: more successes than trials, a negative number, or a confidence outside (0, 1).
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError(f"{successes} successes of {trials} trials at confidence {confidence}")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = successes / trials, 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value of McNemar's test for paired outcomes.

    Args:
        only_first: pairs in which only the first method succeeded.
        only_second: pairs in which only the second did.

    Raises:
        ValueError: a negative count.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts must not be negative: {only_first}, {only_second}")
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    return min(1.0, 2 * tail)


@dataclass(frozen=True)
class Paired:
    """Outcomes of two methods on the same seeds.

    Attributes:
        both: both succeeded.
        only_first: only the first did.
        only_second: only the second did.
        neither: neither did.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def p_value(self) -> float:
        """Exact McNemar p-value."""
        return mcnemar_exact(self.only_first, self.only_second)


def pair_outcomes(first: Mapping[Any, bool], second: Mapping[Any, bool]) -> Paired:
    """Count paired outcomes over the keys (seeds and tasks) that both have."""
    pairs = [(first[key], second[key]) for key in first if key in second]
    return Paired(*(pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))


@dataclass(frozen=True)
class Reliability:
    """How often what was given a probability came true, by bins of the probability.

    Attributes:
        edges: (B + 1,) bin edges over [0, 1].
        counts: (B,) int64 predictions in each bin.
        predicted: (B,) mean probability, NaN in empty bins.
        observed: (B,) share that came true, NaN in empty bins.
    """

    edges: np.ndarray
    counts: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean gap between predicted and observed, weighted by counts; NaN without data."""
        if not self.counts.sum():
            return math.nan
        gaps = np.abs(self.predicted - self.observed)
        return float(np.nansum(gaps * self.counts) / self.counts.sum())


def reliability(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = 10) -> Reliability:
    """Bin predictions by their probability of yes, in bins of equal width.

    Args:
        probabilities: (N,) float in [0, 1].
        outcomes: (N,) bool.
        bins: number of bins; the last one holds 1 too.

    Raises:
        ValueError: sizes differ, no bins, or a probability is not within 0 and 1.
    """
    p, y = np.asarray(probabilities, float), np.asarray(outcomes, bool)
    if p.shape != y.shape or p.ndim != 1 or bins < 1:
        raise ValueError(f"{p.shape} probabilities, {y.shape} outcomes, {bins} bins")
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError("probabilities must be within 0 and 1")
    index = np.minimum((p * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    filled = np.where(counts > 0, counts, np.nan)
    predicted = np.bincount(index, weights=p, minlength=bins) / filled
    observed = np.bincount(index, weights=y.astype(float), minlength=bins) / filled
    return Reliability(np.linspace(0, 1, bins + 1), counts, predicted, observed)
