# SPDX-License-Identifier: Apache-2.0
"""The paper's rows: complete, playable, and evaluated by one command."""

import json
from pathlib import Path

import pytest

from swm_core.cli import main
from swm_core.environment import load_environment
from swm_core.errors import ConfigError
from swm_core.evaluation.paper import ROWS, choose_rows
from swm_core.evaluation.planners import planner_config
from swm_core.evaluation.tasks import choose_steps
from swm_core.planning.gradient import GradientConfig
from swm_core.planning.settings import PAPER_LANGTABLE
from swm_core.tasks import AnyOrder


def test_every_row_can_be_played_and_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) == 23
    for row in ROWS:
        spec = load_environment(row.environment).spec
        steps = choose_steps(row.task, spec.object_sets[row.objects], 6000)
        assert len(steps) == (2 if row.table in ("multistep", "anyorder") else 1)
        assert isinstance(steps, AnyOrder) == (row.table == "anyorder")


def test_rows_are_chosen_by_table_and_by_name() -> None:
    assert [row.name for row in choose_rows("novel")] == ["push_blue_star_red_cube", "push_yellow_moon_purple_cube"]
    assert [row.name for row in choose_rows("ms2, reach")] == ["reach", "ms2"]
    assert [row.name for row in choose_rows("background")] == [
        "background_red_cube_green_cube",
        "background_blue_cube_yellow_cube",
    ]
    for wrong in ("chess", ""):
        tables = "reach, separate, push, novel, multistep, anyorder, og_reach, stack, background, ablation"
        with pytest.raises(ConfigError, match=f"known: {tables}"):
            choose_rows(wrong)


def test_without_a_base_policy_the_papers_preset_begins_from_one_uniform_chunk() -> None:
    """A.5.2 with the settings of A.3.1: a new uniform chunk for every plan, ten plain steps of ascent, nothing else."""
    assert [row.task for row in choose_rows("ablation")] == [
        "push red moon to green star",
        "push yellow pentagon to red moon",
        "push yellow star to blue cube",
    ]
    config = planner_config("gradient", PAPER_LANGTABLE)
    assert (config.planner, config.proposals, config.needs_policy) == ("gradient", ("uniform",), False)
    assert (config.horizon, config.sub_chunk, config.execute) == (16, 8, 4)
    assert config.gradient == GradientConfig(iterations=10, rate=0.02, clip=1.0, unit=False, trust=0.0, keep=1)


def test_the_command_writes_a_file_a_row_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--out", str(tmp_path), "--count", "1", "--planner"]
    assert main(["eval", "paper", "novel", "--label", "none", *words, "none"]) == 0
    assert main(["eval", "paper", "novel", "--label", "random", *words, "random", "--compare", "none"]) == 0
    found = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert sorted(found) == [
        f"push_{r}_{m}.json" for r in ("blue_star_red_cube", "yellow_moon_purple_cube") for m in ("none", "random")
    ]
    assert all(result["configuration"]["objects"][0] == "red cube" for result in found.values())
    assert (
        sum(
            found["push_blue_star_red_cube_random.json"]["paired"][k]
            for k in ("both", "only_first", "only_second", "neither")
        )
        == 1
    )
    assert "push yellow moon to purple cube" in capsys.readouterr().out


def test_cubes_before_another_background_are_a_row(tmp_path: Path) -> None:
    row = "background_red_cube_green_cube"
    assert (
        main(["eval", "paper", row, "--label", "none", "--out", str(tmp_path), "--count", "1", "--planner", "none"])
        == 0
    )
    found = json.loads((tmp_path / f"{row}_none.json").read_text())
    assert found["environment"] == "ogbench:pine"
    assert found["configuration"]["steps"] == 200
    assert found["episodes"][0]["task"] == "stack red cube on green cube"
