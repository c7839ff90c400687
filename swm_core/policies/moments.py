# SPDX-License-Identifier: Apache-2.0
"""Moments of demonstrations as a policy learns from them: what is seen, and the chunk of actions that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from swm_core.errors import DataError
from swm_core.policies.demonstrations import Demonstration
from swm_core.policies.features import Seen, with_questions


@dataclass(frozen=True)
class Batch:
    """B moments and what the expert did next.

    Attributes:
        seen: what the policy is told.
        chunks: (B, H, A) float32; no motion after an episode's end.
    """

    seen: Seen
    chunks: Tensor


class Moments:
    """All moments of some demonstrations, ready to be drawn in batches.

    A moment is a frame with the actions from there on. The frame before it is drawn among those stored at most
    `longest_age` actions earlier, because plans are made every few actions, how many depends on planner and machine;
    at an episode's start there is none, as at a task's.

    Where the expert was disturbed, the actions are what he wanted at each step of the way that he was then on. As a
    chunk they say what to do only if that way is theirs: a moment counts if what was done adds up to nearly what was
    wanted, all along the chunk. So the chunks that begin where a disturbance has ended are there, which show how to
    come back, and those into which one falls are not.

    Args:
        demonstrations: the episodes.
        horizon: actions in a chunk.
        frames: frames that the policy looks at, F.
        padding: how many of a chunk's actions may lie behind the episode's end (paper Table 15).
        longest_age: see above.
        most_disturbed: (A,) largest sum of what was done beyond the wanted along a chunk, in the actions' unit; None
            for any.

    Raises:
        DataError: no moment is left.
    """

    def __init__(
        self,
        demonstrations: Sequence[Demonstration],
        horizon: int,
        frames: int,
        padding: int,
        longest_age: int,
        most_disturbed: Tensor | None = None,
    ) -> None:
        self.horizon, self.frames, self.longest_age = horizon, frames, longest_age
        most = max(d.seen.wanted.shape[1] for d in demonstrations)
        padded = [with_questions(d.seen, most) for d in demonstrations]
        names = padded[0].tensors() if padded else {}
        self.seen = Seen(**{name: torch.cat([seen.tensors()[name] for seen in padded]) for name in names})
        self.times = torch.cat([d.times for d in demonstrations])
        self.episode = torch.repeat_interleave(
            torch.arange(len(demonstrations)), torch.tensor([len(d.times) for d in demonstrations])
        )
        chunks, whole = [], []
        for d in demonstrations:
            chunks.append(following(d.actions, d.times, horizon))
            enough = d.times + horizon - padding <= len(d.actions)
            if most_disturbed is not None and d.disturbance is not None:
                away = following(d.disturbance, d.times, horizon).cumsum(1) / most_disturbed
                enough &= (away.norm(dim=-1) <= 1).all(1)
            whole.append(enough)
        self.chunks = torch.cat(chunks)
        self.rows = torch.cat(whole).nonzero().squeeze(1)
        if not len(self.rows):
            raise DataError(f"no frame is followed by the {horizon - padding} actions that a chunk must have")

    def __len__(self) -> int:
        """Number of moments."""
        return len(self.rows)

    def batch(self, moments: Tensor, random: torch.Generator, position_noise: float = 0.0) -> Batch:
        """Some moments.

        Args:
            moments: (B,) int64, below the length.
            random: of the earlier frames and the noise.
            position_noise: standard deviation of what is added to every position, 0.1 m.
        """
        rows = self.rows[moments]
        positions, ages, at = [self.seen.positions[rows]], [torch.zeros(len(rows))], rows
        for _ in range(self.frames - 1):
            at = self._earlier(at, random)
            positions.insert(0, self.seen.positions[at])
            ages.insert(0, (self.times[rows] - self.times[at]).float())
        seen = replace(self.seen[rows], positions=torch.cat(positions, 2), ages=torch.stack(ages, 1))
        if position_noise:
            noisy = {
                name: value + position_noise * torch.randn(value.shape, generator=random)
                for name, value in (("positions", seen.positions), ("things", seen.things))
            }
            seen = replace(seen, **noisy)
        return Batch(seen, self.chunks[rows])

    def _earlier(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """For each row, one of the same episode at most `longest_age` actions before it; itself where there is none."""
        most = torch.zeros_like(rows)  # how many rows back one may go; rows of an episode follow each other in time
        for back in range(1, self.longest_age + 1):
            there = (rows - back).clamp(min=0)
            near = self.times[rows] - self.times[there] <= self.longest_age
            most += (rows >= back) & (self.episode[there] == self.episode[rows]) & near
        draw = 1 + (torch.rand(len(rows), generator=random) * most).long().minimum(most - 1)
        return rows - torch.where(most > 0, draw, 0)


def following(actions: Tensor, times: Tensor, horizon: int) -> Tensor:
    """(N, H, A) the actions (T, A) from each of N times on; none after the end."""
    rest = torch.cat([actions, torch.zeros(horizon, actions.shape[1])])
    return torch.stack([rest[t : t + horizon] for t in times])
