# SPDX-License-Identifier: Apache-2.0
"""The training loop: losses fall, runs resume, wrong settings are refused."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

from swm_core.errors import ConfigError, DataError, ModelError
from swm_core.models.weights import load_model
from swm_core.training.checkpoint import CHECKPOINT, SETTINGS
from swm_core.training.config import ModelSettings, TrainingConfig, load_config
from swm_core.training.curves import read_columns
from swm_core.training.finetune_config import load_finetune_config
from swm_core.training.policy_config import load_policy_config
from swm_core.training.trainer import Trainer

TINY = ModelSettings(width=32, layers=1, action_layers=1, heads=2, fine_width=16)


@pytest.fixture
def config(environment: str, folder: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        environment=environment,
        data=(str(folder),),
        out=str(tmp_path / "run"),
        model=TINY,
        validation_every=5,
        validation_samples=8,
        steps=30,
        batch=4,
        warmup=5,
        rate=3e-3,
        validate_every=15,
        workers=0,
        precision="float32",
    )


def test_training_learns_where_things_are(config: TrainingConfig) -> None:
    Trainer(replace(config, steps=240, validate_every=240)).run()
    rows = read_columns(Path(config.out) / "training.csv")
    assert rows["step"] == list(range(20, 241, 20))
    assert sum(rows["position"][-3:]) < 0.8 * sum(rows["position"][:3])
    assert (Path(config.out) / "curves.png").stat().st_size > 10_000


def read_events(path: Path) -> list[tuple[str, int, float]]:
    """Tag, step and value of the scalars in an event file: records of length, checksum, event, checksum."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        data = data[16 + length :]
    return found


def test_event_files_hold_what_the_csv_files_hold(config: TrainingConfig) -> None:
    for steps in (20, 40):  # the second run goes on where the first ended, in a file of its own
        Trainer(replace(config, steps=steps, validate_every=20)).run()
    out = Path(config.out)
    files = sorted(out.glob("events.out.tfevents.*"))
    assert len(files) == 2
    events = {(tag, step): value for file in files for tag, step, value in read_events(file)}
    rows = [(kind, read_columns(out / f"{kind}.csv")) for kind in ("training", "validation")]
    expected = {
        (f"{kind}/{name}", int(step)): value
        for kind, columns in rows
        for name, values in columns.items()
        for step, value in zip(columns["step"], values, strict=True)
        if name != "step"
    }
    assert {("training/answer", 40), ("validation/balanced", 20)} <= set(expected)
    assert events == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_a_stopped_run_ends_like_an_unbroken_one(config: TrainingConfig) -> None:
    whole = Trainer(config)
    whole.run()
    parted = replace(config, out=config.out + "_parted")
    first = Trainer(parted)
    stop_at = 15

    class StoppedError(Exception):
        pass

    keep = first.keep

    def keep_then_stop(step: int, measures: dict[str, float], best: float) -> float:
        best = keep(step, measures, best)
        if step == stop_at:
            raise StoppedError
        return best

    first.keep = keep_then_stop  # type: ignore[method-assign]
    with pytest.raises(StoppedError):
        first.run()
    second = Trainer(parted)
    second.run()
    for (name, a), b in zip(whole.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, msg=name)


def test_two_processes_learn_like_one_with_twice_the_batch(config: TrainingConfig, tmp_path: Path) -> None:
    one = replace(config, out=str(tmp_path / "one"), batch=8, steps=20, validate_every=20)
    Trainer(one).run()
    two = replace(one, out=str(tmp_path / "two"), batch=4)
    path = tmp_path / "two.yaml"
    path.write_text(json.dumps(asdict(two)))  # JSON is YAML
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [*launcher, "-m", "swm_core.cli", "train", "--config", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    curves = [read_columns(Path(c.out) / "training.csv") for c in (one, two)]
    for name in ("answer", "position", "grounding"):
        assert curves[1][name] == pytest.approx(curves[0][name], rel=1e-3), name
    weights = [load_model(Path(c.out) / "last").state_dict() for c in (one, two)]
    for name, value in weights[0].items():
        if name != "find.bias":  # adds the same to the match of all cells: its gradient is rounding alone
            torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-3, msg=name)


def test_the_saved_model_answers_like_the_trained_one(config: TrainingConfig) -> None:
    trainer = Trainer(config)
    trainer.run()
    saved = load_model(Path(config.out) / "last")
    for (name, a), b in zip(trainer.model.state_dict().items(), saved.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


def test_a_checkpoint_of_other_sizes_is_refused(config: TrainingConfig) -> None:
    Trainer(config).run()
    other = replace(config, model=replace(TINY, width=64))
    with pytest.raises(ConfigError, match=r"other settings \(model\)"):
        Trainer(other).run()
    (Path(config.out) / SETTINGS).unlink()
    with pytest.raises(ModelError, match="remove it to start again"):
        Trainer(other).run()


def test_a_truncated_checkpoint_is_refused(config: TrainingConfig) -> None:
    Trainer(config).run()
    path = Path(config.out) / CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=CHECKPOINT):
        Trainer(config).run()


def test_nothing_left_to_train_on_is_an_error(config: TrainingConfig) -> None:
    with pytest.raises(DataError, match="training"):
        Trainer(replace(config, validation_every=1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("environment: x\ndata: [a]\nout: o\nstepz: 3\n", "stepz"),
        ("environment: x\ndata: [a]\nout: o\nsteps: 0\n", "at least 1"),
        ("environment: x\ndata: [a]\nout: o\nrate: -1\n", "above 0"),
        ("environment: x\ndata: [a]\nout: o\nsteps: many\n", "steps"),
        ("- a list\n", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_config(path)


def test_shipped_configurations_load() -> None:
    for path in (Path(__file__).parents[3] / "configs").glob("*.yaml"):
        kinds = {"paligemma": load_finetune_config, "policy": load_policy_config}
        load = next((load for word, load in kinds.items() if word in path.name), load_config)
        assert load(path).batch > 0
