# SPDX-License-Identifier: Apache-2.0
"""The documentation builds without a warning, its commands exist, and blocks under `<!-- runs -->` do."""

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from swm_core.cli import semworld

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
BLOCK = re.compile(r"(<!-- runs -->\n)?^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|\s)((?:semworld|swm-sim) .*)")


def blocks(page: Path) -> list[tuple[bool, str, str]]:
    """Code blocks of a page: whether it runs, language, text."""
    return [(bool(runs), language, text) for runs, language, text in BLOCK.findall(page.read_text())]


def lines() -> list[tuple[str, str]]:
    """Every command line of ours in a code block, with its page."""
    found = []
    for page in PAGES:
        for _, language, text in blocks(page):
            for line in text.replace("\\\n", " ").splitlines() if language == "sh" else ():
                found += [(page.name, match[1]) for match in [COMMAND.search(line)] if match]
    return found


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that the first words name, and the words after it."""
    if words[0] == "swm-sim":
        return import_module("swm_ros.launcher").main, words[1:]
    command, rest = semworld, words[1:]
    while isinstance(command, click.Group) and rest:
        below = command.get_command(click.Context(command), rest[0])
        if below is None:
            raise AssertionError(f"there is no command {' '.join(words[: len(words) - len(rest) + 1])!r}")
        command, rest = below, rest[1:]
    return command, rest


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/faults.md"])
def test_the_tests_that_pages_name_are_there(page: str) -> None:
    files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"(test_\w+\.py)?(?:::(test_\w+))?", (ROOT / page).read_text())
    found, file = [], ""
    for name, function in named:
        file = name or file  # "`test_a.py::test_b`, `::test_c`"
        found += [(file, function)] if name or function else []
    assert len(found) > 5
    for file, function in found:
        assert file in files, f"{page} names {file}"
        assert f"def {function}" in files[file], f"{page} names {file}::{function}"


@pytest.mark.parametrize(("page", "line"), lines())
def test_commands_in_the_docs_have_these_options(page: str, line: str) -> None:
    words = shlex.split(line.replace("$", ""), comments=True)
    if "|" in words:
        pytest.skip("a list of commands")
    command, rest = find(words)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known | {"--help"}


def test_commands_are_found() -> None:
    assert len(lines()) > 20
    with pytest.raises(AssertionError, match="no command 'semworld dance'"):
        find(["semworld", "dance"])


@pytest.mark.parametrize("page", [p for p in PAGES if any(runs for runs, _, _ in blocks(p))], ids=lambda p: p.stem)
def test_blocks_that_say_so_run(page: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for runs, language, text in blocks(page):
        if runs:
            command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
            done = subprocess.run(
                command, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stderr}"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parameters = (tmp_path / "site/reference/parameters.html").read_text()
    assert "planner.gradient.iterations" in parameters
    assert "/swm/goal_text" in (tmp_path / "site/quick_start.html").read_text()
    assert "--planner" in (tmp_path / "site/reference/commands.html").read_text()
    assert "chunk_value" in (tmp_path / "site/reference/python.html").read_text()
