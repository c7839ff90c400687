# SPDX-License-Identifier: Apache-2.0
"""The part of the audit that needs no network: each dependency is pinned, within its range, and installed as pinned."""

import ast
import importlib.metadata
import os
import re
import sysconfig
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
UNPINNED = {"setuptools"}  # every Python environment brings its own


own_environment = pytest.mark.skipif("ROS_DISTRO" in os.environ, reason="an installed ROS 2 brings its own versions")


def lines(file: str) -> list[Requirement]:
    text = (ROOT / "requirements" / file).read_text()
    return [Requirement(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins() -> dict[str, Version]:
    """Versions pinned for this Python, by name."""
    found = [r for file in ("constraints.txt", "ros.txt") for r in lines(file)]
    return {
        canonicalize_name(r.name): Version(next(iter(r.specifier)).version)
        for r in found
        if r.marker is None or r.marker.evaluate()
    }


def installed() -> list[importlib.metadata.Distribution]:
    """What is in this environment, without what tests pretend."""
    places = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    return list(importlib.metadata.distributions(path=sorted(places)))


def declared() -> list[Requirement]:
    """What setup.py asks for, extras included: each text in it that is a requirement with a range, and setuptools."""
    texts = {n.value for n in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if isinstance(n, ast.Constant)}
    ranges = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z]+\])?[<>=!~]=?[^ ]*$")
    return [Requirement(text) for text in texts if isinstance(text, str) and ranges.match(text)]


@pytest.mark.parametrize("file", ["constraints.txt", "ros.txt"])
def test_each_line_pins_one_version(file):
    for requirement in lines(file):
        assert [s.operator for s in requirement.specifier] == ["=="], requirement
        assert "*" not in str(requirement.specifier), requirement
        assert requirement.url is None, f"{requirement} comes from an address, not from the index"


def test_what_is_asked_for_is_pinned_within_its_range():
    found, asked = pins(), declared()
    assert len(asked) > 25, "setup.py is read wrongly"
    for requirement in asked:
        if requirement.marker is None or requirement.marker.evaluate():
            pin = found.get(canonicalize_name(requirement.name))
            assert pin is not None, f"{requirement} is not pinned"
            assert pin in requirement.specifier, f"{requirement} is pinned to {pin}"


@own_environment
def test_what_is_installed_is_what_is_pinned():
    found, other = pins(), []
    for distribution in installed():
        name = canonicalize_name(distribution.metadata["Name"])
        if name in found and Version(distribution.version).public != found[name].public:
            other.append(f"{name} {distribution.version}, pinned to {found[name]}")
    assert not other, "run make setup"


@own_environment
def test_what_is_installed_is_pinned():
    found = {*pins(), "pip", "swm-ros", "swm-msgs", *UNPINNED}
    names = {canonicalize_name(d.metadata["Name"]) for d in installed()}
    strange = {name for name in names if not {name, f"ros-{name}"} & found}  # ROS's wheels hold packages without "ros-"
    assert not strange, "not pinned, so that the next machine may get another version"
