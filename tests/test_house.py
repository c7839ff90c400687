# SPDX-License-Identifier: Apache-2.0
"""The rules of the house: who may import whom, licence headers, nothing that runs code out of a file."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("swm_core", "swm_ros", "sim_bridges")
LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENSED = (".py", ".sh", ".cmake")

ROS = {"rclpy", "swm_msgs", "sensor_msgs", "geometry_msgs", "std_msgs", "visualization_msgs", "cv_bridge", "launch_ros"}
SIMULATORS = {"pybullet", "pybullet_data", "mujoco", "ogbench"}
RUNS_CODE = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}

OF_ONE_ENVIRONMENT = {"__init__", "langtable_questions", "ogbench_questions", "places"}  # in swm_core/tasks
NAMES_ENVIRONMENTS = {
    "swm_core/environment.py", "swm_core/tasks/library.py", "swm_core/tasks/decompose.py",
    "swm_core/planning/settings.py", "swm_core/evaluation/paper.py",
}  # fmt: skip

# Nodes get tensors from swm_core ready made; a module of swm_ros that must touch torch itself is named here.
TORCH_IN_ROS: set[str] = set()


def source_files(*folders: str, endings: tuple[str, ...] = (".py",)) -> list[Path]:
    """Files with one of the endings under the folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*") if path.name.endswith(endings))


def imports(source: str) -> set[str]:
    """Top-level names of all absolute imports, those inside functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def forbidden(path: Path) -> set[str]:
    """Top-level names that the file must not import."""
    package = path.relative_to(ROOT).parts[0]
    if package == "swm_core":
        return ROS | SIMULATORS | {"sim_bridges", "swm_ros"}
    if package == "sim_bridges":
        return set() if "bridge" in path.stem else ROS | {"swm_ros"}
    if package == "swm_ros":
        return SIMULATORS | (set() if path.name in TORCH_IN_ROS else {"torch"})
    return set()


def unsafe_calls(source: str) -> Iterator[str]:
    """What in the source can run code that came in a file: a description with the line of each place."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: import {name}" for name in names if name.partition(".")[0] in RUNS_CODE)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in {"eval", "exec", "torch.load", "yaml.unsafe_load", "yaml.full_load"}:
            yield f"line {node.lineno}: {called}()"
        if called == "yaml.load" and "Safe" not in ast.unparse(node):
            yield f"line {node.lineno}: yaml.load() without a safe loader"
        for name in ("trust_remote_code", "allow_pickle"):
            if keywords.get(name, "False") != "False":
                yield f"line {node.lineno}: {name}={keywords[name]}"


@pytest.mark.parametrize("package", PACKAGES)
def test_import_rules(package: str) -> None:
    files = source_files(package)
    assert files
    broken = {
        str(path.relative_to(ROOT)): sorted(wrong)
        for path in files
        if (wrong := imports(path.read_text()) & forbidden(path))
    }
    assert not broken


def test_modules_that_may_use_torch_exist() -> None:
    assert {path.name for path in source_files("swm_ros")} >= TORCH_IN_ROS


def test_nothing_runs_code_from_files() -> None:
    broken = {
        str(path.relative_to(ROOT)): found
        for path in source_files(*PACKAGES, "benchmarks", "launch")
        if (found := list(unsafe_calls(path.read_text())))
    }
    assert not broken


def without_words(source: str) -> str:
    """The source without docstrings and comments."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0] = ast.Pass()
    return ast.unparse(tree)


def test_no_other_shared_module_names_an_environment() -> None:
    shared = [*source_files("swm_core", "swm_ros"), *(ROOT / "sim_bridges").glob("*.py")]
    found = {str(p.relative_to(ROOT)) for p in shared if re.search("langtable|ogbench", without_words(p.read_text()))}
    assert found - {f"swm_core/tasks/{name}.py" for name in OF_ONE_ENVIRONMENT} == NAMES_ENVIRONMENTS


def test_licence_headers() -> None:
    folders = (*PACKAGES, "swm_msgs", "launch", "benchmarks", "scripts", "tests")
    sources = [ROOT / "setup.py", *source_files(*folders, endings=LICENSED)]
    assert len(sources) > 20
    missing = [
        str(path.relative_to(ROOT)) for path in sources if LICENCE not in "".join(path.read_text().splitlines()[:2])
    ]
    assert not missing


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import rclpy.node", {"rclpy"}),
        ("def f():\n    from pybullet_data import x", {"pybullet_data"}),
        ("from . import rclpy", set()),
        ("import numpy as np, torch", {"numpy", "torch"}),
    ],
)
def test_imports_are_found(source: str, expected: set[str]) -> None:
    assert imports(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(p, weights_only=True)",
        "AutoModel.from_pretrained(p, trust_remote_code=True)",
        "np.load(p, allow_pickle=flag)",
        "yaml.load(text)",
        "x = eval(text)",
    ],
)
def test_unsafe_sources_are_found(source: str) -> None:
    assert list(unsafe_calls(source))


@pytest.mark.parametrize(
    "source", ["model.eval()", "yaml.safe_load(t)", "yaml.load(t, SafeLoader)", "np.load(p, allow_pickle=False)"]
)
def test_safe_sources_pass(source: str) -> None:
    assert not list(unsafe_calls(source))


def test_results_are_those_of_their_files() -> None:
    command = [sys.executable, str(ROOT / "docs/tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
