# SPDX-License-Identifier: Apache-2.0
"""The question types of OGBench (paper Table 14): a gripper among cubes."""

from __future__ import annotations

from functools import partial

from swm_core.tasks import phrasings as say
from swm_core.tasks import relations as rel
from swm_core.tasks.questions import LocateType, QuestionType, make_type
from swm_core.tasks.thresholds import GraspingThresholds

GRIPPER_WORDS = ("robotic gripper", "robot gripper", "gripper")  # Tables 5 and 14 use all three
EFFECTOR_WORDS = (*GRIPPER_WORDS, "robot")  # "the robot" grasps, in both tables

DEFAULT_THRESHOLDS = GraspingThresholds()


def ogbench_questions(
    limits: GraspingThresholds = DEFAULT_THRESHOLDS, effector_words: tuple[str, ...] = GRIPPER_WORDS
) -> tuple[QuestionType, ...]:
    """The six question types of Table 14 in its order; touching is physical contact, distances are in space.

    Args:
        limits: where no turns into yes.
        effector_words: what the gripper is called; the first is used in tasks.
    """
    make = partial(make_type, effector_words=effector_words)
    grasped = partial(rel.object_grasped, opposing=limits.opposing)
    on_top = partial(rel.objects_on_top, limits=limits.on_top)
    effector_closer = partial(rel.effector_closer, limit=limits.closer, axes=3)
    closer = partial(rel.objects_closer, limit=limits.closer, axes=3)
    pair = ("a", "b")
    return (
        make("cube_grasped", ("a",), grasped, say.GRASPED),
        make("gripper_touching_block", ("a",), rel.effector_contact, say.EFFECTOR_TOUCHING),
        make("block_touching", pair, rel.objects_contact, say.BLOCK_TOUCHING, symmetric=True),
        make("block_on_top", pair, on_top, say.ON_TOP),
        make("gripper_block_closer", ("a",), effector_closer, say.EFFECTOR_CLOSER),
        make("block_block_closer", pair, closer, say.BLOCKS_CLOSER, symmetric=True),
    )


OGBENCH_QUESTIONS: tuple[QuestionType, ...] = ogbench_questions()
OGBENCH_LOCATE = LocateType(say.LOCATE.trained, say.LOCATE.held_out, GRIPPER_WORDS)
