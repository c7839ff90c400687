# SPDX-License-Identifier: Apache-2.0
"""Balance between question types and between yes and no: how it is reached, and a report of what it is.

How often a state offers the rarer answer depends on the data. A fixed number of samples is drawn once with either
answer wanted half of the time; from their counts follow, per type, the share with which yes is to be wanted so that
half of the labels are yes, and, for what wanting alone cannot reach, loss weights that make both answers count alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swm_core.data.questioning import NO, YES

if TYPE_CHECKING:
    from swm_core.data.saqa import Sample, SaqaDataset

MEASURED = 600  # samples drawn to measure, without their frames
WANTED_RANGE = (0.05, 0.95)  # either answer is always asked for now and then
PRIOR = 4.0  # labels of each answer that are taken as seen before counting


@dataclass(frozen=True)
class Balance:
    """Settings that make yes and no count the same within each of Y types.

    Attributes:
        wanted: (Y,) float64, probability of looking for yes.
        weights: (Y, 2) float64, loss weight of a no and of a yes.
    """

    wanted: np.ndarray
    weights: np.ndarray

    @staticmethod
    def even(types: int) -> Balance:
        """Either answer wanted half of the time, all weights 1."""
        return Balance(np.full(types, 0.5), np.ones((types, 2)))

    def label_weights(self, types: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """(K, Z) float32 loss weights of answers (K, Z) of types (K,); 0 where there is no answer."""
        inside = types[:, None] < len(self.weights)
        weights = self.weights[np.where(inside, types[:, None], 0), answers.clip(0)]
        return np.where(inside & (answers >= 0), weights, 0.0).astype(np.float32)


def _count(dataset: SaqaDataset, purpose: int) -> np.ndarray:
    """(Y, 2, 2) labels by type, by the answer that was looked for, and by the answer found."""
    counts = np.zeros((len(dataset.catalogue.types), 2, 2))
    for i in range(MEASURED):
        random = np.random.default_rng((dataset.seed, i, purpose))
        episode, t, horizons = dataset.draw_state(random)
        scenes = dataset.data.episodes[episode].scenes[t : t + int(horizons[-1]) + 1]
        for question, wanted in dataset.draw_questions(scenes, horizons, random):
            if question.type < len(counts):
                for answer in (NO, YES):
                    counts[question.type, int(wanted), answer] += np.count_nonzero(question.answers == answer)
    return counts


def measure_balance(dataset: SaqaDataset, largest_weight: float) -> Balance:
    """Draw samples and derive the balance settings; deterministic under the data set's seed.

    Args:
        dataset: with `balance` even.
        largest_weight: limit of the loss weights, and 1 / limit from below.
    """
    counts = _count(dataset, 1)
    labels = counts.sum(-1).clip(1)  # (Y, 2)
    rates = (counts[..., YES] + 0.5) / (labels + 1.0)  # share of yes among labels, by what was looked for
    # yes share when yes is wanted with probability p: (1 - p) * rates[0] + p * rates[1]
    wanted = np.clip((0.5 - rates[:, 0]) / np.maximum(rates[:, 1] - rates[:, 0], 1e-3), *WANTED_RANGE)
    share = (1.0 - wanted) * rates[:, 0] + wanted * rates[:, 1]
    share = np.clip(share, 1e-3, 1 - 1e-3)
    weights = np.clip(0.5 / np.stack([1.0 - share, share], -1), 1.0 / largest_weight, largest_weight)
    return Balance(wanted, weights)


@dataclass(frozen=True)
class BalanceReport:
    """Counts of labels in a run of samples.

    Attributes:
        names: question types, "locate" included if asked.
        questions: (Y,) int questions per type.
        counts: (Y, 2) int labels no and yes.
        weights: (Y, 2) float loss weight that the labels no and yes carry together.
        horizons: (H + 1,) int how often each horizon was drawn.
    """

    names: tuple[str, ...]
    questions: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    horizons: np.ndarray

    def rows(self) -> list[dict[str, Any]]:
        """One dict per type: questions, labels no and yes, share of yes, and that share with the loss weights."""
        return [
            {
                "type": name,
                "questions": int(self.questions[i]),
                "no": int(self.counts[i, NO]),
                "yes": int(self.counts[i, YES]),
                "yes_share": float(self.counts[i, YES] / max(self.counts[i].sum(), 1)),
                "weighted_yes_share": float(self.weights[i, YES] / max(self.weights[i].sum(), 1e-9)),
            }
            for i, name in enumerate(self.names)
        ]


def balance_report(samples: Iterable[Sample], names: tuple[str, ...], longest: int = 20) -> BalanceReport:
    """Count the labels of samples.

    Args:
        samples: any number.
        names: the catalogue's `type_names`.
        longest: longest horizon.
    """
    questions, horizons = np.zeros(len(names), int), np.zeros(longest + 1, int)
    counts, weights = np.zeros((len(names), 2), int), np.zeros((len(names), 2))
    for sample in samples:
        np.add.at(questions, sample.types, 1)
        np.add.at(horizons, sample.horizons, 1)
        for answer in (NO, YES):
            found = sample.answers == answer  # (K, Z)
            np.add.at(counts[:, answer], sample.types, found.sum(-1))
            np.add.at(weights[:, answer], sample.types, (sample.weights * found).sum(-1))
    return BalanceReport(names, questions, counts, weights, horizons)
