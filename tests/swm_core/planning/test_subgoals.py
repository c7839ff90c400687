# SPDX-License-Identifier: Apache-2.0
"""Which subgoal is pursued, when it is left, and when a task is given up: the rules, and in control of a point."""

from collections.abc import Callable

import numpy as np
import pytest

from swm_core.errors import ConfigError
from swm_core.planning.controller import Controller
from swm_core.planning.settings import PlannerConfig
from swm_core.planning.subgoals import Pursuit
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion

LIMIT = 0.03
Frame = Callable[[float], np.ndarray]


def task(*targets: str, ordered: bool = True, weights: tuple[float, ...] = ()) -> Task:
    asked = zip(targets, weights or (1.0,) * len(targets), strict=True)
    return Task("go", tuple(Subgoal((WeightedQuestion(text, weight=weight),)) for text, weight in asked), ordered)


def pursuit(count: int, *, ordered: bool = False, **settings) -> Pursuit:
    config = PlannerConfig(**{"complete_frames": 2, "switch_margin": 0.1, **settings})
    return Pursuit(task(*(f"at 0.{i}" for i in range(count)), ordered=ordered), config)


def test_in_any_order_the_first_is_the_one_worth_most() -> None:
    found = pursuit(3)
    found.choose({0: 0.2, 1: 0.6, 2: 0.59})
    assert found.subgoal == 1


def test_another_is_taken_up_only_if_it_is_clearly_better() -> None:
    found, pursued = pursuit(2), []
    found.choose({0: 0.5, 1: 0.4})
    for other in (0.55, 0.45, 0.59, 0.61, 0.5, 0.52):  # beside 0.5 for the one that is pursued
        mine = found.subgoal
        found.choose({mine: 0.5, 1 - mine: other})
        pursued.append(found.subgoal)
    assert pursued == [0, 0, 0, 1, 1, 1]


def test_one_that_was_reached_is_left_and_pursued_again_when_it_is_undone() -> None:
    found = pursuit(2)
    found.choose({0: 0.9, 1: 0.1})
    for _ in range(2):
        found.see({0: 0.95, 1: 0.0})
    assert (found.subgoal, found.open, found.finished) == (1, [1], False)
    for p in (0.5, 0.5, 0.2, 0.5, 0.2, 0.2):  # doubt is not yet the contrary, nor is one frame
        assert found.open == [1]
        found.see({0: p, 1: 0.0})
    assert found.open == [0, 1]
    for _ in range(2):
        found.see({0: 0.95, 1: 0.95})
    assert found.finished


def test_a_sequence_keeps_its_order_and_does_not_look_back() -> None:
    found = pursuit(2, ordered=True)
    assert found.watched == [0]
    for _ in range(2):
        found.see({0: 0.9})
    assert (found.subgoal, found.watched, found.open) == (1, [1], [1])


def test_a_goal_is_given_up_after_so_many_actions_with_the_reason() -> None:
    found = pursuit(1, ordered=True, subgoal_actions=8)
    for executed in (4, 4):  # those before the first plan were not for this task
        found.count(executed)
        found.see({0: 0.25})
    assert found.given_up == ""
    found.count(4)
    found.see({0: 0.25})
    assert found.given_up == (
        "the goal was not reached within 8 actions: the answer to 'at 0.0' is yes with probability 0.25"
    )


def test_each_subgoal_has_its_own_actions() -> None:
    found = pursuit(2, ordered=True, subgoal_actions=8, complete_frames=1)
    found.count(0)
    found.count(8)
    found.see({0: 0.9})
    found.count(4)
    found.see({1: 0.1})
    assert (found.subgoal, found.given_up) == (1, "")
    found.count(4)
    found.see({1: 0.1})
    assert found.given_up.startswith("subgoal 2 of 2 was not reached within 8 actions")


def test_in_any_order_the_others_are_tried_before_the_task_is_given_up() -> None:
    found = pursuit(2, subgoal_actions=4)
    found.count(0)
    found.choose({0: 0.9, 1: 0.1})
    found.count(4)
    found.see({0: 0.1, 1: 0.1})
    assert (found.subgoal, found.open, found.given_up) == (1, [1], "")
    found.count(4)
    found.see({0: 0.1, 1: 0.1})
    assert found.given_up.startswith("subgoal 2 of 2")


@pytest.fixture
def make(point_model) -> Callable[..., Controller]:
    def build(**settings) -> Controller:
        config = PlannerConfig(**{"horizon": 8, "sub_chunk": 4, "complete_frames": 1, **settings})
        return Controller(point_model, (-LIMIT, -LIMIT), (LIMIT, LIMIT), ("dx", "dy"), config)

    return build


def follow(controller: Controller, frame_at: Frame, x: float, plans: int) -> list[int]:
    pursued = []
    for _ in range(plans):
        plan = controller.plan(frame_at(x), executed=4)
        pursued.append(controller.subgoal)
        x = round(x + float(plan.actions[:4, 0].sum()), 2)
    return pursued


@pytest.mark.parametrize("planner", ["gradient", "mppi"])
def test_the_nearer_goal_is_reached_first_whatever_its_place_and_weight(
    make: Callable[..., Controller], frame_at: Frame, planner: str
) -> None:
    for targets, weights in ((("at 0.8", "at 0.45"), (5.0, 0.1)), (("at 0.8", "at 0.45"), (0.1, 5.0))):
        controller = make(planner=planner)
        controller.start(task(*targets, ordered=False, weights=weights))
        controller.plan(frame_at(0.35))
        assert controller.subgoal == 1
        controller.start(task(*targets, weights=weights))
        controller.plan(frame_at(0.35))
        assert controller.subgoal == 0


def test_between_two_goals_the_controller_does_not_waver(make: Callable[..., Controller], frame_at: Frame) -> None:
    controller = make(complete_frames=100)  # neither is ever left for having been reached
    controller.start(task("at 0.1", "at 0.7", ordered=False))
    assert len(set(follow(controller, frame_at, 0.38, 5))) == 1


def test_a_controller_says_why_it_gives_up(make: Callable[..., Controller], frame_at: Frame) -> None:
    controller = make(subgoal_actions=8)
    controller.start(task("at 2.0"))
    told = []
    for _ in range(3):
        controller.plan(frame_at(0.1), executed=4)
        told.append(controller.given_up)
    assert told[:2] == ["", ""]
    assert "within 8 actions" in told[2]
    controller.start(task("at 2.0"))
    assert controller.given_up == ""


@pytest.mark.parametrize("wrong", [{"subgoal_actions": -1}, {"switch_margin": 1.5}])
def test_settings_outside_their_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match="subgoal_actions"):
        PlannerConfig(**wrong)
