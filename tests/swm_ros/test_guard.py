# SPDX-License-Identifier: Apache-2.0
"""The guard's judgement under hostile streams of commands."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm_core.errors import ConfigError
from swm_ros.guard import Cause, Guard, GuardConfig, Motion, State

CONFIG = GuardConfig(
    max_velocity=(0.3, 0.3, 0.0), workspace_low=(0.15, -0.3048, 0.0), workspace_high=(0.6, 0.3048, 0.3)
)
GRIPPING = replace(CONFIG, max_angular_velocity=(0.0, 0.0, 3.0), max_gripper_rate=10.0)
ANY = st.floats(allow_nan=True, allow_infinity=True)
SMALL = st.floats(-0.5, 0.5)
HUGE = st.integers(0, 2**64 - 1)
MOTIONS = st.builds(
    Motion,
    linear=st.tuples(ANY | SMALL, ANY | SMALL, ANY | SMALL),
    angular=st.tuples(ANY | SMALL, SMALL, SMALL) | st.just((0.0, 0.0, 0.0)),
    gripper=ANY,
    frame=st.sampled_from(["world", "world", "world", "base", ""]),
    order=st.tuples(HUGE | st.integers(0, 3), HUGE | st.integers(0, 3), st.integers(0, 20)),
)
EVENTS = st.one_of(
    st.tuples(st.just("command"), MOTIONS, st.floats(0, 0.6)),
    st.tuples(st.just("pose"), st.tuples(ANY | SMALL, ANY | SMALL, ANY | SMALL), st.floats(0, 0.6)),
    st.tuples(st.sampled_from(["estop", "reset"]), st.none(), st.floats(0, 0.6)),
)


def planned(linear: tuple[float, float, float], plan: int = 1, step: int = 0, epoch: int = 1) -> Motion:
    return Motion(linear, order=(epoch, plan, step))


def ready(position: tuple[float, float, float] = (0.4, 0.0, 0.01), config: GuardConfig = CONFIG) -> Guard:
    guard = Guard(config)
    guard.see_effector(position, 0.0)
    return guard


@given(st.lists(EVENTS, max_size=40))
def test_whatever_comes_only_safe_commands_pass(events):
    guard, now, newest, held, stopped = Guard(CONFIG), 0.0, (0, 0, -1), None, False
    for kind, value, wait in events:
        now += wait
        if kind == "pose":
            guard.see_effector(value, now)
            held = value if all(map(math.isfinite, value)) else held
        elif kind == "estop":
            guard.latch_estop("test")
            stopped = True
        elif kind == "reset":
            guard.reset()
            stopped, newest = False, (0, 0, -1)
        else:
            out = guard.judge(value, now)
            if out is None:
                continue
            assert not stopped
            assert np.all(np.abs(out.linear) <= np.array(CONFIG.max_velocity) * (1 + 1e-5))
            assert out.angular == (0.0, 0.0, 0.0)
            assert out.gripper == 0.0
            assert out.frame == "world"
            if out.order[1]:
                assert out.order > newest
                newest = out.order
            if any(out.linear):
                assert held is not None
                after = np.array(held) + np.array(out.linear) * CONFIG.control_period
                inside = np.array(held)
                low = np.minimum(CONFIG.workspace_low, inside) - 1e-9
                high = np.maximum(CONFIG.workspace_high, inside) + 1e-9
                assert np.all((after >= low) & (after <= high)), "leaves the workspace or goes further out"


@given(st.lists(st.tuples(SMALL, SMALL), min_size=2, max_size=30))
def test_speeding_up_is_limited_and_stopping_never(velocities):
    config = replace(CONFIG, max_acceleration=1.0, limit_workspace=False)
    guard, previous = Guard(config), np.zeros(2)
    for i, velocity in enumerate(velocities):
        out = guard.judge(planned((*velocity, 0.0), step=i), i * 0.1)
        assert out is not None
        now = np.array(out.linear[:2])
        asked = np.array(velocity)
        faster = np.abs(now) > np.abs(previous)
        assert np.all(np.abs(now - previous)[faster] <= 0.1 + 1e-9)
        assert np.all(np.abs(now) <= np.maximum(np.abs(asked), np.abs(previous)) + 1e-12)
        assert np.all((now * asked >= 0) | (np.abs(now) < np.abs(previous))), "drives against what is asked"
        previous = now
    out = guard.judge(planned((0.0, 0.0, 0.0), step=len(velocities)), 99.0)
    assert out is not None
    assert out.linear == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("motion", "cause"),
    [
        (planned((math.nan, 0.0, 0.0), step=5), Cause.NOT_FINITE),
        (planned((0.0, math.inf, 0.0), step=5), Cause.NOT_FINITE),
        (Motion((0.1, 0.0, 0.0), gripper=-math.inf, order=(1, 1, 5)), Cause.NOT_FINITE),
        (Motion((0.1, 0.0, 0.0), gripper=math.nan, order=(1, 1, 5)), Cause.NOT_FINITE),
        (Motion((0.1, 0.0, 0.0), frame="base", order=(1, 1, 5)), Cause.FRAME),
        (planned((0.1, 0.0, 0.0), step=1), Cause.ORDER),
        (planned((0.1, 0.0, 0.0), plan=0, step=9), Cause.UNPLANNED_MOTION),
        (planned((0.1, 0.0, 0.0), epoch=0, plan=9, step=9), Cause.ORDER),
    ],
)
def test_each_cause_is_refused_and_counted(motion, cause):
    guard = ready()
    assert guard.judge(planned((0.1, 0.0, 0.0), step=1), 0.0) is not None
    assert guard.judge(motion, 0.05) is None
    assert dict(guard.counts) == {cause: 1}
    assert cause.value in guard.message


@pytest.mark.parametrize(
    ("velocity", "expected", "cause"),
    [
        ((0.5, 0.0, 0.0), (0.3, 0.0, 0.0), Cause.SPEED_LIMIT),
        ((0.0, 0.0, 0.2), (0.0, 0.0, 0.0), Cause.SPEED_LIMIT),
        ((0.3, -0.3, 0.0), (0.3, -0.3, 0.0), None),
    ],
)
def test_speed_is_limited_per_axis(velocity, expected, cause):
    guard = ready()
    out = guard.judge(planned(velocity), 0.0)
    assert out is not None
    assert out.linear == pytest.approx(expected)
    assert list(guard.counts) == ([cause] if cause else [])


def test_the_workspace_border_is_reached_but_not_crossed():
    guard, x = ready((0.58, 0.0, 0.01)), 0.58
    for i in range(5):
        out = guard.judge(planned((0.3, 0.0, 0.0), step=i), i * 0.1)
        assert out is not None
        x += out.linear[0] * 0.1
        guard.see_effector((x, 0.0, 0.01), i * 0.1)
    assert x == pytest.approx(0.6)
    assert guard.counts[Cause.WORKSPACE_LIMIT]


def test_motion_without_a_known_pose_is_refused_and_standing_is_not():
    guard = Guard(CONFIG)
    assert guard.judge(planned((0.1, 0.0, 0.0)), 0.0) is None
    assert guard.counts[Cause.NO_POSE] == 1
    assert guard.judge(Motion((0.0, 0.0, 0.0)), 0.1) is not None


def test_states_follow_receipt_times():
    guard = ready()
    assert guard.state(10.0) == State.WAITING
    guard.judge(planned((0.1, 0.0, 0.0)), 0.1)
    assert guard.state(0.34) == State.RUNNING
    assert guard.state(0.36) == State.HOLDING_STALE
    guard.latch_estop("button")
    assert guard.judge(planned((0.1, 0.0, 0.0), step=1), 0.4) is None
    assert guard.state(0.4) == State.ESTOPPED
    guard.reset()
    assert guard.state(0.4) == State.WAITING


def test_lockstep_knows_no_staleness():
    guard = ready(config=replace(CONFIG, check_freshness=False))
    guard.judge(planned((0.1, 0.0, 0.0)), 0.0)
    assert guard.state(1000.0) == State.RUNNING
    assert guard.judge(planned((0.1, 0.0, 0.0), step=1), 1000.0) is not None


@pytest.mark.parametrize(
    "settings",
    [
        {"max_velocity": (0.3, 0.3)},
        {"max_velocity": (0.3, math.nan, 0.0)},
        {"max_velocity": (0.3, -0.1, 0.0)},
        {"workspace_low": (1.0, 0.0, 0.0)},
    ],
)
def test_absurd_limits_are_errors(settings):
    with pytest.raises(ConfigError):
        GuardConfig(**settings)


@pytest.mark.parametrize(("asked", "allowed"), [(7.0, 7.0), (-25.0, -10.0), (10.000001, 10.000001)])
def test_the_gripper_is_let_through_up_to_its_rate(asked: float, allowed: float) -> None:
    guard = ready(config=GRIPPING)
    out = guard.judge(Motion((0.0, 0.0, 0.0), (0.0, 0.0, 3.0000001), asked, order=(1, 1, 0)), 0.0)
    assert out is not None
    assert (out.gripper, out.angular[2]) == (allowed, 3.0000001)
    assert bool(guard.counts) == (asked != allowed)
    assert not Motion((0.0, 0.0, 0.0), gripper=asked).still


def test_without_limits_nothing_moves() -> None:
    guard = Guard(GuardConfig())
    guard.see_effector((0.0, 0.0, 0.0), 0.0)
    out = guard.judge(Motion((0.1, 0.0, 0.0), (0.0, 0.0, 1.0), 1.0, order=(1, 1, 0)), 0.0)
    assert out is not None
    assert out.still
