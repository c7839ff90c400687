# SPDX-License-Identifier: Apache-2.0
"""A third environment of one file and a parameter file goes through everything: no other code knows of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from swm_core.cli import main

HERE = Path(__file__).parent / "pointmass"
TRAINING = {
    "environment": "pointmass",
    "model": {"width": 32, "layers": 1, "action_layers": 1, "heads": 2, "fine_width": 16},
    "steps": 4,
    "batch": 4,
    "warmup": 1,
    "validation_every": 4,
    "validation_samples": 8,
    "validate_every": 4,
    "workers": 0,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a package with the environment would install: the module, its entry point, its parameter file."""
    folder = tmp_path_factory.mktemp("prefix")
    shutil.copy(HERE / "pointmass.py", folder)
    info, config = folder / "pointmass-1.0.dist-info", folder / "share/swm_ros/config"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pointmass\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[semworld.environments]\npointmass = pointmass:ENTRY\n")
    config.mkdir(parents=True)
    shutil.copy(HERE / "pointmass.yaml", config)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def data(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    assert main(["collect", "pointmass", "--out", str(folder), "--seeds", "0:16", "--behaviour", "chase:16"]) == 0
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    config = out / "training.yaml"
    config.write_text(yaml.safe_dump(TRAINING | {"data": [str(data)], "out": str(out / "run")}))
    assert main(["train", "--config", str(config)]) == 0
    return out / "run" / "last"


def test_what_it_is_made_of_is_checked(data: Path) -> None:
    assert main(["validate", str(data)]) == 0


def test_tasks_and_answers_are_evaluated(data: Path, model: Path, tmp_path: Path) -> None:
    words = ["--env", "pointmass", "--task", "reach", "--seeds", "6000:6001", "--steps", "8", "--model", str(model)]
    assert main(["eval", "tasks", *words, "--json", str(tmp_path / "tasks.json")]) == 0
    found = json.loads((tmp_path / "tasks.json").read_text())
    assert (found["n"], found["environment"]) == (1, "pointmass")
    assert found["episodes"][0]["task"].endswith("flag")
    asked = ["eval", "qa", str(data), "--model", str(model), "--per-type", "4", "--json", str(tmp_path / "qa.json")]
    assert main(asked) == 0
    assert set(json.loads((tmp_path / "qa.json").read_text())["types"]) == {"peg_touching_block", "peg_block_closer"}


@pytest.mark.ros
def test_the_nodes_drive_it(installed: Path, model: Path, tmp_path: Path) -> None:
    result = tmp_path / "ros.json"
    command = [sys.executable, "-m", "swm_ros.evaluate", "--environment", "pointmass", "--seeds", "6000:6001"]
    paths = {
        "PYTHONPATH": os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "AMENT_PREFIX_PATH": os.pathsep.join([str(installed), os.environ.get("AMENT_PREFIX_PATH", sys.prefix)]),
    }
    options = ["--model", str(model), "--json", str(result)]
    done = subprocess.run(
        [*command, *options], env=os.environ | paths, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    (episode,) = json.loads(result.read_text())["episodes"]
    assert episode["end"] in ("success", "step limit")
    assert episode["steps"] > 0
