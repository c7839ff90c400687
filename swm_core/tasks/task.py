# SPDX-License-Identifier: Apache-2.0
"""A task: what should become true, as weighted questions with wanted answers, in one or several subgoals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from swm_core.errors import GoalError


@dataclass(frozen=True)
class WeightedQuestion:
    """One question of a task (paper Sec. 3.3: Q_i, A_i*, W_i).

    Attributes:
        text: the question as the model reads it.
        desired: the wanted answer, True for yes.
        weight: its weight in the value (Eq. 1); positive and finite.
    """

    text: str
    desired: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check text and weight.

        Raises:
            GoalError: the text is empty or the weight is not positive and finite.
        """
        if not self.text.strip():
            raise GoalError("a question has no text")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise GoalError(f"question {self.text!r} has weight {self.weight}; weights must be finite and above 0")


@dataclass(frozen=True)
class Subgoal:
    """Questions that define the value, and those that say when the subgoal is reached (Sec. 3.4).

    Attributes:
        questions: at least one.
        completion: asked at horizon 0; the subgoal ends when each is answered as wanted. By default the heaviest
            question.
    """

    questions: tuple[WeightedQuestion, ...]
    completion: tuple[WeightedQuestion, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is a question and fill in the completion question.

        Raises:
            GoalError: there are no questions.
        """
        if not self.questions:
            raise GoalError("a subgoal needs at least one question")
        if not self.completion:
            object.__setattr__(self, "completion", (max(self.questions, key=lambda q: q.weight),))


@dataclass(frozen=True)
class Task:
    """Subgoals with a name.

    Attributes:
        name: what people call it ("push red moon to green star").
        subgoals: at least one.
        ordered: whether they are pursued one after the other; otherwise in any order, and all must hold in the end.
    """

    name: str
    subgoals: tuple[Subgoal, ...]
    ordered: bool = True

    def unweighted(self) -> Task:
        """The same with equal weights in each subgoal, of the same sum (paper Table 7)."""

        def even(subgoal: Subgoal) -> Subgoal:
            mean = sum(q.weight for q in subgoal.questions) / len(subgoal.questions)
            questions = tuple(replace(q, weight=mean) for q in subgoal.questions)
            same = dict(zip(subgoal.questions, questions, strict=True))
            return Subgoal(questions, tuple(same.get(last, last) for last in subgoal.completion))

        return replace(self, subgoals=tuple(even(subgoal) for subgoal in self.subgoals))

    def __post_init__(self) -> None:
        """Check that there is a subgoal.

        Raises:
            GoalError: there are none.
        """
        if not self.subgoals:
            raise GoalError(f"task {self.name!r} has no subgoals")
