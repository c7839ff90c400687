# SPDX-License-Identifier: Apache-2.0
"""What the page shows is kept from the messages, and what is drawn on it becomes actions."""

import base64
import time

import numpy as np
import pytest

from swm_core.environment import load_environment
from swm_core.errors import PlanningError
from swm_core.scene import SceneState
from swm_core.tasks.questions import find_type
from swm_msgs.msg import Command, Explanation, GoalStatus, Plan, StackStatus
from swm_ros.web import seen as kept
from swm_ros.web.charts import attention_pictures, gains_table, nodes_table, polyline
from swm_ros.web.drawn_path import SPEED, path_actions
from swm_ros.web.happened import Happened
from swm_ros.web.seen import Seen

ENTRY = load_environment("langtable")
SPEC = ENTRY.spec
START = np.array([0.4, 0.0, 0.02])


def drawn(*places: tuple[float, float]) -> np.ndarray:
    return SPEC.camera.project(np.array([[x, y, START[2]] for x, y in places]))


def test_actions_follow_the_drawn_path_at_an_even_pace():
    actions = path_actions(drawn((0.4, 0.05), (0.45, 0.05)), START, SPEC, 20)
    way = START[:2] + np.cumsum(actions[:, :2], 0)
    np.testing.assert_allclose(way[-1], (0.45, 0.05), atol=2e-3)
    assert np.abs(way - (0.4, 0.05)).sum(1).min() < 0.02  # by way of the corner
    strides = np.linalg.norm(actions, axis=1)
    assert strides.max() <= SPEED * min(SPEC.largest_action) + 1e-6
    assert actions.dtype == np.float32


def test_a_long_path_is_cut_and_the_gripper_of_another_robot_is_left_alone():
    assert len(path_actions(drawn((0.2, 0.25), (0.55, -0.25)), START, SPEC, 7)) == 7
    spec = load_environment("ogbench").spec
    pixels = spec.camera.project(np.array([[0.45, 0.1, 0.2]]))
    actions = path_actions(pixels, np.array([0.4, 0.0, 0.2]), spec, 20)
    assert np.abs(actions[:, :2]).max() > 0
    assert not actions[:, 2:].any()


def test_without_a_path_one_is_asked_for():
    with pytest.raises(PlanningError, match="draw a path"):
        path_actions(np.zeros((0, 2)), START, SPEC, 20)


def test_frames_are_encoded_for_viewers_only():
    seen, frame = Seen(), np.zeros((18, 32, 3), np.uint8)
    for _ in range(3):
        seen.see_frame(frame)
    assert seen.number == 1  # so that the first viewer sees something at once
    seen.viewers = 1
    seen.see_frame(frame)
    assert seen.number == 2
    assert seen.frame.startswith(b"\xff\xd8")


def test_a_refused_goal_is_told_beside_the_one_pursued():
    seen = Seen()
    seen.see_goal(GoalStatus(state=GoalStatus.ACTIVE, task="a"))
    seen.see_goal(GoalStatus(state=GoalStatus.REFUSED, message="no such block"))
    assert (seen.goal.task, seen.refusal.message, seen.pursued) == ("a", "no such block", True)
    seen.see_goal(GoalStatus(state=GoalStatus.ACCEPTED, task="b", questions=["q"]))  # not answered yet
    assert (seen.goal.task, seen.refusal) == ("b", None)
    seen.see_goal(GoalStatus(state=GoalStatus.ACTIVE, task="b", questions=["q"], probabilities=[0.25]))
    assert [p for _, p in seen.curves()["q"]] == [0.25]


def test_curves_end_with_the_last_seconds(monkeypatch):
    monkeypatch.setattr(kept, "HISTORY", 0.2)
    seen = Seen()
    seen.see_command(Command())
    time.sleep(0.3)
    command = Command()
    command.twist.twist.linear.x = 0.3
    seen.see_command(command)
    ((at, speed),) = seen.speed_curves()["speed"]
    assert speed == pytest.approx(0.3)
    assert -0.2 < at <= 0
    seen.limits.update(max_velocity=[0.3, 0.2, 0.0], speed_scale=0.5)
    assert [speed for _, speed in seen.speed_curves()["limit of an axis"]] == [0.15, 0.15]


def test_tables_tell_of_gains_and_nodes_and_let_no_markup_in():
    plan = Plan(questions=["<b>?"], sub_chunks=2, probabilities=[0.1, 0.2, 0.3, 0.9])
    text = gains_table(plan)
    assert "&lt;b&gt;?" in text
    assert "20 %" in text
    assert "90 %" in text
    assert "<td>+70</td>" in text, "what the iteration gained"
    assert gains_table(Plan()) == ""
    status = StackStatus(nodes=["guard"], node_states=[StackStatus.SILENT], restarts=[2])
    assert "guard silent (restarted 2 times)" in nodes_table(status)
    assert "not reported" in nodes_table(StackStatus())
    assert polyline(np.array([[1.0, 2.0], [np.nan, 0.0], [3.0, 4.0]]), "red", 1).count(",") == 2


def test_attention_is_drawn_over_the_frame_it_was_told_with():
    seen = Seen()
    seen.see_frame(np.full((180, 320, 3), 90, np.uint8))
    seen.see_explanation(
        Explanation(plan_id=1, rows=2, columns=4, cell=90, questions=["<a>?"], attention=[0.0] * 7 + [1.0])
    )
    seen.see_explanation(Explanation(plan_id=2))
    assert seen.explanation.plan_id == 2
    why, frame = seen.looked
    text = attention_pictures(why, frame, 320, 180)
    assert why.plan_id == 1
    assert text.count("<rect") == 1
    assert '<rect x="270" y="90" width="90" height="90"' in text
    assert "&lt;a&gt;?" in text
    assert base64.b64encode(frame).decode() in text


def a_scene(y: float) -> SceneState:
    """The effector at (0.4, y), the red moon at (0.4, 0.1), which it touches from 8 cm on."""
    names = ("red moon", "green star")
    positions = np.array([[0.4, 0.1, 0.0], [0.3, -0.2, 0.0]])
    contacts = np.zeros((3, 3), bool)
    contacts[0, 2] = contacts[2, 0] = y >= 0.08
    return SceneState(names, positions, np.zeros(2), np.array([0.4, y, 0.0]), contacts, np.asarray(0.0))


def test_what_happened_is_judged_by_the_scenes_since_then():
    asked = [
        "is the robotic peg touching the red moon",
        find_type("peg_block_closer", ENTRY.questions).ask(("red moon",)).text,
        "Did it do what I meant?",
    ]
    happened = Happened(a_scene(0.0), asked, ENTRY.questions)
    assert happened.answers(a_scene(0.05)) == [False, True, None]
    assert happened.answers(a_scene(0.08)) == [True, True, None]
    assert happened.answers(None) == [None] * 3
    assert Happened(None, asked, ENTRY.questions).answers(a_scene(0.0)) == [None] * 3
