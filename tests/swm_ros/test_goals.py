# SPDX-License-Identifier: Apache-2.0
"""Goals become tasks, or are refused with the right code and examples that work."""

from dataclasses import replace

import pytest

from swm_core.environment import load_environment
from swm_core.errors import GoalError, ModelError
from swm_core.tasks import parse_goal, reach
from swm_msgs import msg
from swm_msgs.msg import ResultCode
from swm_ros import planner_config
from swm_ros.goals import GoalRefusedError, task_from_text, task_from_typed
from swm_ros.planner_config import PlannerNodeConfig

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


def test_another_parser_can_be_given():
    def parse(text, names, words):
        if "moon" not in names[0]:
            raise GoalError("no")
        assert (text, words) == ("scoot over to the red moon", (SPEC.effector_word,))
        return (reach("red moon"),)

    assert task_from_text("scoot over to the red moon", NAMES, ENTRY, parse).name == "reach red moon"
    with pytest.raises(GoalRefusedError) as caught:
        task_from_text("scoot over to the red moon", ("blue cube",), ENTRY, parse)
    assert caught.value.code == ResultCode.GOAL_UNPARSED


def test_without_the_text_embedding_the_node_has_the_grammar(monkeypatch):
    def missing():
        raise ModelError("not installed")

    told = []
    monkeypatch.setattr(planner_config, "load_paraphrases", missing)
    assert planner_config.load_goal_parser(PlannerNodeConfig(), told.append) is parse_goal
    assert not told
    assert planner_config.load_goal_parser(PlannerNodeConfig(paraphrases=True), told.append) is parse_goal
    assert told == ["goals are understood by the grammar alone: not installed"]
    monkeypatch.setattr(planner_config, "load_paraphrases", lambda: "a parser")
    assert planner_config.load_goal_parser(PlannerNodeConfig(paraphrases=True), told.append) == "a parser"


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
