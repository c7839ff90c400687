# SPDX-License-Identifier: Apache-2.0
"""PaliGemma world models on disk: what is saved is what is loaded; what is missing or damaged is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_paligemma import write_checkpoint

from swm_core.errors import ConfigError, ModelError
from swm_core.models.loading import load_world_model
from swm_core.models.lora import LoraSettings, add_lora, lora_parameters
from swm_core.models.paligemma import PaliGemmaWorldModel
from swm_core.models.paligemma_files import CHECKPOINT, save_paligemma
from swm_core.models.paligemma_settings import PaliGemmaSettings
from swm_core.models.weights import CONFIG, WEIGHTS

SETTINGS = PaliGemmaSettings((0.03, 0.03), (12, 20, 3), horizon=8, layout="prefix_lm")
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("paligemma"), layers=1)


def changed(checkpoint: Path, lora: bool) -> PaliGemmaWorldModel:
    """A model that differs from its checkpoint, in adapters or in all weights."""
    model = PaliGemmaWorldModel.load(checkpoint, settings=SETTINGS)
    if lora:
        model.lora = LoraSettings(rank=2, alpha=4)
        add_lora(model.vlm, model.lora)
        values = list(lora_parameters(model).values())
    else:
        model.base = None
        values = list(model.vlm.parameters())
    for value in values:
        value.data += 0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(len(value)))
    return model


def answers(model: PaliGemmaWorldModel) -> torch.Tensor:
    picture = np.random.default_rng(0).integers(0, 256, SETTINGS.image_shape, np.uint8)
    prefix = model.read(model.observe(picture), ["Is the red moon near?", "Is the peg touching the blue cube?"])
    with torch.no_grad():
        return model.answer(prefix, torch.linspace(-0.03, 0.03, 8).view(2, 2, 2)).yes


@pytest.mark.parametrize("lora", [False, True])
def test_saved_models_answer_the_same(checkpoint: Path, tmp_path: Path, lora: bool) -> None:
    model = changed(checkpoint, lora)
    fresh = PaliGemmaWorldModel.load(checkpoint, settings=SETTINGS)
    assert (answers(model) - answers(fresh)).abs().max() > 1e-3
    save_paligemma(tmp_path / "model", model, {"step": 7})
    loaded = load_world_model(tmp_path / "model")
    assert isinstance(loaded, PaliGemmaWorldModel)
    torch.testing.assert_close(answers(loaded), answers(model), rtol=0, atol=1e-7)
    assert loaded.settings == SETTINGS
    assert loaded.lora == model.lora
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert (tmp_path / "model" / CHECKPOINT).exists() is not lora  # adapters need no copy of the checkpoint
    assert not [p.name for p in (tmp_path / "model").rglob("*") if p.suffix in (".bin", ".pt", ".pkl")]


def test_adapters_find_a_checkpoint_that_moved(checkpoint: Path, tmp_path: Path) -> None:
    moved = tmp_path / "here"
    shutil.copytree(checkpoint, moved)
    model = changed(moved, lora=True)
    save_paligemma(tmp_path / "model", model)
    moved.rename(tmp_path / "there")
    with pytest.raises(ModelError, match="here"):
        PaliGemmaWorldModel.load(tmp_path / "model")
    loaded = PaliGemmaWorldModel.load(tmp_path / "model", base=tmp_path / "there")
    torch.testing.assert_close(answers(loaded), answers(model), rtol=0, atol=1e-7)


def test_checkpoints_that_are_not_here_are_told_how_to_get(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"hf download google/paligemma-3b-pt-224 --revision 0123.* give DIR"):
        PaliGemmaWorldModel.load("google/paligemma-3b-pt-224", REVISION, SETTINGS, offline=True)
    for revision in (None, "main", REVISION[:7]):
        with pytest.raises(ModelError, match="pinned revision"):
            PaliGemmaWorldModel.load("google/paligemma-3b-pt-224", revision, SETTINGS)
    with pytest.raises(ModelError, match="neither a folder nor a name"):
        PaliGemmaWorldModel.load(tmp_path / "nowhere", REVISION, SETTINGS)
    with pytest.raises(ModelError, match="give settings"):
        PaliGemmaWorldModel.load(checkpoint)


def test_only_safetensors_are_read(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*.safetensors"):
        PaliGemmaWorldModel.load(folder, settings=SETTINGS)


def damage(folder: Path, kind: str) -> None:
    path = folder / "model.safetensors"
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "incomplete":
        state = load_file(path)
        del state[min(state)]
        save_file(state, path, {"format": "pt"})
    elif kind == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif kind == "wrong configuration":
        data = json.loads((folder / "config.json").read_text())
        data["text_config"]["hidden_size"] = "many"
        (folder / "config.json").write_text(json.dumps(data))
    else:
        (folder / "config.json").write_text("{")


@pytest.mark.parametrize("kind", ["truncated", "incomplete", "no tokenizer", "wrong configuration", "no configuration"])
def test_damaged_checkpoints_are_refused(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    damage(folder, kind)
    with pytest.raises(ModelError, match="lacks weights" if kind == "incomplete" else "not a usable PaliGemma"):
        PaliGemmaWorldModel.load(folder, settings=SETTINGS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "swm-paligemma/99"}, "swm-paligemma/99"),
        ({"model": {"layout": "prefix_lm"}}, "does not describe"),
        ({"lora": {"rank": 0, "alpha": 1}}, "does not describe"),
        ({"lora": {"rank": 3, "alpha": 4}}, "not what config.json describes"),
        ({"lora": None}, "not what config.json describes"),
    ],
)
def test_saved_models_must_be_consistent(checkpoint: Path, tmp_path: Path, change: dict, said: str) -> None:
    save_paligemma(tmp_path, changed(checkpoint, lora=True))
    data = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(data | change))
    with pytest.raises(ModelError, match=said):
        PaliGemmaWorldModel.load(tmp_path)


def test_saved_weights_are_checked(checkpoint: Path, tmp_path: Path) -> None:
    save_paligemma(tmp_path, changed(checkpoint, lora=True))
    state = load_file(tmp_path / WEIGHTS)
    save_file(state | {"project.weight": state["project.weight"] * float("nan")}, tmp_path / WEIGHTS)
    with pytest.raises(ModelError, match="not finite"):
        PaliGemmaWorldModel.load(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"short")
    with pytest.raises(ModelError, match="missing or damaged"):
        PaliGemmaWorldModel.load(tmp_path)


def test_adapters_are_checked() -> None:
    for settings in ({"rank": 0}, {"alpha": 0}):
        with pytest.raises(ConfigError, match="rank must be"):
            LoraSettings(**settings)
