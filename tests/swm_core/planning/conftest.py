# SPDX-License-Identifier: Apache-2.0
"""A world so simple that answers are known by hand: a point that moves by the actions, on a table of 8 x 8 pixels."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from swm_core.errors import ModelError
from swm_core.models.interface import Answers
from swm_core.planning.search import Bounds

LIMIT = 0.03


class PointModel:
    """A world model: the point starts where the frame's first pixel says, and "at X" is likely near X on the x axis.

    A question "at 0.2" is about x = 0.2 m, "not at 0.2" about the opposite. The first pixel's red value is x in cm.
    """

    action_dim = 2
    horizon = 16
    image_shape = (8, 8, 3)

    def observe(self, image: np.ndarray) -> float:
        if image.shape != self.image_shape or image.dtype != np.uint8:
            raise ModelError(f"frame is {image.dtype} {image.shape}; the model takes uint8 {self.image_shape}")
        return float(image[0, 0, 0]) / 100.0

    def read(self, observation: float, questions: Sequence[str]) -> tuple[float, list[tuple[float, bool]]]:
        return observation, [(float(q.split()[-1]), q.startswith("not")) for q in questions]

    def answer(self, prefix: tuple[float, list[tuple[float, bool]]], actions: Tensor) -> Answers:
        start, questions = prefix
        path = torch.nn.functional.pad(actions.cumsum(1), (0, 1, 1, 0)) + torch.tensor([start, 0.0, 0.0])
        targets = torch.tensor([target for target, _ in questions])
        negated = torch.tensor([turned for _, turned in questions])[None, :, None]
        near = torch.exp(-((path[:, None, :, 0] - targets[None, :, None]) ** 2) / 0.02)  # (C, K, h + 1)
        objects = torch.zeros(*near.shape, 2, 3)
        objects[..., 0] = targets[None, :, None, None]
        positions = torch.cat([path[:, None, :, None].expand(-1, len(questions), -1, -1, -1), objects], 3)
        return Answers(torch.where(negated, 1 - near, near), positions)


@pytest.fixture
def point_model() -> PointModel:
    return PointModel()


@pytest.fixture
def bounds() -> Bounds:
    return Bounds(torch.full((2,), -LIMIT), torch.full((2,), LIMIT), torch.zeros(0, 2))


@pytest.fixture
def frame_at() -> Callable[[float], np.ndarray]:
    """A frame in which the point is at x (m, two digits)."""

    def frame(x: float) -> np.ndarray:
        image = np.zeros((8, 8, 3), np.uint8)
        image[0, 0, 0] = round(100 * x)
        return image

    return frame
