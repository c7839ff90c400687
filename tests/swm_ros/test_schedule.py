# SPDX-License-Identifier: Apache-2.0
"""The schedule tells the planner exactly what will be executed while it plans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm_ros.schedule import ActivePlan, CommandSchedule

PERIOD, HORIZON = 0.1, 16


def plan_of(number: int, base: int) -> ActivePlan:
    """A plan whose actions tell which plan and step they are."""
    actions = np.stack([np.full(HORIZON, float(number)), np.arange(HORIZON)], 1).astype(np.float32)
    return ActivePlan(number, actions, base, 0)


@given(
    st.lists(st.floats(0.005, 0.34), min_size=3, max_size=25),
    st.floats(0, 0.0999),
    st.floats(0.0, 0.05),
)
def test_committed_actions_are_what_is_sent_while_planning(latencies, phase, transport):
    """Simulated time: frames every period with any phase to the ticks; planning takes any time up to its estimate."""
    schedule, sent, ticks = CommandSchedule(PERIOD, 2, 0.35), {}, iter(range(10**6))
    next_tick, now = phase, 0.0

    def run_ticks(until: float) -> None:
        nonlocal next_tick
        while next_tick < until:
            step = schedule.take(next_tick)
            sent[next(ticks)] = step.action if step else np.zeros(2)
            next_tick += PERIOD

    for number, latency in enumerate(latencies):
        frame_time, now = now, now + transport
        run_ticks(now)
        window = schedule.window(frame_time, now, HORIZON)
        ready = now + latency
        assert window.budget >= 0.5 * PERIOD
        run_ticks(ready)
        for i, action in enumerate(window.committed):
            if window.base + i in sent:
                assert np.array_equal(action, sent[window.base + i]), "committed other than what was sent"
        late = schedule.tick - window.base - len(window.committed)
        assert late <= 0, "the plan is ready only after steps were sent that it did not know"
        actions = np.array(plan_of(number, window.base).actions)
        actions[: len(window.committed)] = window.committed
        schedule.install(ActivePlan(number, actions, window.base, 0))
        now = ready


def test_commands_sent_before_the_frame_are_not_committed():
    schedule = CommandSchedule(PERIOD, 2, 0.05)
    schedule.install(plan_of(1, 0))
    for i in range(3):
        schedule.take(0.1 * i)
    window = schedule.window(0.15, 0.21, HORIZON)  # the tick at 0.2 came after the frame; the next is at 0.3
    assert window.base == 2
    assert window.committed.tolist() == [[1.0, 2.0]]
    assert window.budget == pytest.approx(0.08)


def test_slow_planning_commits_more_and_never_more_than_half():
    schedule = CommandSchedule(PERIOD, 2, 0.05)
    schedule.install(plan_of(1, 0))
    schedule.take(0.0)
    assert len(schedule.window(0.05, 0.06, HORIZON).committed) == 1
    schedule.observe_latency(0.35)
    assert len(schedule.window(0.05, 0.06, HORIZON).committed) == 4
    schedule.observe_latency(5.0)
    assert len(schedule.window(0.05, 0.06, HORIZON).committed) == HORIZON // 2


def test_a_plan_in_time_goes_on_from_its_committed_actions_and_a_late_one_is_told():
    schedule = CommandSchedule(PERIOD, 2, 0.15)
    schedule.install(plan_of(1, 0))
    schedule.take(0.0)
    window = schedule.window(0.02, 0.03, HORIZON)
    assert window.committed.tolist() == [[1.0, 1.0]]  # sent at 0.1, before the plan is ready at 0.18
    assert schedule.take(0.1).action.tolist() == [1.0, 1.0]
    assert not schedule.late(window)
    schedule.install(plan_of(2, window.base))
    assert schedule.take(0.2).action.tolist() == [2.0, 1.0], "the action after the committed one"
    assert schedule.late(window), "a plan ready only now was to decide the command that has just gone out"


def test_a_used_up_plan_gives_nothing():
    schedule = CommandSchedule(PERIOD, 2, 0.05)
    assert schedule.take(0.0) is None
    schedule.install(plan_of(1, schedule.tick))
    assert [schedule.take(0.1 * i + 0.1).index for i in range(HORIZON)] == list(range(HORIZON))
    assert schedule.take(9.0) is None
    schedule.install(plan_of(2, schedule.tick))
    schedule.clear()
    assert schedule.take(9.1) is None


@given(st.floats(0.001, 0.0999), st.floats(0.001, 0.4), st.floats(0.0, 0.4))
def test_a_plan_is_given_its_time_at_least(phase, latency, planning_time):
    schedule = CommandSchedule(PERIOD, 2, latency, planning_time)
    schedule.install(plan_of(1, 0))
    schedule.take(0.0)
    window = schedule.window(phase, phase, HORIZON)
    least = max(latency, planning_time)
    assert window.budget >= least - 0.1 * PERIOD - 1e-9
    assert window.budget <= least + PERIOD
    assert len(window.committed) == max(0, np.ceil((least - (PERIOD - phase)) / PERIOD - 1e-9))
