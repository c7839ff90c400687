# SPDX-License-Identifier: Apache-2.0
"""The guard's judgement of single commands, and what it needs to run."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm_core.errors import ConfigError
from swm_ros.guard import Cause, Guard, State
from swm_ros.guard_config import SAFE_ACTIONS, GuardConfig
from swm_ros.guard_limits import stay_inside, stay_out
from swm_ros.motion import Motion
from swm_ros.schedule import LARGEST_EPOCH, SAFE_ACTION

CONFIG = GuardConfig(
    max_velocity=(0.3, 0.3, 0.0),
    max_acceleration=(12.0, 12.0, 0.0),
    max_jerk=(240.0, 240.0, 0.0),
    workspace_low=(0.15, -0.3048, 0.0),
    workspace_high=(0.6, 0.3048, 0.3),
)
GRIPPING = replace(CONFIG, max_gripper_rate=10.0)
SMALL = st.floats(-0.5, 0.5)
POINTS = st.tuples(SMALL, SMALL, SMALL)


def planned(linear: tuple[float, float, float], plan: int = 1, step: int = 0, epoch: int = 1) -> Motion:
    return Motion(linear, order=(epoch, plan, step))


def ready(position: tuple[float, float, float] = (0.4, 0.0, 0.01), config: GuardConfig = CONFIG) -> Guard:
    guard = Guard(config)
    guard.see_effector(position, 0.0)
    return guard


def overlap(position, box) -> float:
    """How deep a point is inside a box; not above 0 outside."""
    return float(np.min(np.minimum(np.subtract(position, box[0]), np.subtract(box[1], position))))


@given(POINTS, POINTS, st.lists(st.tuples(POINTS, st.floats(0.05, 0.3)), max_size=4), st.floats(0.05, 0.5))
def test_no_keep_out_box_is_entered_nor_gone_deeper_into(position, velocity, boxes, horizon):
    position, velocity = np.array(position), np.array(velocity)
    boxes = [(np.array(corner), np.array(corner) + size) for corner, size in boxes]
    out = stay_out(velocity, (position, position), boxes, horizon)
    assert np.all(np.abs(out) <= np.abs(velocity))
    assert np.all(out * velocity >= 0)
    for part in np.linspace(0, 1, 21):
        for box in boxes:
            reached = overlap(position + part * horizon * out, box)
            assert reached <= max(overlap(position, box), 0.0) + 1e-9


@given(POINTS, POINTS, st.floats(0.05, 0.5))
def test_from_outside_the_workspace_only_the_way_back_is_open(position, velocity, horizon):
    workspace = np.full(3, -0.2), np.full(3, 0.2)
    out = stay_inside(np.array(velocity), (np.array(position), np.array(position)), workspace, horizon)
    after = np.array(position) + horizon * out
    assert np.all(np.abs(out) <= np.abs(velocity))
    assert np.all(np.maximum(np.abs(after), 0.2) <= np.maximum(np.abs(position), 0.2) + 1e-9)


def test_motion_slides_along_a_keep_out_box_instead_of_sticking_to_it():
    wall = np.array([0.5, -1.0, -1.0]), np.array([0.6, 1.0, 1.0])
    here = np.array([0.5, 0.0, 0.0])
    assert stay_out(np.array([0.3, 0.2, 0.0]), (here, here), [wall], 0.1) == pytest.approx([0.0, 0.2, 0.0])
    away = stay_out(np.array([-0.3, 0.2, 0.0]), (here, here), [wall], 0.1)
    assert away == pytest.approx([-0.3, 0.2, 0.0])


def test_a_robot_that_nobody_sees_any_more_is_taken_to_have_gone_on():
    """Between two poses the way of the commands sent meanwhile counts."""
    guard = ready((0.4, 0.0, 0.01), replace(CONFIG, keep_out=(0.45, -0.1, 0.0, 0.5, 0.1, 0.3)))
    x, now = 0.4, 0.0
    for i in range(4):
        out = guard.judge(planned((0.3, 0.0, 0.0), step=i), now)
        assert out is not None
        x, now = x + 0.1 * out.linear[0], now + 0.1
    assert 0.44 < x < 0.45
    assert guard.counts[Cause.KEEP_OUT]


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
    for i in range(40):
        out = guard.judge(planned((0.3, 0.0, 0.0), step=i), i * 0.1)
        assert out is not None
        x += out.linear[0] * 0.1
        guard.see_effector((x, 0.0, 0.01), i * 0.1)
        assert x + 0.25 * out.linear[0] <= 0.6 + 0.1 * out.linear[0] + 1e-9, "a last command would lead out"
    assert x == pytest.approx(0.6, abs=1e-4)
    assert guard.counts[Cause.WORKSPACE_LIMIT]


def test_motion_without_a_known_pose_is_refused_and_standing_is_not():
    guard = Guard(CONFIG)
    assert guard.judge(planned((0.1, 0.0, 0.0)), 0.0) is None
    assert guard.counts[Cause.NO_POSE] == 1
    assert guard.judge(Motion((0.0, 0.0, 0.0)), 0.1) is not None


def test_a_pose_in_millimetres_or_of_another_frame_lets_nothing_move():
    guard = Guard(CONFIG)
    guard.see_effector((400.0, 0.0, 10.0), 0.0)
    assert guard.judge(planned((-0.1, 0.0, 0.0)), 0.0) is None, "the way back, as it seems"
    assert dict(guard.counts) == {Cause.FAR_POSE: 1}
    guard.see_effector((0.4, 0.0, 0.01), 0.1)
    assert guard.judge(planned((-0.1, 0.0, 0.0), step=1), 0.1) is not None


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


def test_a_release_of_the_emergency_stop_moves_nothing_and_a_new_goal_does():
    guard = ready()
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=7), 0.0) is not None
    guard.latch_estop("button")
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=8), 0.05) is None  # a goal that was given while it stood
    guard.reset()
    for epoch in (7, 8):
        assert guard.judge(planned((0.1, 0.0, 0.0), plan=5, epoch=epoch), 0.1) is None
    assert guard.counts[Cause.BEFORE_RESET] == 2
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=9), 0.15) is not None


def test_a_stop_that_is_still_pressed_cannot_be_released():
    guard = ready()
    guard.button.pressed = True
    guard.latch_estop("button")
    assert not guard.reset()
    assert guard.estop
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=9), 0.1) is None
    guard.button.pressed = False
    assert guard.estop, "that nobody presses any more releases nothing"
    assert guard.reset()
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=10), 0.2) is not None


def test_a_robot_that_was_told_to_stand_is_not_stale_and_one_that_moved_is():
    guard = ready()
    guard.judge(planned((0.1, 0.0, 0.0)), 0.0)
    guard.judge(Motion((0.0, 0.0, 0.0)), 0.1)  # the planner at the end of a goal
    assert guard.state(9.0) == State.WAITING
    assert guard.stale(9.0), "the safe action is still sent"
    guard.see_effector((0.4, 0.0, 0.01), 9.0)
    guard.judge(planned((0.1, 0.0, 0.0), step=1), 9.0)
    assert guard.state(9.3) == State.HOLDING_STALE


def test_what_was_done_since_a_late_pose_was_measured_is_added_to_it():
    """The pose of 0.2 s ago comes again and again; the robot goes towards the border with 0.3 m/s."""
    guard, xs, now = ready(config=replace(CONFIG, pose_delay=0.2)), [0.5, 0.5], 0.0
    for i in range(20):
        guard.see_effector((xs[-2], 0.0, 0.01), now)
        out = guard.judge(planned((0.3, 0.0, 0.0), step=i), now)
        assert out is not None
        xs.append(xs[-1] + 0.1 * out.linear[0])
        assert xs[-1] + 0.15 * out.linear[0] <= 0.6 + 1e-9, "a last command would lead out"
        now += 0.1
    assert xs[-1] > 0.55


def test_a_robot_to_which_nothing_is_sent_goes_on_until_it_stops_by_itself():
    guard = ready(config=replace(CONFIG, safe_action="none", command_timeout=0.5, pose_timeout=9.0))
    guard.judge(planned((0.2, 0.0, 0.0)), 0.0)
    guard.latch_estop("button")
    for now in (0.1, 0.5, 1.0):
        assert guard.rest(now) is None
    guard.reset()
    wall = replace(guard.config, keep_out=(0.41, -0.1, 0.0, 0.45, 0.1, 0.3))
    guard.config = wall
    out = guard.judge(planned((0.2, 0.2, 0.0), epoch=2), 1.1)
    assert out is not None
    assert out.linear[1] == 0.0, "it may be in the box by now, 0.5 s of motion from where it was seen"


def test_a_robot_that_holds_by_itself_is_told_to_stand_a_few_times_only():
    guard = ready(config=replace(CONFIG, safe_action="hold"))
    guard.judge(planned((0.2, 0.0, 0.0)), 0.0)
    assert [guard.rest(0.3 * i) is not None for i in range(1, 7)] == [True] * 3 + [False] * 3
    guard.see_effector((0.4, 0.0, 0.01), 3.0)
    guard.judge(planned((0.2, 0.0, 0.0), step=1), 3.0)
    assert guard.rest(3.3) is not None


def test_a_robot_that_holds_by_itself_is_told_to_stand_for_a_while_however_often_the_stop_is_pressed():
    guard = ready(config=replace(CONFIG, safe_action="hold"))
    assert [guard.rest(0.01 * i) is not None for i in range(10)] == [True] * 10
    assert guard.rest(0.24) is not None
    assert guard.rest(0.3) is None
    guard.latch_estop("button")
    assert guard.rest(1.0) is not None, "a robot that held is told again"


def test_after_a_pause_the_goal_from_before_it_moves_nothing():
    guard = ready()
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=7), 0.0) is not None
    guard.bar()
    assert guard.judge(planned((0.1, 0.0, 0.0), plan=2, epoch=7), 0.1) is None
    assert guard.counts == {Cause.BEFORE_RESET: 1}
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=8), 0.1) is not None


def test_an_epoch_that_leaves_no_room_for_newer_goals_is_refused_and_forgotten():
    guard = ready()
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=2**64 - 1), 0.0) is None
    guard.latch_estop("button")
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=2**64 - 1), 0.0) is None
    guard.reset()
    assert guard.epoch == 0
    assert guard.judge(planned((0.1, 0.0, 0.0), epoch=LARGEST_EPOCH), 0.1) is not None


def test_a_pose_that_is_repeated_does_not_hide_the_way_made_since():
    guard = ready(config=replace(CONFIG, pose_timeout=0.3))
    x = 0.4
    guard.see_effector((x, 0.0, 0.01), 0.0, stamp=1)
    for i in range(1, 30):
        guard.see_effector((x, 0.0, 0.01), i * 0.1, stamp=1)  # the driver hangs, and says the same again and again
        passed = guard.judge(planned((0.3, 0.0, 0.0), step=i), i * 0.1)
        moved = 0.0 if passed is None else passed.linear[0] * 0.1
        x += moved
    assert x < 0.51, "nothing passes once the pose is too old"
    assert guard.counts[Cause.NO_POSE]
    guard.see_effector((0.4, 0.0, 0.01), 3.0, stamp=0)
    guard.see_effector((0.4, 0.0, 0.01), 3.1, stamp=0)  # a driver that does not stamp
    assert guard.judge(planned((0.3, 0.0, 0.0), step=40), 3.2) is not None


def test_the_safe_action_is_the_declared_one():
    for action in SAFE_ACTIONS:
        guard = ready(config=replace(GRIPPING, safe_action=action))
        guard.judge(Motion((0.1, 0.0, 0.0), gripper=1.5, order=(1, 1, 0)), 0.0)
        safe = guard.rest(0.3)
        assert safe is None if action == "none" else safe.still


def test_slow_mode_scales_every_velocity():
    guard = ready(config=replace(GRIPPING, speed_scale=0.1))
    out = guard.judge(Motion((0.2, -0.9, 0.0), gripper=20.0, order=(1, 1, 0)), 0.0)
    assert out.linear == pytest.approx((0.02, -0.03, 0.0))
    assert out.gripper == pytest.approx(1.0)


def test_the_first_of_each_cause_is_kept_and_all_are_counted():
    guard = ready()
    for i in range(3):
        guard.judge(planned((math.nan, float(i), 0.0)), 0.0)
    assert guard.counts == {Cause.NOT_FINITE: 3}
    assert "(nan, 0.0, 0.0)" in guard.first[Cause.NOT_FINITE]


def test_the_guard_runs_without_the_models_libraries():
    script = "import sys, swm_ros.guard_node; print(sorted({'torch', 'transformers', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_guard_goes_before_ordinary_processes_where_that_is_permitted_and_runs_where_it_is_not():
    script = """
import os, sys, threading
from swm_ros.guard_node import go_first
if sys.argv[1] == "refused":
    import resource
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    if os.getuid() == 0:
        os.setgid(65534), os.setuid(65534)
permitted, found = go_first(), []
thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
thread.start(), thread.join()
print(permitted == (found == [os.SCHED_FIFO]), permitted)
"""
    said = {}
    for case in ("as we are", "refused"):
        done = subprocess.run([sys.executable, "-c", script, case], capture_output=True, text=True, check=True)
        agrees, said[case] = done.stdout.split()
        assert agrees == "True", "threads that begin later have another priority"
    assert said["refused"] == "False"


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
        {"max_acceleration": (1.0, 0.0, 0.0)},
        {"max_angular_velocity": (0.0, 0.0, 0.1)},
        {"keep_out": (0.0, 0.0, 0.0, 1.0, 1.0)},
        {"keep_out": (0.0, 0.0, 0.0, 1.0, 1.0, 0.0)},
        {"safe_action": "freeze"},
        {"max_velocity": (300.0, 300.0, 0.0)},
        {"max_angular_velocity": (0.0, 0.0, 90.0)},
    ],
)
def test_absurd_limits_are_errors(settings):
    with pytest.raises(ConfigError):
        replace(CONFIG, **settings)


@pytest.mark.parametrize(("asked", "allowed"), [(7.0, 7.0), (-25.0, -10.0), (10.000001, 10.000001)])
def test_the_gripper_is_let_through_up_to_its_rate(asked: float, allowed: float) -> None:
    guard = ready(config=GRIPPING)
    out = guard.judge(Motion((0.0, 0.0, 0.0), gripper=asked, order=(1, 1, 0)), 0.0)
    assert out is not None
    assert out.gripper == allowed
    assert list(guard.counts) == ([Cause.GRIPPER_LIMIT] if asked != allowed else [])
    assert not Motion((0.0, 0.0, 0.0), gripper=asked).still


def test_without_limits_nothing_moves() -> None:
    guard = Guard(GuardConfig())
    guard.see_effector((0.0, 0.0, 0.0), 0.0)
    out = guard.judge(Motion((0.1, 0.0, 0.0), (0.0, 0.0, 1.0), 1.0, order=(1, 1, 0)), 0.0)
    assert out is not None
    assert out.still


def test_what_waited_while_the_guard_was_halted_does_not_pass_and_what_comes_afterwards_does() -> None:
    guard = ready()
    for beat in range(5):
        guard.wake(0.1 * beat)
    assert guard.judge(planned((0.1, 0.0, 0.0)), 0.45) is not None
    guard.wake(1.5)
    guard.see_effector((0.4, 0.0, 0.01), 1.5)
    assert guard.judge(planned((0.1, 0.0, 0.0), step=1), 1.5) is None
    assert guard.counts[Cause.ASLEEP] == 1
    guard.wake(1.56)
    assert guard.judge(planned((0.1, 0.0, 0.0), step=2), 1.56) is not None


def test_in_lockstep_the_step_that_passed_last_passes_again_as_it_did_until_the_guard_stops():
    guard = ready(config=replace(CONFIG, check_freshness=False))
    first = guard.judge(planned((0.9, 0.0, 0.0)), 0.0)
    still = Motion((0.0, 0.0, 0.0), order=(1, SAFE_ACTION, 0))
    assert guard.judge(still, 0.1) is not None
    assert guard.judge(planned((0.1, 0.2, 0.0)), 0.2) == first
    assert (guard.accepted, guard.counts[Cause.ORDER]) == (2, 0)
    assert guard.judge(planned((math.nan, 0.0, 0.0)), 0.3) is None
    guard.rest(0.4)
    assert guard.judge(planned((0.1, 0.2, 0.0)), 0.5) is None
    assert guard.counts[Cause.ORDER] == 1


def test_in_real_time_no_step_passes_twice():
    guard = ready()
    assert guard.judge(planned((0.1, 0.0, 0.0)), 0.0) is not None
    assert guard.judge(planned((0.1, 0.0, 0.0)), 0.1) is None
    assert guard.counts[Cause.ORDER] == 1
