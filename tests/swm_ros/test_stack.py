# SPDX-License-Identifier: Apache-2.0
"""The description of the stack fits the nodes, the environment and the launch file."""

import dataclasses
import importlib
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from sim_bridges.bridge_node import BridgeConfig
from swm_core.environment import load_environment
from swm_core.errors import ConfigError
from swm_core.installation import shared_file
from swm_ros.guard import Guard, GuardConfig, Motion
from swm_ros.monitor_node import MonitorConfig
from swm_ros.perception_node import PerceptionConfig
from swm_ros.planner_config import PlannerNodeConfig
from swm_ros.stack import NAMESPACE, StackOptions, parameter_file, stack

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "guard": GuardConfig,
    "bridge": BridgeConfig,
    "perception": PerceptionConfig,
    "planner": PlannerNodeConfig,
    "monitor": MonitorConfig,
}
SPEC = load_environment("langtable").spec


def settings() -> dict:
    return yaml.safe_load(parameter_file("langtable").read_text())


def has(config: type, name: str) -> bool:
    """Whether a dotted setting exists."""
    head, _, rest = name.partition(".")
    kinds = {f.name: f for f in dataclasses.fields(config)}
    return head in kinds and (not rest or has(type(getattr(config(), head)), rest))


@pytest.mark.parametrize("mode", ["realtime", "lockstep"])
def test_every_parameter_exists_in_its_node(mode):
    options = StackOptions(mode=mode, goal="reach the red moon", planner="mppi", model_path="/m", seed=4)
    for process in stack(options):
        for name in process.parameters:
            assert has(CONFIGS[process.name], name), f"{process.name} has no {name}"


def test_every_setting_of_the_file_exists_and_every_node_has_a_section():
    found = settings()
    assert set(found) == {f"{NAMESPACE}/{name}" for name in CONFIGS}
    for node, section in found.items():
        config = CONFIGS[node.rpartition("/")[2]]
        config(**{k: tuple(v) if isinstance(v, list) else v for k, v in section["ros__parameters"].items()})


def test_the_guards_limits_are_those_of_the_environment():
    limits = settings()["/swm/guard"]["ros__parameters"]
    speed = SPEC.action_high[0] / SPEC.control_period
    assert limits["max_velocity"] == pytest.approx([speed, speed, 0.0])
    assert limits["control_period"] == SPEC.control_period
    assert limits["workspace_low"][:2] == pytest.approx(SPEC.workspace_low[:2])
    assert limits["workspace_high"][:2] == pytest.approx(SPEC.workspace_high[:2])
    assert limits["workspace_low"][2] <= SPEC.workspace_low[2] <= limits["workspace_high"][2]


def test_the_guard_leaves_actions_inside_the_bounds_as_they_are():
    """From one bound to the other: neither speed nor acceleration is cut, or plans would not be what is executed."""
    limits = {k: tuple(v) if isinstance(v, list) else v for k, v in settings()["/swm/guard"]["ros__parameters"].items()}
    guard = Guard(GuardConfig(**limits))
    guard.see_effector((0.4, 0.0, 0.01), 0.0)
    for i, sign in enumerate((1, -1, 1, -1)):
        asked = (sign * 0.3, -sign * 0.3, 0.0)
        out = guard.judge(Motion(asked, order=(1, 1, i)), 0.1 * i)
        assert out is not None
        assert out.linear == pytest.approx(asked)
    assert not guard.counts


def test_modules_have_the_main_functions_that_the_stack_and_the_console_scripts_name():
    scripts = (ROOT / "setup.py").read_text()
    for process in stack(StackOptions()):
        assert callable(importlib.import_module(process.module).main)
        assert f'"{process.executable} = {process.module}:main"' in scripts


def test_the_command_line_keeps_strings_strings():
    (planner,) = (p for p in stack(StackOptions(goal="reach the red moon", seed=7)) if p.name == "planner")
    line = planner.command(Path("file.yaml"))
    assert 'goal:="reach the red moon"' in line
    assert "seed:=7" in line
    assert line[line.index("--params-file") + 1] == "file.yaml"


def test_unknown_modes_and_missing_files_are_errors():
    with pytest.raises(ConfigError, match="lockstep"):
        StackOptions(mode="slow")
    with pytest.raises(ConfigError, match="nowhere"):
        shared_file("config/nowhere.yaml")


def test_rviz_shows_the_topics_that_exist():
    shown = (ROOT / "rviz/swm.rviz").read_text()
    from swm_ros import qos

    assert qos.MONITOR_IMAGE in shown
    assert qos.MONITOR_MARKERS in shown


@pytest.mark.skipif(importlib.util.find_spec("launch_ros") is None, reason="ROS's launch is not installed")
def test_the_launch_file_starts_what_the_stack_describes():
    from launch import LaunchContext
    from launch_ros.actions import Node

    specification = importlib.util.spec_from_file_location("sim_launch", ROOT / "launch/langtable_sim.launch.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    description = module.generate_launch_description()
    declared = {a.name: a for a in description.get_launch_arguments()}
    assert all(a.description for a in declared.values())
    context = LaunchContext()
    for name, argument in declared.items():
        context.launch_configurations[name] = "".join(s.text for s in argument.default_value)
    started = [n for n in module.nodes(context) if isinstance(n, Node)]
    assert [n.node_executable for n in started] == [p.executable for p in stack(StackOptions())]


def test_the_launch_file_offers_every_choice_of_the_stack():
    text = (ROOT / "launch/langtable_sim.launch.py").read_text()
    offered = {"mode", "seed", "goal", "planner", "model_path", "monitor"}
    assert offered <= {f.name for f in dataclasses.fields(StackOptions)}
    assert {*offered, "rviz"} <= set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', text))
