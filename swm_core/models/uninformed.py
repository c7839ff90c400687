# SPDX-License-Identifier: Apache-2.0
"""The world model of those who have none: every answer is as likely as not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from swm_core.environment import EnvironmentSpec
from swm_core.errors import ModelError
from swm_core.models.interface import Answers


class UninformedModel:
    """A `WorldModel` for planners that need no model where no weights are at hand.

    Args:
        spec: of the environment whose frames and actions it takes.
        horizon: largest number of actions.
    """

    def __init__(self, spec: EnvironmentSpec, horizon: int) -> None:
        self.action_dim, self.horizon = spec.action_dim, horizon
        self.image_shape = (spec.camera.height, spec.camera.width, 3)

    def observe(self, image: np.ndarray) -> None:
        """Look away; see `WorldModel.observe`."""
        if image.shape != self.image_shape or image.dtype != np.uint8:
            raise ModelError(f"frame is {image.dtype} {image.shape}; expected is uint8 {self.image_shape}")

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: there is no word that it knows better than another."""
        return ()

    def read(self, observation: None, questions: Sequence[str]) -> int:
        """Count the questions; see `WorldModel.read`."""
        return len(questions)

    def answer(self, prefix: int, actions: Tensor) -> Answers:
        """One half; see `WorldModel.answer`."""
        candidates, length, _ = actions.shape
        return Answers(torch.full((candidates, prefix, length + 1), 0.5), None)
