# SPDX-License-Identifier: Apache-2.0
"""Models on disk: what is saved is what is loaded, and what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from swm_core.errors import ModelError
from swm_core.models.compact import CompactWorldModel
from swm_core.models.shipped import shipped_model
from swm_core.models.weights import CONFIG, WEIGHTS, load_model, read_config, save_model, weights_hash


@pytest.fixture
def folder(network: CompactWorldModel, tmp_path: Path) -> Path:
    save_model(tmp_path, network, {"step": 7})
    return tmp_path


def test_round_trip(folder: Path, network: CompactWorldModel) -> None:
    loaded = load_model(folder)
    assert loaded.config == network.config
    for a, b in zip(network.state_dict().values(), loaded.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert read_config(folder)[1] == {"step": 7}
    assert not any(p.requires_grad for p in loaded.parameters())


def test_half_precision_halves_the_file(network: CompactWorldModel, tmp_path: Path) -> None:
    save_model(tmp_path / "full", network)
    save_model(tmp_path / "half", network, half=True)
    full, half = ((tmp_path / name / WEIGHTS).stat().st_size for name in ("full", "half"))
    assert half < 0.6 * full
    assert next(load_model(tmp_path / "half").parameters()).dtype == torch.float32


def test_the_hash_tells_weights_apart(folder: Path, network: CompactWorldModel, tmp_path: Path) -> None:
    before = weights_hash(folder)
    state = load_file(folder / WEIGHTS)
    state["time"] = state["time"] + 1
    save_file(state, folder / WEIGHTS)
    assert weights_hash(folder) != before


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model in"):
        load_model(tmp_path / "nowhere")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=WEIGHTS):
        load_model(folder)


@pytest.mark.parametrize("keep", [0, 5, 5000])
def test_truncated_weights_are_refused(folder: Path, keep: int) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:keep])
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)


def test_another_architecture_is_refused(folder: Path) -> None:
    data = json.loads((folder / CONFIG).read_text())
    data["model"]["layers"] += 1
    (folder / CONFIG).write_text(json.dumps(data))
    with pytest.raises(ModelError, match="another architecture"):
        load_model(folder)


def test_values_that_are_not_finite_are_refused(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    state["time"][0, 0] = float("nan")
    save_file(state, folder / WEIGHTS)
    with pytest.raises(ModelError, match="not finite"):
        load_model(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "format None"),
        ('{"format": "swm-compact/99"}', "swm-compact/99"),
        ('{"format": "swm-compact/4", "model": {"width": 3}}', "does not describe"),
        ('{"format": "swm-compact/4"}', "does not describe"),
    ],
)
def test_configurations_that_cannot_be_used_are_refused(folder: Path, text: str, said: str) -> None:
    (folder / CONFIG).write_text(text)
    with pytest.raises(ModelError, match=said):
        load_model(folder)


def test_sizes_beyond_all_reason_are_refused_before_anything_is_allocated(folder: Path) -> None:
    content = json.loads((folder / CONFIG).read_text())
    content["model"]["width"] = 10**7
    (folder / CONFIG).write_text(json.dumps(content))
    with pytest.raises(ModelError) as refused:
        load_model(folder)
    assert "allowed are 1 to" in repr(refused.value.__cause__)


def test_an_environment_without_a_model_is_an_error() -> None:
    with pytest.raises(ModelError, match="no weights shipped for nowhere"):
        shipped_model("nowhere")
