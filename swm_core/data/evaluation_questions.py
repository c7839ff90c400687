# SPDX-License-Identifier: Apache-2.0
"""A fixed test set: single (state, question, horizon, answer) tuples, half of them yes within each question type."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from swm_core.data.saqa import HORIZON, HORIZONS
from swm_core.data.trajectories import Trajectories
from swm_core.errors import ConfigError
from swm_core.scene import SceneState
from swm_core.tasks.questions import Question, QuestionType

PHRASINGS = ("trained", "held_out")
BATCH = 512  # states whose truth is computed at once
PASSES = 8  # times each state is visited, with another horizon, before a rare answer is given up


@dataclass(frozen=True)
class EvaluationQuestion:
    """One question about one state, with its right answer.

    Attributes:
        episode: episode number in the trajectories.
        t: the state asked in; it has a frame.
        horizon: actions after which the answer holds, 0..20.
        question: type, arguments, words.
        answer: right answer to the words, True for yes.
    """

    episode: int
    t: int
    horizon: int
    question: Question
    answer: bool


def _batches(
    data: Trajectories, states: np.ndarray, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, SceneState, SceneState]]:
    """Random states of the same objects with a horizon each: states (B, 2), horizons (B,), before and after (B,)."""
    lengths = np.array([len(episode) for episode in data.episodes])
    for _ in range(PASSES):
        order = random.permutation(len(states))
        for start in range(0, len(order), BATCH):
            chunk = states[order[start : start + BATCH]]
            ordered = sorted(chunk.tolist(), key=lambda row: data.episodes[row[0]].scenes.names)
            for _, rows in groupby(ordered, key=lambda row: data.episodes[row[0]].scenes.names):
                picked = random.permutation(np.array(list(rows)))
                horizons = random.integers(np.minimum(HORIZON, lengths[picked[:, 0]] - picked[:, 1]) + 1)
                before = [data.episodes[e].scenes[int(t)] for e, t in picked]
                after = [data.episodes[e].scenes[int(t + h)] for (e, t), h in zip(picked, horizons, strict=True)]
                yield picked, horizons, SceneState.stack(before), SceneState.stack(after)


def _of_type(
    data: Trajectories, states: np.ndarray, kind: QuestionType, count: int, held_out: bool, random: np.random.Generator
) -> list[EvaluationQuestion]:
    """Up to `count` questions of one type, as many yes as no."""
    found: dict[bool, list[EvaluationQuestion]] = {False: [], True: []}
    choices = kind.held_out if held_out else kind.phrasings
    for picked, horizons, before, after in _batches(data, states, random):
        answers, defined = kind.truth(before, after)  # (B, I)
        instances = kind.instances(before.names)
        for row in range(len(picked)):
            if min(map(len, found.values())) >= count // 2:
                return [q for half in found.values() for q in half[: count // 2]]
            phrasing = int(random.integers(len(choices)))
            answer = len(found[True]) < len(found[False])  # the scarcer one
            fits = np.flatnonzero(defined[row] & (answers[row] == (answer != choices[phrasing].negated)))
            if not len(fits):
                answer = not answer
                fits = np.flatnonzero(defined[row] & (answers[row] == (answer != choices[phrasing].negated)))
            if not len(fits) or len(found[answer]) >= count // 2:
                continue
            arguments = instances[fits[random.integers(len(fits))]]
            if kind.symmetric and random.random() < 0.5:
                arguments = (*arguments[1::-1], *arguments[2:])
            question = kind.ask(arguments, phrasing, held_out=held_out)
            episode, t = (int(i) for i in picked[row])
            found[answer].append(EvaluationQuestion(episode, t, int(horizons[row]), question, answer))
    half = min(map(len, found.values()))
    return [q for answers_ in found.values() for q in answers_[:half]]


def evaluation_questions(
    data: Trajectories, types: Sequence[QuestionType], per_type: int, seed: int = 0, phrasings: str = "trained"
) -> list[EvaluationQuestion]:
    """Draw a test set; the same data, types and seed give the same questions.

    At most one question of a type is taken from a state and horizon, so that they depend little on each other. A type
    whose rarer answer is too rare in the data gets fewer questions, half of them still yes.

    Args:
        data: test trajectories.
        types: question types; each draws for itself, so that leaving one out changes no other.
        per_type: questions of each type; even.
        seed: of the draws.
        phrasings: "trained" or "held_out" ones.

    Raises:
        ConfigError: `per_type` is odd or below 2, or `phrasings` is neither.
    """
    if per_type < 2 or per_type % 2:
        raise ConfigError(f"questions per type must be an even number from 2, got {per_type}")
    if phrasings not in PHRASINGS:
        raise ConfigError(f"phrasings {phrasings!r}: choose one of {', '.join(PHRASINGS)}")
    states = data.states(least=HORIZONS - 1)
    return [
        question
        for kind in types
        for question in _of_type(
            data,
            states,
            kind,
            per_type,
            phrasings == "held_out",
            np.random.default_rng((seed, zlib.crc32(kind.name.encode()))),
        )
    ]
