# SPDX-License-Identifier: Apache-2.0
"""Ages of frames by stamps of clocks that agree with ours, differ, and are set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm_ros.frame_clock import OTHER_CLOCK, RELEARN, FrameClock

OLDEST = 0.25
START = 1_800_000_000 * 10**9  # ns


def see(clock: FrameClock, at: float, lag: float) -> float | None:
    """A frame comes at a time, s, stamped so long before."""
    return clock.age(START + round((at - lag) * 1e9), START + round(at * 1e9), at)


def test_the_age_is_that_of_the_stamp_where_clocks_agree_and_a_late_frame_is_refused_and_counted():
    clock = FrameClock(OLDEST)
    assert see(clock, 0.0, 0.08) == pytest.approx(0.08)
    assert see(clock, 0.1, 0.9) is None
    assert see(clock, 0.2, 0.1) == pytest.approx(0.1)
    assert (clock.late, clock.offset) == (1, 0.0)


@given(st.floats(-1e5, 0.0) | st.floats(OLDEST + 0.01, 1e5), st.lists(st.floats(0.0, 0.2), min_size=2, max_size=20))
def test_with_a_clock_that_differs_the_frame_that_lags_least_is_fresh(offset, delays):
    clock = FrameClock(OLDEST)
    ages = [see(clock, 0.1 * i, offset + delay) for i, delay in enumerate(delays)]
    assert None not in ages
    assert all(age >= 0 for age in ages)
    assert clock.late == 0
    if abs(offset) > 1.0:
        assert ages[-1] == pytest.approx(delays[-1] - min(delays), abs=1e-4)


@pytest.mark.parametrize("offset", [3600.0, -3600.0, -1.0])
def test_a_clock_that_is_set_far_or_ahead_is_believed_at_once_and_back(offset):
    clock = FrameClock(OLDEST)
    for lag in (0.05, offset + 0.05, 0.05):
        assert see(clock, 0.0, lag) is not None
    assert clock.late == 0


def test_a_clock_that_is_set_back_a_little_is_believed_after_a_second_and_not_before():
    clock = FrameClock(OLDEST)
    see(clock, 0.0, 0.05)
    used = [at for at in (0.1 * i for i in range(1, 21)) if see(clock, at, 0.8) is not None]
    assert used[0] == pytest.approx(0.1 + RELEARN)
    assert clock.offset == pytest.approx(0.8)
    assert see(clock, 3.0, 0.8 + OTHER_CLOCK / 2) is None, "still a late frame"


def test_one_good_frame_ends_the_doubt():
    clock = FrameClock(OLDEST)
    for at in range(30):
        assert (see(clock, 0.1 * at, 0.05 if at % 5 == 0 else 0.8) is None) == (at % 5 != 0)
