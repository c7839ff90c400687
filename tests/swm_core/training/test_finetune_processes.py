# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on two processes, with and without shards, is that of one process, also when it was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_paligemma import write_checkpoint

from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import SaqaSettings
from swm_core.models.lora import LoraSettings
from swm_core.models.paligemma import PaliGemmaWorldModel
from swm_core.training.checkpoint import CHECKPOINT
from swm_core.training.curves import read_columns
from swm_core.training.finetune import Finetuner
from swm_core.training.finetune_config import FinetuneConfig

LAUNCHES = Path(__file__).parents[3] / "configs" / "accelerate"
PROCESS = Path(__file__).with_name("finetune_process.py")


@pytest.fixture(scope="module")
def config(
    environment: str, folder: Path, catalogue: QuestionCatalogue, tmp_path_factory: pytest.TempPathFactory
) -> FinetuneConfig:
    checkpoint = write_checkpoint(tmp_path_factory.mktemp("paligemma"), [*catalogue.words, "?"], layers=2, spread=0.1)
    return FinetuneConfig(
        environment=environment,
        data=(str(folder),),
        out=str(tmp_path_factory.mktemp("runs") / "one"),
        base=str(checkpoint),
        saqa=SaqaSettings(questions=1, locate_share=0.0),
        validation_every=5,
        validation_samples=21,  # an odd number: the last round of two processes is not full
        steps=6,
        batch=16,
        rate=3e-3,
        validate_every=2,
        workers=0,
        precision="float32",
    )


@pytest.fixture(scope="module")
def one(config: FinetuneConfig) -> FinetuneConfig:
    """The run of one process."""
    Finetuner(config).run()
    return config


def launch(config: FinetuneConfig, kind: str, *settings: str, last: int = 0) -> subprocess.CompletedProcess[str]:
    """Run on two processes, as users do, or in shards, to the end or until one is killed after a step."""
    path = Path(config.out).with_suffix(".json")
    path.write_text(json.dumps(asdict(config)))  # JSON is YAML
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(LAUNCHES / f"{kind}.yaml")]
    processes = ["--num_processes", "2", "--main_process_port", "0", *settings]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    script = (
        ["-m", "swm_core.cli", "finetune", "--config", str(path)]
        if kind == "ddp"
        else [str(PROCESS), str(path), str(last)]
    )
    command = [*launcher, *processes, *script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=6000, check=False)


def decided(name: str) -> bool:
    """Whether gradients decide a parameter: attention is the same for any bias of its keys, which AdamW then walks."""
    return not name.endswith("k_proj.bias")


def assert_same_run(found: FinetuneConfig, expected: FinetuneConfig) -> None:
    for name in ("training.csv", "validation.csv"):
        rows, wanted = (read_columns(Path(c.out) / name) for c in (found, expected))
        assert rows.keys() == wanted.keys()
        for column, values in wanted.items():
            assert rows[column] == pytest.approx(values, rel=1e-4), (name, column)
    states = [load_file(Path(c.out) / CHECKPOINT) for c in (found, expected)]
    for name, value in states[1].items():  # with AdamW's moments: weights alone hide a gradient of a wrong size
        other = states[0].pop(name)
        if decided(name):
            torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-5, msg=name)
    assert not states[0]
    for name in ("best", "last"):
        folders = [Path(c.out) / name for c in (found, expected)]
        steps = [json.loads((path / "config.json").read_text())["notes"]["step"] for path in folders]
        assert steps[0] == steps[1]
        models = [PaliGemmaWorldModel.load(path) for path in folders]
        for (parameter, value), other in zip(models[1].named_parameters(), models[0].parameters(), strict=True):
            if decided(parameter):
                torch.testing.assert_close(other, value, rtol=1e-4, atol=1e-4, msg=parameter)


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_learn_like_one(one: FinetuneConfig, kind: str) -> None:
    two = replace(one, out=f"{one.out}_{kind}")
    done = launch(two, kind)
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_run(two, one)


def test_adapters_are_trained_in_shards(config: FinetuneConfig) -> None:
    one = replace(config, out=f"{config.out}_lora", lora=LoraSettings(rank=4, alpha=8), steps=2)
    Finetuner(one).run()
    two = replace(one, out=f"{one.out}_fsdp")
    done = launch(two, "fsdp")
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_run(two, one)


def test_bfloat16_in_shards_is_near_float32(one: FinetuneConfig) -> None:
    half = replace(one, out=f"{one.out}_bf16", precision="bf16", steps=2)
    done = launch(half, "fsdp")
    assert done.returncode == 0, done.stderr[-3000:]
    losses, wanted = (read_columns(Path(c.out) / "training.csv")["answer"] for c in (half, one))
    assert losses == pytest.approx(wanted[:2], rel=0.03)
    weights = PaliGemmaWorldModel.load(Path(half.out) / "last").parameters()
    assert all(value.dtype == torch.float32 for value in weights)  # only computed with in bfloat16


def test_a_killed_run_goes_on_with_and_without_shards(one: FinetuneConfig) -> None:
    parted = replace(one, out=f"{one.out}_parted")
    for last in (2, 4):
        assert launch(parted, "fsdp", last=last).returncode != 0
        assert read_columns(Path(parted.out) / "validation.csv")["step"][-1] == last
    done = launch(parted, "ddp")
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_run(parted, one)


def test_checkpointing_of_activations_is_not_set_in_two_places(config: FinetuneConfig) -> None:
    done = launch(replace(config, out=f"{config.out}_refused"), "fsdp", "--fsdp_activation_checkpointing", "true")
    assert done.returncode != 0
    assert "ConfigError" in done.stderr
    assert "gradient_checkpointing" in done.stderr
