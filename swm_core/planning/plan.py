# SPDX-License-Identifier: Apache-2.0
"""What a planner returns: the best chunk found, and a record of how it got there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Plan:
    """Result of one planning call.

    Attributes:
        actions: (H, A) float32, chosen chunk in the environment's action unit; starts with the committed actions.
        committed: number of leading actions that were given as already decided and left unchanged.
        value: value of the chosen chunk (paper Eq. 2).
        questions: the K question texts, in the order of the arrays.
        probabilities: (I+1, K, J) float32, probability of the wanted answer per iteration (0: the proposal), question
            and sub-chunk, of the candidate that was best in that iteration.
        values: (I+1,) float32, best value among the candidates per iteration.
        history: (I+1, H, A) float32, that candidate's actions per iteration.
        step_sizes: (I,) float32, largest change of any action in that iteration, in the action's unit.
        now: (K,) float32, probability of the wanted answer at horizon 0.
        seen: (K, M, 3) float32, where the effector (first) and what each question names are seen now, world frame, m,
            NaN beyond what it names; empty where the model does not say.
        completion: probability at horizon 0 that the subgoal is reached.
        path: (H+1, 3) float32, predicted effector positions, world frame, m; the first is the present one.
        foreseen: (K, H+1) float32, probability of the wanted answers after every action of the chosen chunk.
        candidates: (C, H, A) float32, the final candidates, the rejected ones included.
        candidate_values: (C,) float32.
        timings: seconds by part ("encode", "iterations", "total").
        deadline_missed: whether planning stopped for lack of time before its last iteration.
    """

    actions: np.ndarray
    committed: int
    value: float
    questions: tuple[str, ...]
    probabilities: np.ndarray
    values: np.ndarray
    step_sizes: np.ndarray
    now: np.ndarray
    completion: float
    path: np.ndarray
    candidates: np.ndarray
    candidate_values: np.ndarray
    history: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    foreseen: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    seen: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))
    timings: dict[str, float] = field(default_factory=dict)
    deadline_missed: bool = False
