# SPDX-License-Identifier: Apache-2.0
"""A small model with random weights for Language-Table, and a few recorded episodes."""

from pathlib import Path

import pytest
import torch

from swm_core.cli import main
from swm_core.data.questioning import QuestionCatalogue
from swm_core.environment import load_environment
from swm_core.models.compact import CompactWorldModel
from swm_core.models.weights import save_model
from swm_core.training.config import ModelSettings
from swm_core.training.trainer import compact_config


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    entry = load_environment("langtable")
    sizes = ModelSettings(width=32, layers=1, action_layers=1, heads=2, fine_width=16)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, CompactWorldModel(compact_config(entry.spec, QuestionCatalogue.of(entry), sizes)))
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    words = ["--behaviour", "expert_push:2,play:2", "--steps", "40", "--frame-every", "2", "--out", str(folder)]
    assert main(["collect", "langtable", *words]) == 0
    return folder
