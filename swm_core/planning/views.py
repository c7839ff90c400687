# SPDX-License-Identifier: Apache-2.0
"""A frame as seen with the questions of one subgoal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swm_core.models.interface import WorldModel
from swm_core.planning.search import Bounds
from swm_core.planning.value import Score, desired, highest_value, make_score
from swm_core.tasks.task import Subgoal


@dataclass(frozen=True)
class View:
    """What the model says of a frame before any action, and where it goes on from.

    Attributes:
        subgoal: whose questions were read, K of them.
        prefix: what the model made of frame and questions.
        now: (K,) probability of their wanted answers in this frame.
        completion: probability that the subgoal is reached in it.
        seen: (K or more, M, 3) where the effector and what each question names are, world frame, m, completion
            questions of their own last; None where the model does not say.
    """

    subgoal: Subgoal
    prefix: Any
    now: Tensor
    completion: float
    seen: Tensor | None

    def score(self, model: WorldModel, sub_chunk: int) -> Score:
        """Value of chunks from this frame on."""
        return make_score(lambda actions: model.answer(self.prefix, actions), self.subgoal.questions, sub_chunk)


def look(model: WorldModel, observation: object, subgoal: Subgoal) -> View:
    """Read a subgoal's questions about a frame, and answer them at horizon 0."""
    ends = [last for last in subgoal.completion if last not in subgoal.questions]
    questions = (*subgoal.questions, *ends)  # the others are read beside them; they count in no value
    prefix = model.read(observation, [q.text for q in questions])
    with torch.no_grad():
        present = model.answer(prefix, torch.zeros(1, 0, model.action_dim))
    now = desired(present.yes, questions)[0, :, 0]
    seen = None if present.positions is None else present.positions[0, :, 0]
    completion = min(float(now[questions.index(last)]) for last in subgoal.completion)
    return View(subgoal, prefix, now[: len(subgoal.questions)], completion, seen)


@dataclass(frozen=True)
class Guessed:
    """First guesses of what to do about a subgoal.

    Attributes:
        subgoal: what is to be reached.
        chunks: (C, H, A).
        drawn: (D, H, A) those among them that a base policy made, or None.
        score: their value.
    """

    subgoal: Subgoal
    chunks: Tensor
    drawn: Tensor | None
    score: Score

    def promise(self, bounds: Bounds, sub_chunk: int) -> float:
        """The best one's value as a share of the highest possible, so that subgoals can be compared."""
        with torch.no_grad():
            values = self.score(bounds.apply(self.chunks)).values.nan_to_num(0.0)
        return float(values.max()) / highest_value(self.subgoal.questions, self.chunks.shape[1], sub_chunk)
