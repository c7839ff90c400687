# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import pytest

from swm_core.cli import COMMANDS, main


@pytest.mark.parametrize("command", ["collect", "saqa", "validate"])
def test_every_command_has_help_and_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_top_level_help_imports_no_command() -> None:
    code = "from swm_core.cli import main; main(['--help']); import sys; sys.exit('swm_core.commands' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


def test_collect_writes_results(environment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["collect", "tabletop", "--out", str(tmp_path / "set"), "--behaviour", "chase:2,wander:1", "--seeds", "3:5"]
    assert main([*words, "--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["behaviours"]["chase"]["episodes"] == 2
    assert result["behaviours"]["wander"]["steps"] == 40
    assert "chase" in capsys.readouterr().out


def test_validate_reports_the_bad_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = folder / "chase" / "00000-000.parquet"
    assert main(["validate", str(good), "--picture", str(tmp_path / "e.png")]) == 0
    assert cv2.imread(str(tmp_path / "e.png")).std() > 10
    (tmp_path / "good.parquet").write_bytes(good.read_bytes())
    (tmp_path / "bad.parquet").write_bytes(good.read_bytes()[:-100])
    assert main(["validate", str(tmp_path), "--json", str(tmp_path / "v.json")]) == 1
    assert "bad.parquet: cannot be read" in capsys.readouterr().err
    result = json.loads((tmp_path / "v.json").read_text())
    assert (result["episodes"], len(result["errors"])) == (2, 1)


def test_saqa_shows_draws_reports_and_exports(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, picture = tmp_path / "s.parquet", tmp_path / "s.png"
    words = ["saqa", str(folder), "--samples", "20", "--show", "2", "--report"]
    assert main([*words, "--picture", str(picture), "--write", str(out), "--json", str(tmp_path / "s.json")]) == 0
    text = capsys.readouterr().out
    assert "block_touching" in text
    assert text.count("h = ") == 2
    assert cv2.imread(str(picture)).std() > 10
    table = pq.read_table(out)
    assert table.column_names == ["file", "t", "horizon", "actions", "type", "question", "answer"]
    assert all(len(row["actions"]) == row["horizon"] for row in table.slice(0, 50).to_pylist())
    result = json.loads((tmp_path / "s.json").read_text())
    assert result["ms_per_sample"] > 0
    assert {row["type"] for row in result["balance"]} >= {"block_move", "locate"}


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["collect", "moonbase", "--out", str(tmp_path), "--behaviour", "x"]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("error: no environment 'moonbase'")
    assert main(["collect"]) == 2
