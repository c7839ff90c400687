# SPDX-License-Identifier: Apache-2.0
"""Messages and core types say the same, both ways."""

import math

import numpy as np
import pytest
from geometry_msgs.msg import Vector3
from hypothesis import given
from hypothesis import strategies as st
from std_msgs.msg import Header

from swm_core.environment import load_environment
from swm_core.errors import GoalError, SceneError
from swm_core.planning.plan import Plan
from swm_core.scene import STATE, SceneState
from swm_core.tasks import build_task, parse_goal
from swm_msgs import msg
from swm_ros.conversions import (
    action_from_command,
    action_to_twist,
    camera_info,
    nanoseconds,
    plan_to_message,
    scene_from_message,
    scene_to_message,
    stamp_of,
    task_from_message,
    task_to_message,
)

SPEC = load_environment("langtable").spec
NAMES = SPEC.object_sets["BLOCK_8"]


@pytest.mark.parametrize(
    "text",
    ["reach the red moon", "push the red moon to the green star, then reach the blue cube"],
)
def test_tasks_survive_the_way_there_and_back(text):
    task = build_task(parse_goal(text, NAMES))
    assert task_from_message(task_to_message(task)) == task


def question(text="Is the robotic peg touching the red moon?", weight=1.0):
    return msg.Question(text=text, weight=weight)


@pytest.mark.parametrize(
    "task",
    [
        msg.Task(name="nothing"),
        msg.Task(name="no questions", subgoals=[msg.Subgoal()]),
        msg.Task(name="too many", subgoals=[msg.Subgoal(questions=[question()] * 65)]),
        msg.Task(name="too many", subgoals=[msg.Subgoal(questions=[question()])] * 65),
        *(
            msg.Task(name="weight", subgoals=[msg.Subgoal(questions=[question(weight=w)])])
            for w in (math.nan, math.inf, -math.inf, 0.0, -1.0)
        ),
        msg.Task(name="empty text", subgoals=[msg.Subgoal(questions=[question(text="  ")])]),
    ],
)
def test_malformed_tasks_are_refused(task):
    with pytest.raises(GoalError):
        task_from_message(task)


def test_a_question_wants_yes_with_weight_one_unless_said_otherwise():
    task = task_from_message(msg.Task(subgoals=[msg.Subgoal(questions=[msg.Question(text="Is it?")])]))
    (only,) = task.subgoals[0].questions
    assert (only.desired, only.weight) == (True, 1.0)
    assert task.subgoals[0].completion == (only,)


@given(st.lists(st.floats(-0.03, 0.03), min_size=2, max_size=2))
def test_an_action_is_a_velocity_over_one_period(action):
    twist, gripper = action_to_twist(np.array(action), SPEC)
    assert twist.header.frame_id == "world"
    assert twist.twist.linear.x == pytest.approx(action[0] / 0.1)
    assert gripper == 0.0
    command = msg.Command(twist=twist, gripper=gripper)
    assert action_from_command(command, SPEC) == pytest.approx(action, abs=1e-7)


@given(st.lists(st.floats(-1.0, 1.0), min_size=5, max_size=5))
def test_an_action_with_a_gripper_survives_the_way_there_and_back(shares):
    spec = load_environment("ogbench").spec
    action = np.float32(np.array(shares) * spec.action_high)
    twist, gripper = action_to_twist(action, spec)
    assert gripper == pytest.approx(action[4] / spec.control_period)
    assert twist.twist.angular.z == pytest.approx(action[3] / spec.control_period)
    back = action_from_command(msg.Command(twist=twist, gripper=gripper), spec)
    assert back == pytest.approx(action, abs=1e-7)


def test_a_command_beyond_the_bounds_is_clipped():
    command = msg.Command()
    command.twist.twist.linear.x, command.twist.twist.linear.y = 5.0, -5.0
    assert action_from_command(command, SPEC).tolist() == pytest.approx([0.03, -0.03])


@pytest.mark.parametrize("fingers", [True, False], ids=["gripper", "none"])
def test_scenes_survive_the_way_there_and_back(fingers):
    rng = np.random.default_rng(1)
    contacts = rng.random((4, 4)) < 0.4
    contacts = np.triu(contacts, 1)
    scene = SceneState(
        ("red moon", "blue cube", "green star"),
        rng.normal(size=(3, 3)),
        rng.normal(size=3),
        rng.normal(size=3),
        contacts | contacts.T,
        np.asarray(0.25),
        rng.normal(size=(2, 3, 3)) if fingers else np.zeros((0, 3, 3)),
        rng.random(3) if fingers else np.full(3, np.nan),
    )
    message = scene_to_message(scene, Header(frame_id="world"), 3, 7)
    back = scene_from_message(message)
    assert (message.episode, message.step, back.names) == (3, 7, scene.names)
    for name in STATE:
        assert np.array_equal(getattr(back, name), getattr(scene, name), equal_nan=True), name


def test_a_scene_without_objects_survives_and_one_of_many_minds_about_fingers_does_not():
    assert scene_from_message(msg.SceneState()).names == ()
    objects = [msg.ObjectState(name=name, fingers=[Vector3()] * i) for i, name in enumerate("ab")]
    with pytest.raises(SceneError, match="0 and 1 fingers"):
        scene_from_message(msg.SceneState(objects=objects))


def test_plans_keep_their_numbers_and_dimensions():
    rng = np.random.default_rng(2)
    horizon, iterations, questions, sub_chunks, candidates = 16, 4, 2, 3, 5
    plan = Plan(
        rng.normal(size=(horizon, 2)).astype(np.float32),
        3,
        1.5,
        ("a?", "b?"),
        rng.random((iterations + 1, questions, sub_chunks)).astype(np.float32),
        rng.random(iterations + 1).astype(np.float32),
        rng.random(iterations).astype(np.float32),
        np.array([0.1, 0.9], np.float32),
        0.5,
        rng.random((horizon + 1, 3)).astype(np.float32),
        rng.random((candidates, horizon, 2)).astype(np.float32),
        rng.random(candidates).astype(np.float32),
    )
    message = plan_to_message(plan)
    assert (message.horizon, message.action_dim, message.committed) == (horizon, 2, 3)
    assert (message.iterations, message.sub_chunks, message.candidate_count) == (iterations, sub_chunks, candidates)
    shape = (iterations + 1, questions, sub_chunks)
    assert np.array_equal(np.reshape(message.probabilities, shape), plan.probabilities)
    assert np.array_equal(np.reshape(message.actions, (horizon, 2)), plan.actions)
    assert np.array_equal(np.reshape(message.candidates, (candidates, horizon, 2)), plan.candidates)
    assert [[p.x, p.y, p.z] for p in message.path] == plan.path.astype(float).tolist()


def test_the_camera_info_projects_as_the_camera_does():
    info, point = camera_info(SPEC.camera), np.array([0.4, 0.1, 0.02])
    camera = SPEC.camera
    optical = np.asarray(camera.rotation) @ (point - np.asarray(camera.position))
    u, v, w = np.asarray(info.p).reshape(3, 4) @ [*optical, 1.0]
    assert [u / w, v / w] == pytest.approx(camera.project(point))


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_the_way_there_and_back(total):
    assert nanoseconds(stamp_of(total)) == total
