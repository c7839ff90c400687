# SPDX-License-Identifier: Apache-2.0
"""What the planners share: bounds, budget of time, and the record of the best candidate so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from swm_core.planning.value import Scored


@dataclass(frozen=True)
class Bounds:
    """Limits of the actions.

    Attributes:
        low: (A,) float32, in the environment's unit.
        high: (A,) float32.
        committed: (m, A) float32, leading actions that are already decided.
    """

    low: Tensor
    high: Tensor
    committed: Tensor

    def apply(self, actions: Tensor) -> Tensor:
        """(C, H, A) actions inside the limits, beginning with the committed ones."""
        clipped = actions.clamp(self.low, self.high)
        m = self.committed.shape[0]
        return torch.cat([self.committed.expand(len(clipped), -1, -1), clipped[:, m:]], 1) if m else clipped

    @property
    def half_range(self) -> Tensor:
        """(A,) half the width of the limits."""
        return (self.high - self.low) / 2


class Deadline:
    """A budget of time, and whether another iteration fits into it.

    Args:
        seconds: from now on; None for no limit.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.start = self.last = time.perf_counter()
        self.seconds, self.longest, self.missed = seconds, 0.0, False

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.start

    def begin(self) -> None:
        """The first iteration starts now."""
        self.last = time.perf_counter()

    def fits(self) -> bool:
        """Whether one more iteration, as long as the longest so far, ends in time; call before each."""
        now = time.perf_counter()
        self.longest, self.last = max(self.longest, now - self.last), now
        if self.seconds is not None and now - self.start + self.longest > self.seconds:
            self.missed = True
        return not self.missed


@dataclass
class Search:
    """Best chunk so far and the record per iteration.

    Attributes:
        actions: (H, A) best so far.
        value: its value.
        path: (H + 1, 3) its predicted effector path, or None.
        foreseen: (K, H + 1) its probabilities of the wanted answers after every action, or None.
        values: per iteration, the best candidate's value.
        probabilities: per iteration, that candidate's (K, J).
        history: per iteration, that candidate's actions (H, A).
        step_sizes: per iteration after the first, the largest change of an action.
        candidates: (C, H, A) of the last iteration.
        candidate_values: (C,) of the last iteration.
    """

    actions: Tensor = field(default_factory=lambda: torch.empty(0))
    value: float = -np.inf
    path: Tensor | None = None
    foreseen: Tensor | None = None
    values: list[float] = field(default_factory=list)
    probabilities: list[Tensor] = field(default_factory=list)
    history: list[Tensor] = field(default_factory=list)
    step_sizes: list[float] = field(default_factory=list)
    candidates: Tensor = field(default_factory=lambda: torch.empty(0))
    candidate_values: Tensor = field(default_factory=lambda: torch.empty(0))

    def record(self, actions: Tensor, scored: Scored) -> None:
        """Note an iteration's candidates.

        Args:
            actions: (C, H, A).
            scored: their values.
        """
        values = scored.values.detach().nan_to_num(-np.inf)
        best = int(values.argmax())
        self.values.append(float(values[best]))
        self.probabilities.append(scored.probabilities[best].detach())
        self.history.append(actions[best].detach().clone())
        self.candidates, self.candidate_values = actions.detach(), values
        if not self.actions.numel() or float(values[best]) > self.value:  # a value of NaN is no reason to have no plan
            self._take(actions, scored, best)

    def defer_to(self, actions: Tensor, scored: Scored, margin: float) -> None:
        """Take a chunk instead of the best one unless that is clearly better: what is tried is not changed for little.

        Args:
            actions: (1, H, A).
            scored: its value.
            margin: how much better.
        """
        if not self.value > float(scored.values[0].nan_to_num(-np.inf)) + margin:
            self._take(actions, scored, 0)

    def _take(self, actions: Tensor, scored: Scored, index: int) -> None:
        """One of the candidates is the best now."""
        self.value = float(scored.values[index].detach().nan_to_num(-np.inf))  # NaN would never be beaten
        self.actions = actions[index].detach().clone()
        self.path = None if scored.path is None else scored.path[index].detach()
        self.foreseen = None if scored.foreseen is None else scored.foreseen[index].detach()
