# SPDX-License-Identifier: Apache-2.0
"""A small compact model with random weights, everything in it connected."""

import pytest
import torch

from swm_core.camera import Camera
from swm_core.models.compact import CompactWorldModel
from swm_core.models.compact_config import CompactConfig
from swm_core.models.grounded import GroundedModel
from swm_core.tasks import LANGTABLE_QUESTIONS, vocabulary

CAMERA = Camera(
    width=72,  # no multiple of the strides
    height=44,
    focal=57.8,
    position=(0.75, 0.0, 0.5),
    rotation=((0.0, 1.0, 0.0), (0.80901699, 0.0, -0.58778525), (-0.58778525, 0.0, -0.80901699)),
)


@pytest.fixture(scope="session")
def network() -> CompactWorldModel:
    torch.manual_seed(3)
    config = CompactConfig(
        vocabulary=vocabulary(LANGTABLE_QUESTIONS),
        names=("red moon", "blue cube", "green star", "yellow pentagon"),
        effector_words=("robotic peg", "robot peg"),
        camera=CAMERA,
        action_scale=(0.03, 0.03),
        action_axes=(0, 1),
        origin=(0.375, 0.0, 0.0),
        width=48,
        layers=2,
        action_layers=1,
        heads=3,
        fine_width=16,
        horizon=8,
        gripper=True,
    )
    model = CompactWorldModel(config).eval().requires_grad_(False)
    for parameter in model.motion.parameters():  # zero at the start of training; here it must take part
        parameter.normal_(std=0.05)
    return model


@pytest.fixture
def model(network: CompactWorldModel) -> GroundedModel:
    return GroundedModel(network)


@pytest.fixture
def frame() -> torch.Tensor:
    return torch.randint(0, 256, (44, 72, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
