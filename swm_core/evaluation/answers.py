# SPDX-License-Identifier: Apache-2.0
"""Right answers about the future: a balanced test set, asked state by state (paper Sec. 5, future-QA accuracy)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from swm_core.data.evaluation_questions import EvaluationQuestion
from swm_core.data.saqa import HORIZON
from swm_core.data.trajectories import Trajectories
from swm_core.errors import DataError
from swm_core.evaluation.statistics import Reliability, reliability, wilson_interval
from swm_core.models.interface import WorldModel

BANDS = (0, 1, 6, 11, 16)  # first horizons of bands; the last ends at the largest horizon


@dataclass(frozen=True)
class AnsweredQuestions:
    """N questions with the model's and the right answers; all arrays (N,).

    Attributes:
        types: names of the question types.
        horizons: int64, actions after which the answer holds.
        yes: float64, the model's probability of yes.
        truth: bool, the right answer.
    """

    types: np.ndarray
    horizons: np.ndarray
    yes: np.ndarray
    truth: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(N,) bool, whether the likelier answer is the right one."""
        return (self.yes > 0.5) == self.truth

    def where(self, mask: np.ndarray) -> AnsweredQuestions:
        """Some of the questions."""
        return AnsweredQuestions(self.types[mask], self.horizons[mask], self.yes[mask], self.truth[mask])


def _by_state(questions: Sequence[EvaluationQuestion]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Numbers of the questions about each state: one image, many questions."""

    def state(number: int) -> tuple[int, int]:
        return questions[number].episode, questions[number].t

    for key, numbers in groupby(sorted(range(len(questions)), key=state), state):
        yield key, list(numbers)


def answer_questions(
    model: WorldModel, data: Trajectories, questions: Sequence[EvaluationQuestion], progress: bool = False
) -> AnsweredQuestions:
    """Ask the model: each frame is encoded once, its questions are a batch, one pass answers at every horizon.

    Args:
        model: the world model.
        data: the episodes that the questions are about.
        questions: from `swm_core.data.evaluation_questions`.
        progress: whether to show a progress bar.

    Raises:
        ModelError: frames of another size than the model's.
        DataError: no questions.
    """
    if not questions:
        raise DataError("no questions: no type has both answers in this data")
    yes = np.zeros(len(questions))
    with torch.no_grad(), tqdm(total=len(questions), unit="question", disable=not progress) as bar:
        for (number, t), asked in _by_state(questions):
            episode, longest = data.episodes[number], max(questions[i].horizon for i in asked)
            prefix = model.read(model.observe(episode.frame(t)), [questions[i].question.text for i in asked])
            answers = model.answer(prefix, torch.tensor(episode.actions[t : t + longest], dtype=torch.float32)[None])
            for row, i in enumerate(asked):
                yes[i] = float(answers.yes[0, row, questions[i].horizon])
            bar.update(len(asked))
    return AnsweredQuestions(
        np.array([q.question.type for q in questions]),
        np.array([q.horizon for q in questions]),
        yes,
        np.array([q.answer for q in questions]),
    )


def _accuracy(right: np.ndarray) -> dict[str, Any]:
    """Share of right answers with its Wilson interval; None without questions."""
    share = float(right.mean()) if len(right) else None
    return {"n": len(right), "accuracy": share, "interval": list(wilson_interval(int(right.sum()), len(right)))}


def balanced_accuracy(answered: AnsweredQuestions) -> dict[str, Any]:
    """Mean of the accuracies on yes and on no, over all questions given.

    Returns:
        "balanced" (None unless both answers occur), "yes" and "no", each with n, accuracy and Wilson 95 % interval.
    """
    parts = {
        name: _accuracy(answered.right[answered.truth == wanted]) for name, wanted in (("yes", True), ("no", False))
    }
    shares = [part["accuracy"] for part in parts.values()]
    return {"balanced": None if None in shares else sum(shares) / 2, **parts}


def balanced_interval(types: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Wilson 95 % interval of the mean over types and answers.

    The mean of M accuracies with n_m questions each is taken as one proportion of M^2 / sum(1 / n_m) questions, which
    is their plain number where all n_m are equal.

    Args:
        types: from `balanced_accuracy`, each with both answers.
    """
    cells = [kind[name] for kind in types for name in ("yes", "no")]
    if not cells:
        return 0.0, 1.0
    trials = len(cells) ** 2 / sum(1 / cell["n"] for cell in cells)
    return wilson_interval(trials * float(np.mean([cell["accuracy"] for cell in cells])), trials)


def _grouped(answered: AnsweredQuestions, keys: np.ndarray, name: Callable[[Any], Any]) -> dict[Any, dict[str, Any]]:
    return {name(key): balanced_accuracy(answered.where(keys == key)) for key in sorted(set(keys.tolist()))}


def _by_horizon(answered: AnsweredQuestions) -> dict[int, dict[str, Any]]:
    """Accuracies at each horizon."""
    return _grouped(answered, answered.horizons, int)


def _by_band(answered: AnsweredQuestions) -> dict[str, dict[str, Any]]:
    """Accuracies over bands of horizons, wide enough for the questions of one type."""
    ends = (*BANDS[1:], HORIZON + 1)
    names = {low: str(low) if end == low + 1 else f"{low}-{end - 1}" for low, end in zip(BANDS, ends, strict=True)}
    lows = np.array(BANDS)[np.searchsorted(BANDS, answered.horizons, "right") - 1]
    return _grouped(answered, lows, names.__getitem__)


def answer_measures(answered: AnsweredQuestions) -> tuple[dict[str, Any], Reliability]:
    """Accuracies and calibration.

    Returns:
        "balanced_accuracy" (mean over types of the mean of the accuracies on yes and on no), "interval", "n", "types",
        "horizons", "type_horizons" and "type_bands" (the same per type, by horizon and by bands of horizons), "ece" (of
        the probability of yes, ten bins) and "reliability"; and the latter as arrays.
    """
    types = _grouped(answered, answered.types, str)
    parts = {name: answered.where(answered.types == name) for name in types}
    whole = [kind for kind in types.values() if kind["balanced"] is not None]
    bins = reliability(answered.yes, answered.truth)
    rows = zip(bins.edges[:-1], bins.edges[1:], bins.counts, bins.predicted, bins.observed, strict=True)
    measures = {
        "balanced_accuracy": float(np.mean([kind["balanced"] for kind in whole])) if whole else None,
        "interval": list(balanced_interval(whole)),
        "n": len(answered.truth),
        "types": types,
        "horizons": _by_horizon(answered),
        "type_horizons": {name: _by_horizon(part) for name, part in parts.items()},
        "type_bands": {name: _by_band(part) for name, part in parts.items()},
        "ece": bins.expected_error,
        "reliability": [
            {
                "from": round(float(low), 3),
                "to": round(float(high), 3),
                "n": int(count),
                "predicted": float(predicted) if count else None,
                "observed": float(observed) if count else None,
            }
            for low, high, count, predicted, observed in rows
        ],
    }
    return measures, bins
