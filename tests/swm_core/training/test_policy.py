# SPDX-License-Identifier: Apache-2.0
"""Training of a base policy: resumed is unbroken, the average is what is saved, the command does it all."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from swm_core.cli import main
from swm_core.data.questioning import QuestionCatalogue
from swm_core.environment import load_environment
from swm_core.errors import ConfigError, DataError
from swm_core.models.compact import CompactWorldModel
from swm_core.models.folders import CONFIG, WEIGHTS
from swm_core.models.grounded import GroundedModel
from swm_core.models.weights import save_model, weights_hash
from swm_core.policies.diffusion import SAVED, DiffusionPolicy
from swm_core.policies.network import PolicySizes
from swm_core.training.config import ModelSettings
from swm_core.training.curves import read_columns
from swm_core.training.policy import PolicyTrainer, gather
from swm_core.training.policy_config import PolicyTrainingConfig
from swm_core.training.trainer import compact_config


@pytest.fixture(scope="module")
def world(environment: str, catalogue: QuestionCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = ModelSettings(width=32, layers=1, action_layers=1, heads=2, fine_width=16)
    torch.manual_seed(5)
    spec = load_environment(environment).spec
    folder = tmp_path_factory.mktemp("world")
    save_model(folder, CompactWorldModel(compact_config(spec, catalogue, sizes)))
    return folder


@pytest.fixture(scope="module")
def config(folder: Path, world: Path, tmp_path_factory: pytest.TempPathFactory) -> PolicyTrainingConfig:
    return PolicyTrainingConfig(
        environment="tabletop",
        data=(str(folder),),
        out="",
        model=str(world),
        cache=str(tmp_path_factory.mktemp("cache")),
        behaviours=("chase",),
        sizes=PolicySizes(horizon=4, width=16, layers=1, heads=2, condition=16),
        padding=2,
        validation_every=5,
        epochs=4,
        batch=64,
        warmup=4,
        validate_every=2,
    )


@pytest.fixture(scope="module")
def gathered(config: PolicyTrainingConfig) -> tuple:
    return gather(config)


def test_a_resumed_run_equals_an_unbroken_one(
    config: PolicyTrainingConfig, gathered: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = (replace(config, out=str(tmp_path / name)) for name in ("whole", "broken"))
    trainer = PolicyTrainer(whole, *gathered)
    measures = trainer.run()
    assert trainer.per_epoch > 3
    learn, stop = PolicyTrainer.learn, 2 * trainer.per_epoch + 1

    def learn_until(self: PolicyTrainer, step: int) -> float:
        if step == stop:
            raise KeyboardInterrupt
        return learn(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(PolicyTrainer, "learn", learn_until)
        with pytest.raises(KeyboardInterrupt):
            PolicyTrainer(broken, *gathered).run()
    torch.manual_seed(123)
    assert PolicyTrainer(broken, *gathered).run() == measures
    ours, theirs = (load_file(tmp_path / name / "last" / WEIGHTS) for name in ("whole", "broken"))
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert read_columns(tmp_path / "broken" / "validation.csv")["epoch"] == [2.0, 4.0]
    assert read_columns(tmp_path / "broken" / "training.csv")["epoch"] == [1.0, 2.0, 3.0, 4.0]
    assert (tmp_path / "broken" / "curves.png").stat().st_size > 5000
    with pytest.raises(ConfigError, match=r"other settings \(padding\)"):
        PolicyTrainer(replace(broken, padding=broken.padding - 1), *gathered).run()
    training, validation, policy = gathered
    with pytest.raises(ConfigError, match=r"other settings \(world\)"):
        PolicyTrainer(broken, training, validation, replace(policy, world="another")).run()
    assert PolicyTrainer(replace(broken, validate_every=1), *gathered).run() == {}, "nothing was left to train"


def test_the_average_follows_and_is_what_is_saved(
    config: PolicyTrainingConfig, gathered: tuple, tmp_path: Path
) -> None:
    trainer = PolicyTrainer(replace(config, out=str(tmp_path), average=0.9), *gathered)
    start = trainer.state.average.place.clone()
    losses = [trainer.learn(step) for step in range(8)]
    network, average = trainer.state.network.place.detach(), trainer.state.average.place
    assert 0 < float((average - start).abs().max()) < float((network - start).abs().max())
    assert all(torch.isfinite(torch.tensor(losses)))
    trainer.keep(1, 8, {"loss": 1.0, "direction": 0.5, "rest": 0.5}, 2.0)
    torch.testing.assert_close(load_file(tmp_path / "last" / WEIGHTS)["place"], average)


def test_the_command_trains_a_policy_that_goes_with_its_world_model(
    config: PolicyTrainingConfig, world: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "policy.yaml", tmp_path / "run"
    settings = json.loads(json.dumps(asdict(replace(config, out=str(out), epochs=1, mirror=False))))
    file.write_text(yaml.safe_dump(settings))
    words = ["train-policy", "--config", str(file), "--demonstrations", "12", "--json", str(tmp_path / "r.json")]
    assert main(words) == 0
    saved, notes = SAVED.read(out / "last")
    assert saved.world == weights_hash(world)
    assert notes["config"]["demonstrations"] == 12
    assert set(json.loads((tmp_path / "r.json").read_text())["measures"]) == {"loss", "direction", "rest"}
    DiffusionPolicy.load(out / "best", GroundedModel.load(world), weights_hash(world))
    assert (out / "best" / CONFIG).exists()


def test_a_policy_of_one_task_learns_from_its_demonstrations_alone(
    config: PolicyTrainingConfig, gathered: tuple, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    training, validation, _ = gather(replace(config, task="reach the red moon", validation_every=2))
    assert 0 < len(training) + len(validation) < 0.6 * (len(gathered[0]) + len(gathered[1]))
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(asdict(replace(config, out=str(tmp_path)))))))
    assert main(["train-policy", "--config", str(file), "--per-task", "push red moon to blue cube"]) == 1
    assert "none of 30 demonstrations is of 'push red moon to blue cube'" in capsys.readouterr().err


def test_fewer_demonstrations_are_fewer_moments(config: PolicyTrainingConfig, gathered: tuple) -> None:
    fewer = gather(replace(config, demonstrations=10))
    assert 0 < len(fewer[0]) < 0.6 * len(gathered[0])
    with pytest.raises(DataError, match="of 1 demonstrations"):
        gather(replace(config, demonstrations=1))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"padding": 4}, {"average": 1.0}, {"behaviours": ()}, {"rate": 0.0}])
def test_settings_outside_their_range_are_refused(config: PolicyTrainingConfig, wrong: dict) -> None:
    with pytest.raises(ConfigError):
        replace(config, **wrong)
