# SPDX-License-Identifier: Apache-2.0
"""The tasks of the paper's Table 5, their questions, and when they count as done (A.3.1).

A task asks the question types of its environment, whatever these are called there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from swm_core.errors import GoalError
from swm_core.scene import SceneState
from swm_core.tasks.langtable_questions import LANGTABLE_QUESTIONS
from swm_core.tasks.questions import Arguments, Question, QuestionType, find_type, question_truth
from swm_core.tasks.relations import is_on_top
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion
from swm_core.tasks.thresholds import ON_TOP_LIMITS, StackingLimits, check_positive

REACH, SEPARATE, PUSH, STACK = "reach", "separate", "push", "stack"
_BLOCKS = {REACH: (1, 1), SEPARATE: (2, math.inf), PUSH: (2, 2), STACK: (2, 2)}
_JOINTS = {REACH: "", SEPARATE: " from ", PUSH: " to ", STACK: " on "}

# What tasks ask, each by the names that environments give the type: the first that there is will be taken.
TOUCHED = ("peg_touching_block", "gripper_touching_block")
NEARER = ("peg_block_closer", "gripper_block_closer")
TOGETHER = ("block_touching",)
CLOSER_TOGETHER = ("block_block_closer",)
GRASPED = ("cube_grasped",)
ON_TOP = ("block_on_top",)


@dataclass(frozen=True)
class TaskSpec:
    """One step of a task: what to do with which blocks.

    Attributes:
        kind: "reach", "separate", "push" or "stack".
        blocks: reach: the target; separate: the block to move, then those to avoid; push: the first, the second;
            stack: the upper, the lower.
    """

    kind: str
    blocks: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the blocks.

        Raises:
            GoalError: the kind is unknown, the number of blocks is wrong, or a block is named twice.
        """
        if self.kind not in _BLOCKS:
            raise GoalError(f"no task kind {self.kind!r}; known: {', '.join(_BLOCKS)}")
        least, most = _BLOCKS[self.kind]
        if not least <= len(self.blocks) <= most:
            raise GoalError(f"{self.kind} takes {least}{' or more' if most > least else ''} blocks, got {self.blocks}")
        if len(set(self.blocks)) != len(self.blocks):
            raise GoalError(f"{self.kind} needs different blocks, got {', '.join(self.blocks)}")

    def __str__(self) -> str:
        """What people call it; `parse_goal` reads it back."""
        first, *rest = self.blocks
        return f"{self.kind} {first}{_JOINTS[self.kind]}{' and '.join(rest)}"


def reach(block: str) -> TaskSpec:
    """The effector touches the block."""
    return TaskSpec(REACH, (block,))


def separate(center: str, *avoid: str) -> TaskSpec:
    """The center block is away from the others; it is the one that is moved."""
    return TaskSpec(SEPARATE, (center, *avoid))


def push(first: str, second: str) -> TaskSpec:
    """The first block is brought to the second."""
    return TaskSpec(PUSH, (first, second))


def stack(upper: str, lower: str) -> TaskSpec:
    """The first block lies on the second, and the gripper has let go."""
    return TaskSpec(STACK, (upper, lower))


class AnyOrder(tuple[TaskSpec, ...]):
    """Steps that may be done in any order and must all hold in the end; those of a plain tuple follow each other."""

    __slots__ = ()


@dataclass(frozen=True)
class SuccessLimits:
    """When a step counts as done (paper A.3.1); distances of centres are horizontal.

    Attributes:
        separated: every block to avoid is farther than this, m.
        together: the pushed blocks are nearer than this, m.
        on_top: when one block is on top of another.
        released: the gap between gripper and stacked block is wider than this, m; the paper gives no number.
    """

    separated: float = 0.1
    together: float = 0.075
    on_top: StackingLimits = ON_TOP_LIMITS
    released: float = 0.005

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ConfigError: a limit is not finite and above 0.
        """
        check_positive(self, "success limit")


PAPER_SUCCESS = SuccessLimits()


def succeeded(spec: TaskSpec, scene: SceneState, limits: SuccessLimits = PAPER_SUCCESS) -> bool:
    """Whether one step is done in one scene (no batch axes).

    Raises:
        SceneError: a block is not in the scene.
    """
    first, *others = (scene.index(name) for name in spec.blocks)
    if spec.kind == REACH:
        return bool(scene.contacts[-1, first])
    if spec.kind == STACK:
        let_go = not scene.contacts[-1, first] and scene.gaps[first] > limits.released
        return bool(let_go and is_on_top(scene, first, others[0], limits.on_top))
    distances = np.linalg.norm(scene.positions[others, :2] - scene.positions[first, :2], axis=-1)
    return bool(np.all(distances > limits.separated) if spec.kind == SEPARATE else np.all(distances < limits.together))


def steps_done(
    specs: Sequence[TaskSpec], scene: SceneState, done: int = 0, limits: SuccessLimits = PAPER_SUCCESS
) -> int:
    """How many steps of a task are done; call it scene by scene.

    Args:
        specs: the steps. In a sequence each counts once it was done after those before it; of steps in any order those
            count that hold in this scene.
        scene: no batch axes.
        done: how many were before this scene.
        limits: when a step is done.
    """
    if isinstance(specs, AnyOrder):
        return sum(succeeded(spec, scene, limits) for spec in specs)
    while done < len(specs) and succeeded(specs[done], scene, limits):
        done += 1
    return done


class _Asked(NamedTuple):
    """One question of a task: names of its type, arguments, weight, wanted answer, and whether it ends the subgoal."""

    names: tuple[str, ...]
    arguments: Arguments
    weight: float
    desired: bool = True
    ends: bool = False


def _asked(spec: TaskSpec) -> list[list[_Asked]]:
    """Table 5: the questions of each subgoal.

    Several blocks to avoid share that question's weight. Letting go of a stacked block is not in the table: success
    asks for a gap between it and the gripper, but what the table wants last is that it is held.
    """
    first, *others = spec.blocks
    pair = (first, *others[:1])
    if spec.kind == REACH:
        return [[_Asked(TOUCHED, (first,), 0.8, ends=True), _Asked(NEARER, (first,), 0.2)]]
    if spec.kind == PUSH:
        return [[_Asked(TOGETHER, pair, 0.8, ends=True), _Asked(CLOSER_TOGETHER, pair, 0.2)]]
    if spec.kind == STACK:
        lift = [_Asked(GRASPED, (first,), 1.0, ends=True)]
        lay = [_Asked(ON_TOP, pair, 0.6, ends=True), _Asked(GRASPED, (first,), 0.4)]
        let_go = [_Asked(ON_TOP, pair, 0.6, ends=True), _Asked(TOUCHED, (first,), 0.4, False, ends=True)]
        return [lift, lay, let_go]
    apart = [_Asked(TOGETHER, (avoid, first), 0.4 / len(others), False, avoid == others[0]) for avoid in others]
    return [[_Asked(TOUCHED, (first,), 0.6), *apart]]


def wanted_truths(
    specs: Sequence[TaskSpec],
    pursued: int,
    before: SceneState,
    after: SceneState,
    types: Sequence[QuestionType] = LANGTABLE_QUESTIONS,
) -> list[tuple[str, bool | None]]:
    """What really became of the answers that one subgoal wants, in the order of its questions.

    Args:
        specs: the steps of the task.
        pursued: number of the subgoal in the task that `build_task` makes of them.
        before: scene at the time of asking (no batch axes).
        after: scene that the questions are about.
        types: the question types of the environment.

    Returns:
        per question its type's name, and whether the wanted answer is the right one; None where that is undefined.
    """
    found: list[tuple[str, bool | None]] = []
    for asked in [asked for spec in specs for asked in _asked(spec)][pursued]:
        name = find_type(asked.names, types).name
        truth = question_truth(Question(name, asked.arguments, ""), before, after, types)
        found.append((name, None if truth is None else truth == asked.desired))
    return found


def subgoals_pursued(
    spec: TaskSpec, scenes: SceneState, types: Sequence[QuestionType] = LANGTABLE_QUESTIONS
) -> np.ndarray:
    """Which subgoal of a step is pursued at each instant of an episode, if each is left as soon as it is reached.

    Args:
        spec: the step.
        scenes: batch shape (T,).
        types: the question types of the environment.

    Returns:
        (T,) int64, never falling; the last subgoal is not left.

    Raises:
        QuestionError: the environment lacks one of the question types, or the scenes a block.
    """
    pursued = np.zeros(len(scenes.effector), np.int64)
    for number, asked in enumerate(_asked(spec)[:-1]):
        reached = pursued == number
        for one in asked:
            if one.ends:
                kind = find_type(one.names, types)
                answers, defined = kind.truth(scenes, scenes)
                index = kind.instance_index(scenes.names, one.arguments)
                reached &= defined[:, index] & (answers[:, index] == one.desired)
        if not reached.any():
            break
        pursued[int(reached.argmax()) :] = number + 1
    return pursued


def subgoals(
    spec: TaskSpec, types: Sequence[QuestionType] = LANGTABLE_QUESTIONS, phrasing: int = 0, *, held_out: bool = False
) -> tuple[Subgoal, ...]:
    """The subgoals of one step with the questions, weights and wanted answers of Table 5.

    The completion question is the one about touching, grasping or being on top; a stack is complete when the block is
    on top and the gripper no longer touches it. A separation is complete when the block no longer touches the first one
    to avoid (weaker than the paper's success of 0.1 m: no question of Table 14 asks for a distance apart).

    Args:
        spec: the step.
        types: the question types of the environment.
        phrasing: which phrasing; 0 is the text of Table 5. It wraps round where a type has fewer.
        held_out: whether to take phrasings that training never used (Table 8).

    Raises:
        QuestionError: the environment lacks one of the question types.
    """
    found = []
    for asked in _asked(spec):
        questions = []
        for one in asked:
            kind = find_type(one.names, types)
            choices = kind.held_out if held_out else kind.phrasings
            question = kind.ask(one.arguments, phrasing % len(choices), held_out=held_out)
            questions.append(WeightedQuestion(question.text, one.desired != question.negated, one.weight))
        ends = tuple(question for question, one in zip(questions, asked, strict=True) if one.ends)
        found.append(Subgoal(tuple(questions), ends))
    return tuple(found)


def build_task(
    specs: TaskSpec | Sequence[TaskSpec],
    types: Sequence[QuestionType] = LANGTABLE_QUESTIONS,
    phrasing: int = 0,
    *,
    held_out: bool = False,
) -> Task:
    """A task of one step or of several, in order unless they are `AnyOrder`; arguments as `subgoals`.

    Steps that have subgoals of their own (stacking) are pursued in the order in which they are named in any case.

    Raises:
        GoalError: there are no steps.
    """
    steps = (specs,) if isinstance(specs, TaskSpec) else tuple(specs)
    parts = [subgoals(step, types, phrasing, held_out=held_out) for step in steps]
    ordered = not isinstance(specs, AnyOrder) or any(len(part) > 1 for part in parts)
    return Task(task_name(specs), tuple(goal for part in parts for goal in part), ordered)


def task_name(specs: TaskSpec | Sequence[TaskSpec]) -> str:
    """What people call a task; `parse_goal` reads the same steps from it, in order or not."""
    steps = (specs,) if isinstance(specs, TaskSpec) else specs
    return (" and " if isinstance(specs, AnyOrder) else ", then ").join(map(str, steps))
