# SPDX-License-Identifier: Apache-2.0
"""Tasks of Table 5, word for word and number for number, and the success criteria of A.3.1."""

import pytest

from swm_core.errors import ConfigError, GoalError, QuestionError, SceneError
from swm_core.tasks import (
    LANGTABLE_QUESTIONS,
    AnyOrder,
    SuccessLimits,
    TaskSpec,
    build_task,
    langtable_questions,
    push,
    reach,
    separate,
    steps_done,
    succeeded,
)

A, B, C = "red moon", "green star", "blue cube"


def rows(task, step=0):
    return [(q.text, q.weight, q.desired) for q in task.subgoals[step].questions]


def test_reach_is_table_5():
    assert rows(build_task(reach(A))) == [
        ("Is the robotic peg touching the red moon?", 0.8, True),
        ("Is the robotic peg closer to the red moon?", 0.2, True),
    ]


def test_separate_is_table_5():
    assert rows(build_task(separate(A, B))) == [
        ("Is the robotic peg touching the red moon?", 0.6, True),
        ("Is the green star touching the red moon?", 0.4, False),
    ]


def test_push_is_table_5():
    assert rows(build_task(push(A, B))) == [
        ("Is the red moon touching the green star?", 0.8, True),
        ("Are the red moon and the green star closer together?", 0.2, True),
    ]


def test_several_blocks_to_avoid_share_the_weight():
    task = build_task(separate(A, B, C))
    assert rows(task)[1:] == [
        ("Is the green star touching the red moon?", 0.2, False),
        ("Is the blue cube touching the red moon?", 0.2, False),
    ]


def test_a_sequence_has_one_subgoal_a_step_each_ended_by_its_touching_question():
    task = build_task([push(A, B), separate(B, C), reach(C)])
    assert task.name == "push red moon to green star, then separate green star from blue cube, then reach blue cube"
    assert [(q.text, q.desired) for s in task.subgoals for q in s.completion] == [
        ("Is the red moon touching the green star?", True),
        ("Is the blue cube touching the green star?", False),
        ("Is the robotic peg touching the blue cube?", True),
    ]


def test_tasks_can_be_worded_otherwise():
    trained = {build_task(push(A, B), phrasing=i).subgoals[0].questions[0].text for i in range(8)}
    held_out = {build_task(push(A, B), phrasing=i, held_out=True).subgoals[0].questions[0].text for i in range(2)}
    assert len(trained) == 8
    assert len(held_out) == 2
    assert not trained & held_out


def test_tasks_speak_of_the_environments_effector():
    types = langtable_questions(effector_words=("robotic gripper",))
    assert rows(build_task(reach(A), types))[0][0] == "Is the robotic gripper touching the red moon?"
    with pytest.raises(QuestionError, match="peg_touching_block"):
        build_task(reach(A), LANGTABLE_QUESTIONS[:3])


def test_reaching_is_contact(place):
    near = place({A: (0.4, 0.0), B: (0.3, 0.2)}, effector=(0.4, 0.035))
    there = place({A: (0.4, 0.0), B: (0.3, 0.2)}, effector=(0.4, 0.03), touched=[A])
    assert not succeeded(reach(A), near)
    assert succeeded(reach(A), there)
    assert not succeeded(reach(B), there)


@pytest.mark.parametrize(("gap", "done"), [(0.074, True), (0.076, False)])
def test_pushing_is_done_below_75_millimetres(place, gap, done):
    scene = place({A: (0.4, 0.0), B: (0.4, gap), C: (0.25, -0.2)})
    assert succeeded(push(A, B), scene) is done
    assert succeeded(push(B, A), scene) is done
    assert not succeeded(push(A, B), scene, SuccessLimits(together=0.05))


@pytest.mark.parametrize(("gap", "done"), [(0.101, True), (0.099, False)])
def test_separation_is_done_above_100_millimetres_from_all(place, gap, done):
    scene = place({A: (0.4, 0.0), B: (0.4, gap), C: (0.25, -0.2)})
    assert succeeded(separate(A, B), scene) is done
    assert succeeded(separate(A, C, B), scene) is done
    assert succeeded(separate(A, C), scene)
    assert succeeded(separate(A, B), scene, SuccessLimits(separated=0.09))


def test_steps_of_a_sequence_count_in_their_order(place):
    steps = [push(A, B), reach(C)]
    second_only = place({A: (0.4, 0.0), B: (0.4, 0.2), C: (0.25, -0.2)}, touched=[C])
    first_only = place({A: (0.4, 0.0), B: (0.4, 0.06), C: (0.25, -0.2)})
    assert steps_done(steps, second_only) == 0
    assert steps_done(steps, first_only) == 1
    assert steps_done(steps, second_only, done=1) == 2
    assert steps_done(steps, first_only, done=2) == 2


def test_steps_in_any_order_must_hold_at_the_same_time(place):
    steps = AnyOrder([push(A, B), reach(C)])
    second_only = place({A: (0.4, 0.0), B: (0.4, 0.2), C: (0.25, -0.2)}, touched=[C])
    first_only = place({A: (0.4, 0.0), B: (0.4, 0.06), C: (0.25, -0.2)})
    both = place({A: (0.4, 0.0), B: (0.4, 0.06), C: (0.25, -0.2)}, touched=[C])
    assert [steps_done(steps, scene) for scene in (second_only, first_only, both)] == [1, 1, 2]
    assert steps_done(steps, first_only, done=2) == 1


def test_wrong_specs_are_refused(place):
    with pytest.raises(GoalError, match="no task kind"):
        TaskSpec("fly", (A,))
    with pytest.raises(GoalError, match="takes 2"):
        TaskSpec("push", (A, B, C))
    with pytest.raises(GoalError, match="takes 2 or more"):
        TaskSpec("separate", (A,))
    with pytest.raises(GoalError, match="different blocks"):
        push(A, A)
    with pytest.raises(GoalError, match="no subgoals"):
        build_task([])
    with pytest.raises(SceneError, match="blue cube"):
        succeeded(reach(C), place({A: (0.4, 0.0)}))
    with pytest.raises(ConfigError, match="together"):
        SuccessLimits(together=-1.0)


def test_equal_weights_have_the_same_sum() -> None:
    task = build_task([push("red moon", "green star"), separate("red moon", "blue cube")])
    plain = task.unweighted()
    for one, other in zip(task.subgoals, plain.subgoals, strict=True):
        assert [q.text for q in other.questions] == [q.text for q in one.questions]
        assert len({q.weight for q in other.questions}) == 1
        assert sum(q.weight for q in other.questions) == pytest.approx(sum(q.weight for q in one.questions))
        assert [q.text for q in other.completion] == [q.text for q in one.completion]
