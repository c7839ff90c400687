# SPDX-License-Identifier: Apache-2.0
"""The demo tells, films and judges; with the scripted planner, which drives straight to one side."""

import os
import subprocess
import sys
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image
from stack_harness import PATIENCE

from swm_ros.drawing import PANEL_HEIGHT, SCALE, Overlay, annotate, colour_of
from swm_ros.recording import Recording

HERE = Path(__file__).parent


def demo(out: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(HERE / "scripted_stack.py"), "langtable", "--demo", "--out", str(out), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
        env=os.environ,
        start_new_session=True,
    )


@pytest.mark.ros
def test_a_run_without_success_tells_so_and_leaves_film_and_plot(tmp_path):
    done = demo(tmp_path, "--goal", "reach the red moon", "--seed", "6001", "--timeout", "3")
    assert done.returncode == 1
    assert "Is the robotic peg touching the red moon? 0.25" in done.stdout
    assert "not reached within 3 s" in done.stdout
    assert "true scene: not reached; planner: active" in done.stdout
    with imageio.get_reader(tmp_path / "demo.mp4") as film:
        assert film.get_meta_data()["size"] == (640, 480)
        assert film.count_frames() > 5
    with Image.open(tmp_path / "demo.gif") as moving:
        assert moving.n_frames > 5
    assert (tmp_path / "demo.png").stat().st_size > 10_000


@pytest.mark.ros
def test_a_goal_that_cannot_be_is_told_and_fails(tmp_path):
    done = demo(tmp_path, "--goal", "reach the purple cube")
    assert done.returncode == 1
    assert "refused: there is no 'purple cube'" in done.stdout


def test_a_recording_with_changing_questions_can_be_plotted(tmp_path):
    recording = Recording(reached=1.5, questions=("a?",))
    for i, answers in enumerate(([0.1], [0.2, 0.4], [0.9])):
        recording.times.append(float(i))
        recording.probabilities.append(answers)
        for curve in (recording.completion, recording.proposed, recording.refined):
            curve.append(0.1 * i)
    assert [p.name for p in recording.save(tmp_path)] == ["demo.png"]


def test_the_picture_shows_path_and_bars_in_proportion():
    frame = np.zeros((180, 320, 3), np.uint8)
    path = np.array([[100.0, 50.0], [200.0, 50.0]])
    drawn = annotate(frame, Overlay("active: reach", ("a?", "b?"), (0.0, 1.0), path))
    assert drawn.shape == (180 * SCALE + PANEL_HEIGHT, 640, 3)
    line = (drawn[: 180 * SCALE] == (80, 220, 255)).all(-1)
    rows, columns = np.nonzero(line)
    assert columns.min() == pytest.approx(200, abs=6)
    assert columns.max() == pytest.approx(404, abs=6)
    assert rows.mean() == pytest.approx(100, abs=3)
    green, red = ((drawn == colour_of(p)).all(-1).sum() for p in (1.0, 0.0))
    assert green > 10 * red > 0
