# SPDX-License-Identifier: Apache-2.0
"""Value of an action chunk: how likely the wanted answers are (paper Eq. 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from swm_core.models.interface import Answers
from swm_core.tasks.task import WeightedQuestion

Score = Callable[[Tensor], "Scored"]  # (C, H, A) actions -> Scored


@dataclass(frozen=True)
class Scored:
    """Values of C candidates.

    Attributes:
        values: (C,) float, Eq. 2, differentiable in the actions.
        probabilities: (C, K, J) probability of the wanted answer per question and sub-chunk.
        path: (C, H + 1, 3) predicted effector positions, world frame, m; None where the model does not say.
        foreseen: (C, K, H + 1) probability of the wanted answers after every action; None where nobody asked for it.
    """

    values: Tensor
    probabilities: Tensor
    path: Tensor | None
    foreseen: Tensor | None = None


def sub_chunk_ends(horizon: int, sub_chunk: int) -> list[int]:
    """Lengths c, 2c, .. of the growing prefixes of Eq. 2; the whole chunk is always the last.

    Raises:
        ValueError: a length is below 1, or the sub-chunk is longer than the chunk.
    """
    if not 1 <= sub_chunk <= horizon:
        raise ValueError(f"sub-chunk {sub_chunk} must be within 1 and the horizon {horizon}")
    ends = list(range(sub_chunk, horizon + 1, sub_chunk))
    return ends if ends[-1] == horizon else [*ends, horizon]


def chunk_value(answers: Tensor, weights: Tensor) -> Tensor:
    """Weighted likelihood of the desired answers over growing action prefixes (paper Eq. 2; Eq. 1 for J = 1).

    Args:
        answers: (C, K, J) float, probability in [0, 1] of the desired answer to question k after sub-chunk j.
        weights: (K,) float, the task's question weights; they need not sum to 1.

    Returns:
        (C,) float in [0, J * sum(weights)], differentiable in `answers`.

    Raises:
        ValueError: the number of questions differs.
    """
    if answers.shape[1] != weights.shape[0]:
        raise ValueError(f"answers to {answers.shape[1]} questions, weights of {weights.shape[0]}")
    return (answers.sum(-1) * weights).sum(-1)


def highest_value(questions: tuple[WeightedQuestion, ...], horizon: int, sub_chunk: int) -> float:
    """Value of a chunk after each of whose sub-chunks all wanted answers are certain."""
    return len(sub_chunk_ends(horizon, sub_chunk)) * sum(q.weight for q in questions)


def desired(yes: Tensor, questions: tuple[WeightedQuestion, ...]) -> Tensor:
    """(C, K, T) probability of yes to that of the wanted answers."""
    wanted = torch.tensor([q.desired for q in questions])[None, :, None]
    return torch.where(wanted, yes, 1.0 - yes)


def make_score(
    answer: Callable[[Tensor], Answers], questions: tuple[WeightedQuestion, ...], sub_chunk: int
) -> Callable[[Tensor], Scored]:
    """Function from candidates' actions (C, H, A) to their values under a task's questions.

    Args:
        answer: the model's answers about the present frame to those questions in order, then perhaps to others.
        questions: the subgoal's.
        sub_chunk: c of Eq. 2.
    """
    weights = torch.tensor([q.weight for q in questions])

    def score(actions: Tensor) -> Scored:
        answers = answer(actions)
        foreseen = desired(answers.yes[:, : len(questions)], questions)
        probabilities = foreseen[:, :, sub_chunk_ends(actions.shape[1], sub_chunk)]
        path = None if answers.positions is None else answers.positions[:, 0, :, 0]
        return Scored(chunk_value(probabilities, weights), probabilities, path, foreseen)

    return score
