# SPDX-License-Identifier: Apache-2.0
"""Goals become tasks, or are refused with the right code and examples that work."""

from dataclasses import replace

import pytest

from swm_core.environment import load_environment
from swm_msgs import msg
from swm_msgs.msg import ResultCode
from swm_ros.goals import GoalRefusedError, task_from_text, task_from_typed

ENTRY = load_environment("langtable")
SPEC = ENTRY.spec
NAMES = SPEC.object_sets["BLOCK_4"]


def typed(text: str) -> msg.Task:
    return msg.Task(subgoals=[msg.Subgoal(questions=[msg.Question(text=text)])])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("reach the purple cube", ResultCode.OBJECT_UNKNOWN),
        ("make coffee", ResultCode.GOAL_UNPARSED),
        ("", ResultCode.GOAL_UNPARSED),
        ("\x00\x1b[2J", ResultCode.GOAL_UNPARSED),
        ("reach " * 1000, ResultCode.GOAL_UNPARSED),
    ],
)
def test_texts_are_refused_with_a_code_and_examples_that_work(text, code):
    with pytest.raises(GoalRefusedError) as caught:
        task_from_text(text, NAMES, ENTRY)
    assert caught.value.code == code
    assert caught.value.examples
    for example in caught.value.examples:
        assert task_from_text(example, NAMES, ENTRY).subgoals


def test_the_questions_are_the_environments_own():
    other = replace(ENTRY, questions=tuple(replace(k, phrasings=k.phrasings[1:]) for k in ENTRY.questions))
    first = task_from_text("reach the red moon", NAMES, ENTRY).subgoals[0].questions[0].text
    assert task_from_text("reach the red moon", NAMES, other).subgoals[0].questions[0].text != first


def test_a_goal_that_the_environment_has_no_question_about_is_refused():
    with pytest.raises(GoalRefusedError, match="cannot be asked here") as caught:
        task_from_text("reach the red moon", NAMES, replace(ENTRY, questions=()))
    assert caught.value.code == ResultCode.GOAL_UNPARSED


def test_typed_goals_that_name_an_absent_object_are_refused():
    with pytest.raises(GoalRefusedError, match="purple cube") as caught:
        task_from_typed(typed("Is the robotic peg touching the purple cube?"), NAMES, SPEC)
    assert caught.value.code == ResultCode.OBJECT_UNKNOWN


def test_typed_goals_about_present_objects_are_taken():
    task = task_from_typed(typed("Is the robotic peg touching the red moon?"), NAMES, SPEC)
    assert task.subgoals[0].questions[0].desired


def test_malformed_typed_goals_have_their_own_code():
    with pytest.raises(GoalRefusedError) as caught:
        task_from_typed(msg.Task(), NAMES, SPEC)
    assert caught.value.code == ResultCode.GOAL_MALFORMED
