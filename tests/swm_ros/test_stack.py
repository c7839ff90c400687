# SPDX-License-Identifier: Apache-2.0
"""The description of the stack fits the nodes, the environment and the launch file."""

import dataclasses
import importlib
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim_bridges.bridge_node import BridgeConfig
from swm_core.environment import load_environment
from swm_core.errors import ConfigError
from swm_core.installation import shared_file
from swm_core.planning.settings import PlannerConfig
from swm_ros.conversions import action_to_twist, vector
from swm_ros.guard import Guard
from swm_ros.guard_config import GuardConfig
from swm_ros.monitor_node import MonitorConfig
from swm_ros.motion import Motion
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
ENVIRONMENTS = ("langtable", "ogbench")
every_environment = pytest.mark.parametrize("environment", ENVIRONMENTS)


def settings(environment: str) -> dict:
    return yaml.safe_load(parameter_file(environment).read_text())


def tuples(found: dict) -> dict:
    """Lists as tuples, as nodes get them."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}


def guard_limits(environment: str) -> dict:
    return tuples(settings(environment)["/swm/guard"]["ros__parameters"])


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


@every_environment
def test_every_setting_of_the_file_exists_and_every_node_has_a_section(environment):
    found = settings(environment)
    assert set(found) == {f"{NAMESPACE}/{name}" for name in CONFIGS}
    for node, section in found.items():
        config = CONFIGS[node.rpartition("/")[2]]
        given = tuples(section["ros__parameters"])
        assert node == "/swm/guard" or given["environment"] == environment
        if "planner" in given:
            given["planner"] = PlannerConfig(**tuples(given["planner"]))
        config(**given)


@every_environment
def test_the_guards_limits_are_those_of_the_environment(environment):
    limits, spec = GuardConfig(**guard_limits(environment)), load_environment(environment).spec
    rates = {name: high / spec.control_period for name, high in zip(spec.action_names, spec.action_high, strict=True)}
    assert limits.max_velocity == pytest.approx([rates.get(name, 0.0) for name in ("dx", "dy", "dz")])
    assert limits.max_angular_velocity == pytest.approx([0.0, 0.0, rates.get("dyaw", 0.0)])
    assert limits.max_gripper_rate == pytest.approx(rates.get("gripper", 0.0))
    assert limits.control_period == spec.control_period
    assert limits.workspace_low[:2] == pytest.approx(spec.workspace_low[:2])
    assert limits.workspace_high[:2] == pytest.approx(spec.workspace_high[:2])
    assert limits.workspace_low[2] <= spec.workspace_low[2]
    assert limits.workspace_high[2] >= spec.workspace_high[2]


@every_environment
def test_the_guard_leaves_actions_inside_the_bounds_as_they_are(environment):
    """From one bound to the other: neither speed nor acceleration is cut, or plans would not be what is executed."""
    guard, spec = Guard(GuardConfig(**guard_limits(environment))), load_environment(environment).spec
    middle = tuple((a + b) / 2 for a, b in zip(spec.workspace_low, spec.workspace_high, strict=True))
    for i, action in enumerate((spec.action_high, spec.action_low) * 2):
        twist, gripper = action_to_twist(np.float32(action), spec)
        asked = Motion(vector(twist.twist.linear), vector(twist.twist.angular), gripper, order=(1, 1, i))
        guard.see_effector(middle, 0.1 * i)
        out = guard.judge(asked, 0.1 * i)
        assert out is not None
        assert (*out.linear, *out.angular, out.gripper) == pytest.approx((*asked.linear, *asked.angular, asked.gripper))
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
@every_environment
def test_the_launch_file_starts_what_the_stack_describes(environment):
    from launch import LaunchContext
    from launch_ros.actions import Node

    from swm_ros.launching import nodes

    specification = importlib.util.spec_from_file_location("sim_launch", ROOT / f"launch/{environment}_sim.launch.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    description = module.generate_launch_description()
    declared = {a.name: a for a in description.get_launch_arguments()}
    assert all(a.description for a in declared.values())
    context = LaunchContext()
    for name, argument in declared.items():
        context.launch_configurations[name] = "".join(s.text for s in argument.default_value)
    started = [n for n in nodes(context, environment) if isinstance(n, Node)]
    assert [n.node_executable for n in started] == [p.executable for p in stack(StackOptions())]


def test_the_launch_files_offer_every_choice_of_the_stack():
    text = (ROOT / "swm_ros/launching.py").read_text()
    offered = {"mode", "seed", "goal", "planner", "model_path", "monitor"}
    assert offered <= {f.name for f in dataclasses.fields(StackOptions)}
    assert {f"{name}_sim.launch.py" for name in ENVIRONMENTS} == {path.name for path in (ROOT / "launch").glob("*.py")}
    assert {*offered, "rviz"} <= set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', text))
