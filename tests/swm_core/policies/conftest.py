# SPDX-License-Identifier: Apache-2.0
"""A small world model with random weights for the tabletop, and a small policy on its features."""

from pathlib import Path

import numpy as np
import pytest
import tabletop
import torch

from swm_core.data.questioning import QuestionCatalogue
from swm_core.models.compact import CompactWorldModel
from swm_core.models.grounded import GroundedModel
from swm_core.models.weights import save_model
from swm_core.policies.network import PolicyConfig, PolicyNetwork
from swm_core.training.config import ModelSettings
from swm_core.training.trainer import compact_config

WIDTH = 32
SMALL = {"width": 32, "layers": 2, "heads": 2, "condition": 32}


@pytest.fixture(scope="session")
def network(catalogue: QuestionCatalogue) -> CompactWorldModel:
    sizes = ModelSettings(width=WIDTH, layers=2, action_layers=1, heads=2, fine_width=16)
    torch.manual_seed(5)
    config = compact_config(tabletop.SPEC, catalogue, sizes)
    model = CompactWorldModel(config).eval().requires_grad_(False)
    for layer in (
        model.grounding.ask,
        model.grounding.ask_before,
        model.grounding.find,
    ):  # random words look at random places, not everywhere
        layer.weight.mul_(8.0)
    return model


@pytest.fixture(scope="session")
def model(network: CompactWorldModel) -> GroundedModel:
    return GroundedModel(network)


@pytest.fixture(scope="session")
def world_folder(network: CompactWorldModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    save_model(folder, network)
    return folder


@pytest.fixture
def policy_config() -> PolicyConfig:
    return PolicyConfig("0123", WIDTH, (0.03, 0.03), gripper=True, **SMALL)


@pytest.fixture
def policy_network(policy_config: PolicyConfig) -> PolicyNetwork:
    torch.manual_seed(0)
    return PolicyNetwork(policy_config).eval()


@pytest.fixture
def frames() -> list[np.ndarray]:
    env = tabletop.Tabletop()
    env.reset(seed=4, options={"objects": tabletop.SPEC.object_sets["FOUR"]})
    images = [env.render()]
    for _ in range(2):
        env.step(np.array([0.02, 0.01]))
        images.append(env.render())
    return images
