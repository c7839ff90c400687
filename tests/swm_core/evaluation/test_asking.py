# SPDX-License-Identifier: Apache-2.0
"""`semworld ask` from picture and CSV to an answer, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from swm_core.cli import main
from swm_core.data.frames import encode_png
from swm_core.environment import load_environment

QUESTION = "Is the red moon touching the green star?"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    env = load_environment("langtable").make(images=False)
    env.reset(seed=1)
    path = tmp_path_factory.mktemp("frame") / "frame.png"
    path.write_bytes(encode_png(env.render()))
    env.close()
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "actions.csv"
    path.write_text("dx,dy\n0.01,0.0\n0.01,-0.02\n\n0.0,0.03\n")
    return path


def ask(model: Path, image: Path, question: str, *words: object) -> int:
    return main(["ask", "--model", str(model), "--image", str(image), question, *map(str, words)])


def test_it_answers_at_every_horizon(model_folder: Path, picture: Path, csv: Path, tmp_path: Path, capsys) -> None:
    out, drawn = tmp_path / "out.json", tmp_path / "drawn.png"
    assert ask(model_folder, picture, QUESTION, "--actions", csv, "--json", out, "--picture", drawn) == 0
    result = json.loads(out.read_text())
    assert len(result["probabilities"]) == 4
    assert np.shape(result["positions"]) == (4, 3, 3)  # effector, red moon, green star
    assert result["answer"] == (result["probabilities"][-1] > 0.5)
    assert result["unknown_words"] == []
    said = capsys.readouterr().out
    assert all(f"{p:.3f}" in said for p in result["probabilities"])
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_without_actions_the_question_is_about_now(
    model_folder: Path, picture: Path, csv: Path, tmp_path: Path
) -> None:
    now, later = tmp_path / "now.json", tmp_path / "later.json"
    assert ask(model_folder, picture, QUESTION, "--json", now) == 0
    assert ask(model_folder, picture, QUESTION, "--json", later, "--actions", csv) == 0
    (found,) = json.loads(now.read_text())["probabilities"]
    assert found == pytest.approx(json.loads(later.read_text())["probabilities"][0], abs=1e-5)


def test_a_header_is_not_needed(model_folder: Path, picture: Path, tmp_path: Path) -> None:
    csv = tmp_path / "bare.csv"
    csv.write_text("0.01,0.0\n")
    assert ask(model_folder, picture, QUESTION, "--actions", csv, "--json", tmp_path / "out.json") == 0
    assert len(json.loads((tmp_path / "out.json").read_text())["probabilities"]) == 2


def test_unknown_words_are_named(model_folder: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(model_folder, picture, "Is the gleaming red moon touching the green star?") == 0
    assert "'gleaming'" in capsys.readouterr().err


@pytest.mark.parametrize("question", ["", "   ", "?!", "wubba lubba", "red " * 100])
def test_unreadable_questions_are_refused(model_folder: Path, picture: Path, question: str, capsys) -> None:
    assert ask(model_folder, picture, question) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_picture_of_another_size_is_refused(model_folder: Path, tmp_path: Path, capsys) -> None:
    small = tmp_path / "small.png"
    small.write_bytes(encode_png(np.zeros((90, 160, 3), np.uint8)))
    assert ask(model_folder, small, QUESTION) == 1
    said = capsys.readouterr().err
    assert "(90, 160, 3)" in said
    assert "(180, 320, 3)" in said


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_refused(model_folder: Path, tmp_path: Path, content: bytes, capsys) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(content)
    assert ask(model_folder, broken, QUESTION) == 1
    assert "broken.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.01,0.0,0.0\n", "action 1"),
        ("dx,dy\n0.01,0.0\n0.01\n", "action 2"),
        ("dy,dx\n0.01,0.0\n", "action 1"),
        ("0.01,fast\n", "fast"),
        ("0.01,nan\n", "outside"),
        ("0.01,0.5\n", "outside"),
        ("0.01,inf\n", "outside"),
        ("0.0,0.0\n" * 21, "21 actions"),
        ("\xff\x00\xfe", "CSV"),
    ],
)
def test_wrong_actions_are_refused(
    model_folder: Path, picture: Path, tmp_path: Path, text: str, said: str, capsys
) -> None:
    csv = tmp_path / "wrong.csv"
    csv.write_bytes(text.encode("latin-1"))
    assert ask(model_folder, picture, QUESTION, "--actions", csv) == 1
    error = capsys.readouterr().err
    assert "wrong.csv" in error
    assert said in error


def test_a_missing_model_is_refused(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path / "nowhere", picture, QUESTION) == 1
    assert "nowhere" in capsys.readouterr().err
