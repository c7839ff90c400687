# SPDX-License-Identifier: Apache-2.0
"""What planners need of a base policy, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from swm_core.tasks.task import WeightedQuestion


@dataclass(frozen=True)
class Observed:
    """A frame that the world model encoded.

    Attributes:
        frame: what `WorldModel.observe` gave.
        age: actions executed since; 0 for the present frame.
    """

    frame: Any
    age: int = 0


class BasePolicy(Protocol):
    """Proposes action chunks for a goal that is given as questions.

    Attributes:
        horizon: actions in a chunk, H.
        frames: how many frames it looks at.
    """

    horizon: int
    frames: int

    def propose(
        self,
        observations: Sequence[Observed],
        questions: Sequence[WeightedQuestion],
        count: int,
        generator: torch.Generator,
    ) -> Tensor:
        """Draw action chunks.

        Args:
            observations: the last frames, the present one last; fewer than `frames` at the start of a task.
            questions: of the subgoal, with the wanted answers.
            count: how many chunks.
            generator: source of all random numbers.

        Returns:
            (count, H, A) float32, in the environment's unit.
        """
        ...
