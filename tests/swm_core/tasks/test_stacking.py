# SPDX-License-Identifier: Apache-2.0
"""Reaching and stacking of cubes: Table 5 word for word, the success of A.3.1, and the goals' words."""

from dataclasses import replace

import numpy as np
import pytest

from swm_core.errors import ConfigError, GoalError, QuestionError
from swm_core.evaluation.tasks import choose_steps
from swm_core.scene import SceneState
from swm_core.tasks import (
    OGBENCH_QUESTIONS,
    AnyOrder,
    SuccessLimits,
    build_task,
    parse_goal,
    push,
    reach,
    separate,
    stack,
    subgoals,
    succeeded,
)
from swm_core.tasks.library import subgoals_pursued

NAMES = ("red cube", "blue cube", "yellow cube", "green cube")
R, B, Y, G = NAMES


def rows(goal) -> list[tuple[str, float, bool]]:
    return [(q.text, q.weight, q.desired) for q in goal.questions]


def stacked(gap: float = 0.02, touched: bool = False, rise: float = 0.04, contact: bool = True) -> SceneState:
    """Blue on yellow, the gripper above."""
    positions = np.array([[0.3, 0.2, 0.02], [0.4, 0.0, 0.02 + rise], [0.4, 0.0, 0.02], [0.5, 0.2, 0.02]])
    contacts = np.zeros((5, 5), bool)
    contacts[1, 2] = contacts[2, 1] = contact
    contacts[-1, 1] = contacts[1, -1] = touched
    gaps = np.array([0.1, gap, 0.06, 0.1])
    effector = np.array([0.4, 0.0, 0.1])
    return SceneState(NAMES, positions, np.zeros(4), effector, contacts, np.array(0.3), np.zeros((2, 4, 3)), gaps)


def test_reaching_is_table_5() -> None:
    (goal,) = build_task(reach(R), OGBENCH_QUESTIONS).subgoals
    assert rows(goal) == [
        ("Is the robotic gripper touching the red cube?", 0.8, True),
        ("Is the robotic gripper closer to the red cube?", 0.2, True),
    ]


def test_what_has_subgoals_of_its_own_is_done_in_the_order_of_its_naming() -> None:
    assert build_task(AnyOrder([stack(B, Y), stack(R, Y)]), OGBENCH_QUESTIONS).ordered
    assert not build_task(AnyOrder([reach(B), reach(Y)]), OGBENCH_QUESTIONS).ordered


def test_stacking_is_table_5_with_two_subgoals_and_letting_go() -> None:
    task = build_task(stack(B, Y), OGBENCH_QUESTIONS)
    lift, lay, let_go = task.subgoals
    assert task.name == "stack blue cube on yellow cube"
    assert rows(lift) == [("Is the robot grasping the blue cube?", 1.0, True)]
    assert rows(lay) == [
        ("Is the blue cube on top of the yellow cube?", 0.6, True),
        ("Is the robot grasping the blue cube?", 0.4, True),
    ]
    assert rows(let_go) == [
        ("Is the blue cube on top of the yellow cube?", 0.6, True),
        ("Is the robotic gripper touching the blue cube?", 0.4, False),
    ]
    assert [rows(goal)[:1] for goal in (lift, lay)] == [
        [(q.text, q.weight, q.desired) for q in goal.completion] for goal in (lift, lay)
    ]
    assert let_go.completion == let_go.questions, "it is complete when both hold"


def test_an_episode_pursues_one_subgoal_after_the_other() -> None:
    held = np.zeros((2, 4, 3))
    held[:, 1] = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
    apart, lifted = stacked(contact=False, rise=0.0), replace(stacked(contact=False, rise=0.1), fingers=held)
    laid, released = replace(stacked(touched=True), fingers=held), stacked()
    scenes = SceneState.stack([apart, apart, lifted, apart, lifted, laid, laid, released])
    assert subgoals_pursued(stack(B, Y), scenes, OGBENCH_QUESTIONS).tolist() == [0, 0, 1, 1, 1, 2, 2, 2]
    assert not subgoals_pursued(stack(R, Y), scenes, OGBENCH_QUESTIONS).any()
    assert not subgoals_pursued(reach(B), scenes, OGBENCH_QUESTIONS).any()


def test_pushing_and_separating_can_be_asked_of_cubes() -> None:
    (pushed,), (apart,) = (subgoals(step, OGBENCH_QUESTIONS) for step in (push(R, B), separate(R, B)))
    assert rows(pushed)[0][0] == "Is the red cube touching the blue cube?"
    assert rows(apart)[0][0] == "Is the robotic gripper touching the red cube?"


def test_where_nothing_can_be_grasped_stacking_is_refused() -> None:
    with pytest.raises(QuestionError, match="cube_grasped"):
        build_task(stack("red moon", "green star"))


@pytest.mark.parametrize(
    ("scene", "done"),
    [
        (stacked(), True),
        (stacked(gap=0.006), True),
        (stacked(gap=0.004), False),
        (stacked(gap=0.0, touched=True), False),  # not let go yet
        (stacked(touched=True), False),
        (stacked(gap=np.nan), False),
        (stacked(contact=False), False),  # held above
        (stacked(rise=0.02), False),  # leans on it
    ],
)
def test_stacking_is_done_when_it_lies_there_and_the_gripper_is_off(scene: SceneState, done: bool) -> None:
    assert succeeded(stack(B, Y), scene) is done
    assert not succeeded(stack(Y, B), scene)
    assert not succeeded(stack(B, R), scene)


def test_success_limits_are_settings() -> None:
    assert not succeeded(stack(B, Y), stacked(gap=0.02), SuccessLimits(released=0.03))
    with pytest.raises(ConfigError, match="released"):
        SuccessLimits(released=0.0)


def test_reaching_is_the_pads_contact() -> None:
    near = replace(stacked(), effector=np.array([0.4, 0.0, 0.06]))
    assert not succeeded(reach(B), near)
    assert succeeded(reach(B), stacked(touched=True))


@pytest.mark.parametrize(
    "text",
    [
        "stack the blue cube on the yellow cube",
        "Stack the blue cube onto the yellow cube!",
        "put the blue cube on top of the yellow cube",
        "place the blue cube on the yellow cube",
        "please set the blue block atop the yellow block",
        "the blue cube is on the yellow cube",
        "the blue cube should be stacked on top of the yellow cube",
        "can you pile the blue cube upon the yellow cube with the gripper",
    ],
)
def test_stacking_in_peoples_words(text: str) -> None:
    assert parse_goal(text, NAMES) == (stack(B, Y),)


def test_a_stacking_goal_is_read_back_and_goes_on() -> None:
    steps = (stack(B, Y), stack(R, B), reach(G))
    assert parse_goal(build_task(steps, OGBENCH_QUESTIONS).name, NAMES) == steps
    assert parse_goal("reach the red cube", NAMES, ("robotic gripper",)) == (reach(R),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stack the blue cube", "with 1 object"),
        ("stack the blue cube on the blue cube", "different blocks"),
        ("stack the purple cube on the blue cube", "there is no 'purple cube'"),
        ("stack the cube on the blue cube", "ambiguous"),
    ],
)
def test_refusals_say_why(text: str, reason: str) -> None:
    with pytest.raises(GoalError, match=reason):
        parse_goal(text, NAMES)


def test_seeds_choose_every_ordered_pair_once() -> None:
    chosen = [choose_steps("stack", NAMES, seed) for seed in range(6000, 6012)]
    assert len(set(chosen)) == 12
    assert all(steps[0].kind == "stack" for steps in chosen)
