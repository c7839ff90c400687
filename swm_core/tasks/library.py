# SPDX-License-Identifier: Apache-2.0
"""The tasks of the paper's Table 5 for Language-Table, their questions, and when they count as done (A.3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swm_core.errors import ConfigError, GoalError
from swm_core.scene import SceneState
from swm_core.tasks.langtable_questions import LANGTABLE_QUESTIONS
from swm_core.tasks.questions import Arguments, Question, QuestionType, find_type, question_truth
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion

REACH, SEPARATE, PUSH = "reach", "separate", "push"
_BLOCKS = {REACH: (1, 1), SEPARATE: (2, math.inf), PUSH: (2, 2)}


@dataclass(frozen=True)
class TaskSpec:
    """One step of a task: what to do with which blocks.

    Attributes:
        kind: "reach", "separate" or "push".
        blocks: reach: the target; separate: the block to move, then those to avoid; push: the first, the second.
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
        joint = {REACH: "", SEPARATE: " from ", PUSH: " to "}[self.kind]
        return f"{self.kind} {first}{joint}{' and '.join(rest)}"


def reach(block: str) -> TaskSpec:
    """The effector touches the block."""
    return TaskSpec(REACH, (block,))


def separate(center: str, *avoid: str) -> TaskSpec:
    """The center block is away from the others; it is the one that is moved."""
    return TaskSpec(SEPARATE, (center, *avoid))


def push(first: str, second: str) -> TaskSpec:
    """The first block is brought to the second."""
    return TaskSpec(PUSH, (first, second))


@dataclass(frozen=True)
class SuccessLimits:
    """When a step counts as done (paper A.3.1); horizontal distances of centres.

    Attributes:
        separated: every block to avoid is farther than this, m.
        together: the pushed blocks are nearer than this, m.
    """

    separated: float = 0.1
    together: float = 0.075

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ConfigError: a limit is not finite and above 0.
        """
        for name, value in (("separated", self.separated), ("together", self.together)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"success limit {name} is {value}; it must be finite and above 0")


PAPER_SUCCESS = SuccessLimits()


def succeeded(spec: TaskSpec, scene: SceneState, limits: SuccessLimits = PAPER_SUCCESS) -> bool:
    """Whether one step is done in one scene (no batch axes).

    Raises:
        SceneError: a block is not in the scene.
    """
    first, *others = (scene.index(name) for name in spec.blocks)
    if spec.kind == REACH:
        return bool(scene.contacts[-1, first])
    distances = np.linalg.norm(scene.positions[others, :2] - scene.positions[first, :2], axis=-1)
    return bool(np.all(distances > limits.separated) if spec.kind == SEPARATE else np.all(distances < limits.together))


def steps_done(
    specs: Sequence[TaskSpec], scene: SceneState, done: int = 0, limits: SuccessLimits = PAPER_SUCCESS
) -> int:
    """How many steps of a sequence are done, in order, when `done` were before this scene; call it scene by scene."""
    while done < len(specs) and succeeded(specs[done], scene, limits):
        done += 1
    return done


def _asked(spec: TaskSpec) -> list[tuple[str, Arguments, float, bool]]:
    """Table 5: type, arguments, weight and wanted answer. Several blocks to avoid share that question's weight."""
    first, *others = spec.blocks
    if spec.kind == REACH:
        return [("peg_touching_block", (first,), 0.8, True), ("peg_block_closer", (first,), 0.2, True)]
    if spec.kind == PUSH:
        pair = (first, others[0])
        return [("block_touching", pair, 0.8, True), ("block_block_closer", pair, 0.2, True)]
    apart = [("block_touching", (avoid, first), 0.4 / len(others), False) for avoid in others]
    return [("peg_touching_block", (first,), 0.6, True), *apart]


def wanted_truths(
    spec: TaskSpec, before: SceneState, after: SceneState, types: Sequence[QuestionType] = LANGTABLE_QUESTIONS
) -> list[tuple[str, bool | None]]:
    """What really became of the answers that one step of a task wants, in the order of `subgoal`'s questions.

    Args:
        spec: the step.
        before: scene at the time of asking (no batch axes).
        after: scene that the questions are about.
        types: the question types of the environment.

    Returns:
        per question its type's name, and whether the wanted answer is the right one; None where that is undefined.
    """
    found: list[tuple[str, bool | None]] = []
    for name, arguments, _, desired in _asked(spec):
        truth = question_truth(Question(name, arguments, ""), before, after, types)
        found.append((name, None if truth is None else truth == desired))
    return found


def subgoal(
    spec: TaskSpec, types: Sequence[QuestionType] = LANGTABLE_QUESTIONS, phrasing: int = 0, *, held_out: bool = False
) -> Subgoal:
    """The questions of one step with the weights and wanted answers of Table 5.

    The completion question is the touching one. A separation is complete when the block no longer touches the first one
    to avoid (weaker than the paper's success of 0.1 m: no question of Table 14 asks for a distance apart).

    Args:
        spec: the step.
        types: the question types of the environment.
        phrasing: which phrasing; 0 is the text of Table 5. It wraps round where a type has fewer.
        held_out: whether to take phrasings that training never used (Table 8).

    Raises:
        QuestionError: the environment lacks one of the question types.
    """
    questions = []
    for name, arguments, weight, desired in _asked(spec):
        kind = find_type(name, types)
        choices = kind.held_out if held_out else kind.phrasings
        question = kind.ask(arguments, phrasing % len(choices), held_out=held_out)
        questions.append(WeightedQuestion(question.text, desired != question.negated, weight))
    return Subgoal(tuple(questions), completion=questions[1] if spec.kind == SEPARATE else questions[0])


def build_task(
    specs: TaskSpec | Sequence[TaskSpec],
    types: Sequence[QuestionType] = LANGTABLE_QUESTIONS,
    phrasing: int = 0,
    *,
    held_out: bool = False,
) -> Task:
    """A task of one step, or of several pursued in order; arguments as `subgoal`.

    Raises:
        GoalError: there are no steps.
    """
    steps = (specs,) if isinstance(specs, TaskSpec) else tuple(specs)
    name = ", then ".join(str(step) for step in steps)
    return Task(name, tuple(subgoal(step, types, phrasing, held_out=held_out) for step in steps))
