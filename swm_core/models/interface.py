# SPDX-License-Identifier: Apache-2.0
"""What planning, evaluation and nodes need of a world model, whatever its backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Answers:
    """Answers of K questions for C candidates at horizons 0..h.

    Attributes:
        yes: (C, K, h + 1) float in [0, 1], probability of yes; differentiable in the actions.
        positions: (C, K, h + 1, M, 3) predicted positions of the effector (first) and of what each question names,
            world frame, m, NaN beyond what it names; None where the model does not say.
    """

    yes: Tensor
    positions: Tensor | None


class WorldModel(Protocol):
    """Answers questions about the future of a frame under actions (paper Sec. 3.2).

    Attributes:
        action_dim: number of action dimensions A.
        horizon: largest number of actions.
        image_shape: (H, W, 3) of its frames.
    """

    action_dim: int
    horizon: int
    image_shape: tuple[int, int, int]

    def observe(self, image: np.ndarray) -> Any:
        """Encode one (H, W, 3) uint8 RGB frame; what comes back goes to `read`.

        Raises:
            ModelError: another shape or type.
        """
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words of a text that the model does not know, each once."""
        ...

    def read(self, observation: Any, questions: Sequence[str]) -> Any:
        """Read questions about an observation; what comes back goes to `answer`."""
        ...

    def answer(self, prefix: Any, actions: Tensor) -> Answers:
        """Answer after every prefix of each candidate's actions.

        Args:
            prefix: from `read`, of K questions.
            actions: (C, h, A) float32, in the environment's unit; h may be 0.
        """
        ...
