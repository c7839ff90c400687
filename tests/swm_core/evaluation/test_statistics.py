# SPDX-License-Identifier: Apache-2.0
"""Statistics against known values."""

import math

import numpy as np
import pytest

from swm_core.evaluation.statistics import mcnemar_exact, pair_outcomes, reliability, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # statsmodels.stats.proportion.proportion_confint(method="wilson")
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (5, 10, 0.236593, 0.763407),
        (49, 50, 0.895046, 0.996459),
        (81, 263, 0.255272, 0.366186),
    ],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=2e-4)


def test_wilson_interval_solves_its_own_equation() -> None:
    low, high = wilson_interval(17, 40)
    for end in (low, high):  # where the observed share is 1.96 standard errors from the assumed one
        assert abs(17 / 40 - end) / math.sqrt(end * (1 - end) / 40) == pytest.approx(1.959964, abs=1e-5)


def test_wilson_interval_without_trials_knows_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("wrong", [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_impossible_counts_are_refused(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="of"):
        wilson_interval(*wrong)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (6, 0, 2 / 64), (0, 6, 2 / 64), (1, 9, 2 * 11 / 1024), (3, 4, 1.0)],
)
def test_mcnemar(first: int, second: int, p: float) -> None:
    assert mcnemar_exact(first, second) == pytest.approx(p)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 2)


def test_outcomes_are_paired_by_key() -> None:
    first = {1: True, 2: True, 3: False, 4: False, 5: True, 9: True}
    second = {1: True, 2: False, 3: True, 4: False, 5: False, 8: True}
    paired = pair_outcomes(first, second)
    assert (paired.both, paired.only_first, paired.only_second, paired.neither) == (1, 2, 1, 1)
    assert paired.p_value == 1.0


def test_calibration_by_hand() -> None:
    found = reliability(np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.9]), np.array([1, 0, 0, 0, 1, 1], bool), bins=2)
    assert found.counts.tolist() == [4, 2]
    np.testing.assert_allclose(found.predicted, [0.1, 0.9])
    np.testing.assert_allclose(found.observed, [0.25, 1.0])
    assert found.expected_error == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)


def test_calibration_of_a_calibrated_forecast_is_near_0() -> None:
    random = np.random.default_rng(0)
    p = random.random(20_000)
    assert reliability(p, random.random(20_000) < p).expected_error < 0.015
    assert reliability(p, random.random(20_000) < p**3).expected_error > 0.2


def test_certain_forecasts_and_empty_bins() -> None:
    found = reliability(np.array([0.0, 1.0]), np.array([False, True]), bins=10)
    assert found.counts.tolist() == [1, *[0] * 8, 1]
    assert found.expected_error == 0.0
    assert math.isnan(reliability(np.zeros(0), np.zeros(0, bool)).expected_error)


@pytest.mark.parametrize("p", [[1.2], [-0.1], [float("nan")], [0.1, 0.2]])
def test_what_is_no_probability_is_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        reliability(np.array(p), np.array([True]))
