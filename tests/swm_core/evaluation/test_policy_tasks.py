# SPDX-License-Identifier: Apache-2.0
"""`semworld eval tasks` with a base policy: alone, as a source of proposals, and where it does not fit."""

import json
from pathlib import Path

import pytest
import torch

from swm_core.cli import main
from swm_core.errors import ConfigError
from swm_core.evaluation.planners import planner_config
from swm_core.models.weights import weights_hash
from swm_core.planning.settings import PAPER_LANGTABLE
from swm_core.policies.diffusion import save_policy
from swm_core.policies.network import PolicyConfig, PolicyNetwork


def saved(folder: Path, world: str) -> Path:
    torch.manual_seed(0)
    save_policy(folder, PolicyNetwork(PolicyConfig(world, 32, (0.03, 0.03), width=16, layers=1, heads=2, condition=16)))
    return folder


@pytest.fixture(scope="module")
def policy(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("policy"), weights_hash(model_folder))


def evaluate(model: Path, planner: str, out: Path, *words: str) -> int:
    given = ["--planner", planner, "--model", str(model), "--json", str(out), "--seeds", "6000:6001", "--steps", "5"]
    return main(["eval", "tasks", "--task", "reach", *given, *words])


@pytest.mark.parametrize("planner", ["policy", "gradient"])
def test_a_policy_takes_part_and_is_noted(model_folder: Path, policy: Path, tmp_path: Path, planner: str) -> None:
    out = tmp_path / "r.json"
    words = ["--set", "planner.gradient.iterations=1", "--policy", str(policy)]
    assert evaluate(model_folder, planner, out, *words) == 0
    configuration = json.loads(out.read_text())["configuration"]
    assert configuration["policy"] == weights_hash(policy)
    assert configuration["planner"]["proposals"][0] == "policy"


def test_what_does_not_fit_is_said(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(model_folder, "policy", tmp_path / "a.json") == 1
    assert "give its folder with --policy" in capsys.readouterr().err
    foreign = saved(tmp_path / "foreign", "feedfeedfeedfeed")
    assert evaluate(model_folder, "policy", tmp_path / "b.json", "--policy", str(foreign)) == 1
    assert "takes features of world model feedfeedfeedfeed" in capsys.readouterr().err


def test_a_policy_changes_the_proposals_of_the_presets() -> None:
    assert planner_config("gradient", PAPER_LANGTABLE, policy=True).proposals == ("policy",)
    assert planner_config("gradient", policy=True).proposals[0] == "policy"
    assert not planner_config("gradient").needs_policy
    named = planner_config("gradient", settings=["planner.proposals=[still]"], policy=True)
    assert not named.needs_policy
    assert planner_config("policy", settings=["planner.proposals=[still]"]).needs_policy
    with pytest.raises(ConfigError, match="policy_proposals"):
        planner_config("mppi", settings=["planner.policy_proposals=0"])
