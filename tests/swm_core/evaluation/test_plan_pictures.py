# SPDX-License-Identifier: Apache-2.0
"""`semworld plan`: one plan from a picture, its table, its file and its drawing."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from swm_core.cli import main
from swm_core.data.frames import encode_png
from swm_core.environment import load_environment
from swm_core.evaluation.plan_pictures import free_path


def test_the_free_path_adds_up_the_actions() -> None:
    spec = load_environment("langtable").spec
    path = free_path(np.array([0.3, 0.1, 0.0]), np.array([[0.01, 0.0], [0.0, -0.02]]), spec)
    np.testing.assert_allclose(path, [[0.3, 0.1, 0.0], [0.31, 0.1, 0.0], [0.31, 0.08, 0.0]])


@pytest.mark.parametrize("planner", ["gradient", "mppi"])
def test_the_command_plans_and_draws(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], planner: str
) -> None:
    frame, out, picture = tmp_path / "frame.png", tmp_path / "plan.json", tmp_path / "plan.png"
    frame.write_bytes(encode_png(np.full((180, 320, 3), 60, np.uint8)))
    words = ["--image", str(frame), "--model", str(model_folder), "--json", str(out), "--picture", str(picture)]
    assert main(["plan", "push the red moon to the green star", "--planner", planner, *words]) == 0
    result = json.loads(out.read_text())
    assert result["value"] == pytest.approx(max(result["values"]))
    assert np.array(result["actions"]).shape == (16, 2)
    assert len(result["probabilities"]) == len(result["values"])
    drawn = cv2.imread(str(picture))
    assert drawn.shape[0] > 400
    assert drawn.std() > 10
    assert "Is the red moon touching the green star?" in capsys.readouterr().out


def test_a_goal_about_what_is_not_there_is_refused(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = tmp_path / "frame.png"
    frame.write_bytes(encode_png(np.zeros((180, 320, 3), np.uint8)))
    assert main(["plan", "reach the purple moon", "--image", str(frame), "--model", str(model_folder)]) == 1
    assert "purple" in capsys.readouterr().err
