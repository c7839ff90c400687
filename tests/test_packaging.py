# SPDX-License-Identifier: Apache-2.0
"""What pip, colcon and rosdep read: versions agree, keys resolve, entry points and shared files exist."""

import ast
import configparser
import importlib.util
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("swm_core", "swm_ros", "sim_bridges")
MANIFESTS = (ROOT / "package.xml", ROOT / "swm_msgs" / "package.xml")

# Checked against rosdistro: ROS packages in the jazzy and kilted distributions, system packages in rosdep/python.yaml
# with both a Debian and an Ubuntu entry.
ROS_KEYS = {
    "action_msgs", "ament_cmake", "ament_index_python", "builtin_interfaces", "cv_bridge", "diagnostic_msgs",
    "geometry_msgs", "launch", "launch_ros", "lifecycle_msgs", "nav_msgs", "rcl_interfaces", "rclpy", "ros2launch",
    "rosidl_default_generators", "rosidl_default_runtime", "rviz2", "sensor_msgs", "std_msgs", "std_srvs",
    "tf2_msgs", "visualization_msgs",
}  # fmt: skip
SYSTEM_KEYS = {
    "python3-click", "python3-imageio", "python3-matplotlib", "python3-numpy", "python3-opencv", "python3-pil",
    "python3-psutil", "python3-pytest", "python3-tqdm", "python3-yaml",
}  # fmt: skip


def dependencies(manifest: Path) -> set[str]:
    """Keys that the manifest asks rosdep for."""
    package = ET.parse(manifest).getroot()  # noqa: S314, our own file
    return {(element.text or "").strip() for element in package if element.tag.endswith("depend")}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=["swm_ros", "swm_msgs"])
def test_manifest_keys_are_known_to_rosdep(manifest: Path) -> None:
    keys = dependencies(manifest)
    assert keys
    assert keys - ROS_KEYS - SYSTEM_KEYS - {"swm_msgs"} == set()


@pytest.mark.parametrize("manifest", MANIFESTS, ids=["swm_ros", "swm_msgs"])
def test_manifest_has_what_colcon_and_bloom_ask_for(manifest: Path) -> None:
    package = ET.parse(manifest).getroot()  # noqa: S314, our own file
    assert package.get("format") == "3"
    assert package.findtext("license") == "Apache-2.0"
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", package.find("maintainer").get("email"))
    assert package.findtext("export/build_type") in {"ament_python", "ament_cmake"}


def test_versions_agree() -> None:
    found = {str(path): ET.parse(path).getroot().findtext("version") for path in MANIFESTS}  # noqa: S314, our own files
    for name in ("setup.py", "swm_msgs/pyproject.toml"):
        found[name] = re.search(r'^\s*version ?= ?"([^"]+)"', (ROOT / name).read_text(), re.MULTILINE)[1]
    assert len(set(found.values())) == 1, found


def test_ros_imports_are_declared() -> None:
    used = set()
    for folder in ("swm_ros", "sim_bridges"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    used.add(node.module.partition(".")[0])
                elif isinstance(node, ast.Import):
                    used |= {alias.name.partition(".")[0] for alias in node.names}
    assert "rclpy" in used
    assert used & (ROS_KEYS | {"swm_msgs"}) <= dependencies(ROOT / "package.xml")


def test_what_pip_installs_is_a_rosdep_key_or_told_to_come_from_pypi() -> None:
    manifest = (ROOT / "package.xml").read_text()
    told = set(re.findall(r"[\w-]+", manifest.partition("<package")[0])) | {"setuptools"}  # the last comes with ament
    renamed = {"opencv-python-headless": "opencv", "pillow": "pil", "pyyaml": "yaml"}
    call = next(n for n in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if isinstance(n, ast.keyword)
                and n.arg == "install_requires")  # fmt: skip
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in ast.literal_eval(call.value)}
    keys = dependencies(ROOT / "package.xml")
    assert names
    assert not {n for n in names - told if f"python3-{renamed.get(n, n)}" not in keys}


def test_interface_packages_of_messages_are_declared() -> None:
    used = set()
    for kind in ("msg", "srv", "action"):
        for path in (ROOT / "swm_msgs" / kind).iterdir():
            fields = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
            used |= set(re.findall(r"^(\w+)/[A-Z]\w*", "\n".join(fields), re.MULTILINE))
    cmake = (ROOT / "swm_msgs" / "CMakeLists.txt").read_text()
    assert used
    assert used - {"swm_msgs"} <= dependencies(ROOT / "swm_msgs" / "package.xml")
    assert all(f"find_package({name} REQUIRED)" in cmake for name in used - {"swm_msgs"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns(".*", "build", "install", "log", "out", "runs", "data", "*.egg-info")

    def ignore(directory: str, names: list[str]) -> set[str]:
        return left_out(directory, names) if Path(directory) == ROOT else set()

    shutil.copytree(ROOT, folder / "source", ignore=ignore)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "source"]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_entry_points_lead_to_code(wheel: zipfile.ZipFile) -> None:
    parser = configparser.ConfigParser()
    parser.optionxform = str
    listing = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    parser.read_string(wheel.read(listing).decode())
    entries = dict(parser["console_scripts"]) | dict(parser["semworld.environments"])
    assert {"semworld", "swm-sim", "planner", "guard", "bridge", "langtable", "ogbench"} <= set(entries)
    assert not [value for value in entries.values() if not defines(*value.split(":"))]


def defines(module: str, attribute: str) -> bool:
    """Whether the module's source defines or imports the name (without running the module)."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return False
    names = set()
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return attribute in names


def test_wheel_carries_what_ros_looks_for(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    shared = {name.partition(".data/data/share/")[2] for name in names}
    launch_files = [path.name for path in (ROOT / "launch").glob("*.launch.py")]
    assert launch_files
    assert {"ament_index/resource_index/packages/swm_ros", "swm_ros/package.xml"} <= shared
    assert {f"swm_ros/launch/{name}" for name in launch_files} <= shared


def test_wheel_carries_all_modules(wheel: zipfile.ZipFile) -> None:
    modules = {str(path.relative_to(ROOT)) for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
    assert modules - set(wheel.namelist()) == set()
