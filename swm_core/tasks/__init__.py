# SPDX-License-Identifier: Apache-2.0
"""Questions, what makes their answers true over a scene, tasks made of them, and goals in a person's words."""

from swm_core.tasks.goal_text import GoalParser, parse_goal
from swm_core.tasks.langtable_questions import LANGTABLE_LOCATE, LANGTABLE_QUESTIONS, langtable_questions
from swm_core.tasks.library import (
    AnyOrder,
    SuccessLimits,
    TaskSpec,
    build_task,
    push,
    reach,
    separate,
    stack,
    steps_done,
    subgoals,
    succeeded,
)
from swm_core.tasks.ogbench_questions import OGBENCH_LOCATE, OGBENCH_QUESTIONS, ogbench_questions
from swm_core.tasks.places import TablePlaces
from swm_core.tasks.questions import (
    LocateType,
    Phrasing,
    Question,
    QuestionType,
    find_type,
    question_text,
    question_truth,
    vocabulary,
)
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion
from swm_core.tasks.thresholds import GraspingThresholds, StackingLimits, Thresholds
from swm_core.tasks.words import mentions, tokenize

__all__ = [
    "LANGTABLE_LOCATE",
    "LANGTABLE_QUESTIONS",
    "OGBENCH_LOCATE",
    "OGBENCH_QUESTIONS",
    "AnyOrder",
    "GoalParser",
    "GraspingThresholds",
    "LocateType",
    "Phrasing",
    "Question",
    "QuestionType",
    "StackingLimits",
    "Subgoal",
    "SuccessLimits",
    "TablePlaces",
    "Task",
    "TaskSpec",
    "Thresholds",
    "WeightedQuestion",
    "build_task",
    "find_type",
    "langtable_questions",
    "mentions",
    "ogbench_questions",
    "parse_goal",
    "push",
    "question_text",
    "question_truth",
    "reach",
    "separate",
    "stack",
    "steps_done",
    "subgoals",
    "succeeded",
    "tokenize",
    "vocabulary",
]
