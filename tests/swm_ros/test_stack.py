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
from sim_bridges.rehearsal_bridge import RehearsalConfig
from swm_core.environment import load_environment
from swm_core.errors import ConfigError
from swm_core.frames import Transform
from swm_core.installation import shared_file
from swm_core.planning.gradient import GradientConfig
from swm_core.planning.settings import PlannerConfig
from swm_ros.conversions import action_to_twist, vector
from swm_ros.guard import Guard
from swm_ros.guard_node import GuardNodeConfig
from swm_ros.manager_node import ManagerConfig
from swm_ros.monitor_node import MonitorConfig
from swm_ros.motion import Motion
from swm_ros.perception_node import PerceptionConfig
from swm_ros.planner_config import PlannerNodeConfig
from swm_ros.recorder_node import RecorderConfig
from swm_ros.robot_interface import RobotInterface
from swm_ros.stack import (
    ENVIRONMENT,
    EXECUTABLES,
    MANAGER,
    NAMESPACE,
    THREADS,
    RobotOptions,
    StackOptions,
    parameter_file,
    robot_environment,
    robot_stack,
    stack,
)
from swm_ros.web.web_monitor_node import WebMonitorConfig

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "guard": GuardNodeConfig,
    "bridge": BridgeConfig,
    "robot": RehearsalConfig,
    "camera": PerceptionConfig,
    "perception": PerceptionConfig,
    "planner": PlannerNodeConfig,
    "monitor": MonitorConfig,
    "manager": ManagerConfig,
    "recorder": RecorderConfig,
    "web_monitor": WebMonitorConfig,
}
ENVIRONMENTS = ("langtable", "ogbench")
every_environment = pytest.mark.parametrize("environment", ENVIRONMENTS)


SIMULATED = {"guard", "bridge", "perception", "planner", "monitor", "manager"}
SPEC = load_environment("langtable").spec
EXAMPLE, REHEARSAL = ROOT / "config/robot_example.yaml", ROOT / "config/robot_rehearsal.yaml"
FILES = [*map(parameter_file, ENVIRONMENTS), EXAMPLE, REHEARSAL]
SECTIONS = {"robot": RobotInterface, "planner": PlannerConfig, "gradient": GradientConfig}


def settings(file: Path) -> dict:
    return yaml.safe_load(file.read_text())


def configured(config: type, section: dict):
    """The dataclass of a node with the settings of a parameter file; unknown ones are errors."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in section.items()}
    return config(**{k: configured(SECTIONS[k], v) if isinstance(v, dict) else v for k, v in values.items()})


def guard_of(environment: str) -> GuardNodeConfig:
    return configured(GuardNodeConfig, settings(parameter_file(environment))["/swm/guard"]["ros__parameters"])


def has(config: type, name: str) -> bool:
    """Whether a dotted setting exists."""
    head, _, rest = name.partition(".")
    kinds = {f.name: f for f in dataclasses.fields(config)}
    return head in kinds and (not rest or has(type(getattr(config(), head)), rest))


@pytest.mark.parametrize("mode", ["realtime", "lockstep"])
def test_every_parameter_exists_in_its_node(mode):
    options = StackOptions(mode=mode, goal="reach the red moon", planner="mppi", model_path="/m", seed=4, web=True)
    for process in stack(options):
        for name in set(process.parameters) - {"autostart"}:  # every managed node has that one
            assert has(CONFIGS[process.name], name), f"{process.name} has no {name}"


@every_environment
def test_every_node_of_a_simulated_stack_has_a_section_of_its_environment(environment):
    found = settings(parameter_file(environment))
    assert set(found) == {f"{NAMESPACE}/{name}" for name in SIMULATED}
    for node, section in found.items():
        assert node in ("/swm/guard", "/swm/manager") or section["ros__parameters"]["environment"] == environment


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_setting_of_the_files_exists(file):
    for node, section in settings(file).items():
        configured(CONFIGS[node.rpartition("/")[2]], section["ros__parameters"])


def test_the_example_of_a_robot_is_safe_as_it_stands():
    guard = configured(GuardNodeConfig, settings(EXAMPLE)["/swm/guard"]["ros__parameters"])
    assert guard.robot.dry_run
    assert guard.speed_scale == 0.1
    assert guard.limit_workspace
    assert guard.keep_out_boxes


def test_the_commented_settings_of_the_example_exist_too():
    """With them in place of what they stand beside."""
    text = re.sub(r"(?m)^    # (\w+: .*)$", r"    \1", EXAMPLE.read_text())
    section = yaml.safe_load(text)["/swm/perception"]["ros__parameters"]
    config = configured(PerceptionConfig, section)
    assert (config.source, config.publish_tf) == ("device", True)
    rotation = Transform.from_numbers(config.camera_pose, "pose").rotation.T
    assert rotation == pytest.approx(np.array(SPEC.camera.rotation), abs=1e-4)


def test_a_robots_stack_has_the_nodes_of_its_file_guard_first():
    *processes, manager = robot_stack(RobotOptions(EXAMPLE))
    assert [p.name for p in processes] == ["guard", "perception", "planner", "monitor"]
    assert all(dict(p.parameters) == {"autostart": False} for p in processes), "the file is not to be overridden"
    assert manager.parameters["nodes"] == [p.name for p in processes]
    assert robot_environment(processes) == THREADS
    rehearsal = robot_stack(RobotOptions(REHEARSAL))
    assert [p.name for p in rehearsal] == ["guard", "robot", "perception", "planner", "manager"]
    assert robot_environment(rehearsal) == ENVIRONMENT


def test_a_robots_stack_is_split_over_machines_by_name_and_overridden_by_choice():
    (planner,) = robot_stack(RobotOptions(EXAMPLE, ("planner",), goal="reach the red moon", planner="mppi"))
    assert dict(planner.parameters) == {"autostart": False, "goal": "reach the red moon", "planner.planner": "mppi"}
    guard, manager = robot_stack(RobotOptions(EXAMPLE, ("guard",), dry_run=False, speed_scale=0.5))
    assert dict(guard.parameters) == {"autostart": False, "robot.dry_run": False, "speed_scale": 0.5}
    assert manager.parameters["nodes"] == ["guard", "perception", "planner", "monitor"], "those elsewhere, too"
    for process in robot_stack(RobotOptions(EXAMPLE, dry_run=True, speed_scale=1.0, stop_when_complete=False)):
        assert all(has(CONFIGS[process.name], name) for name in process.parameters if name != "autostart")


def test_the_camera_can_be_tried_alone_with_a_file_that_has_no_guard(tmp_path):
    file = tmp_path / "camera.yaml"
    file.write_text("/swm/perception: {}")
    (perception,) = robot_stack(RobotOptions(file))
    assert not perception.parameters, "it brings itself up"


@pytest.mark.parametrize(
    ("text", "nodes", "said"),
    [
        ("/swm/guard: {}", ("arm",), "no section /swm/arm"),
        ("/swm/guard: {}", ("planner",), "no section /swm/planner"),
        ("/swm/arm: {}", (), "arm"),
        ("", (), "no sections"),
        ("a: [", (), "cannot be read"),
    ],
)
def test_files_that_describe_no_robot_are_errors(tmp_path, text, nodes, said):
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        robot_stack(RobotOptions(file, nodes))


def test_the_manager_brings_up_all_others_guard_first_and_only_the_guard_is_not_restarted():
    *managed, manager = stack(StackOptions())
    assert manager.parameters["nodes"] == [n.name for n in managed]
    assert managed[0].name == "guard"
    assert not any(n.parameters["autostart"] for n in managed)
    assert [n.name for n in (*managed, manager) if not n.restarts] == ["guard"]


def test_on_a_robot_no_node_is_started_again():
    assert not any(n.restarts for n in robot_stack(RobotOptions(EXAMPLE)))


@every_environment
def test_the_guards_limits_are_those_of_the_environment(environment):
    limits, spec = guard_of(environment), load_environment(environment).spec
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
    guard, spec = Guard(guard_of(environment)), load_environment(environment).spec
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
    for executable, module in (*EXECUTABLES.values(), (MANAGER.executable, MANAGER.module)):
        assert callable(importlib.import_module(module).main)
        assert f'"{executable} = {module}:main"' in scripts


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
@pytest.mark.parametrize(
    ("file", "given", "processes"),
    [
        *((f"{name}_sim", {}, stack(StackOptions(name))) for name in ENVIRONMENTS),
        ("robot", {"config": str(EXAMPLE)}, robot_stack(RobotOptions(EXAMPLE))),
        (
            "robot",
            {"config": str(EXAMPLE), "nodes": "guard", "speed_scale": "0.5"},
            robot_stack(RobotOptions(EXAMPLE, ("guard",))),
        ),
    ],
)
def test_the_launch_files_start_what_the_stack_describes(file, given, processes):
    from launch import LaunchContext
    from launch.actions import OpaqueFunction
    from launch_ros.actions import Node

    specification = importlib.util.spec_from_file_location(file, ROOT / f"launch/{file}.launch.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    description = module.generate_launch_description()
    declared = {a.name: a for a in description.get_launch_arguments()}
    assert all(a.description for a in declared.values())
    context = LaunchContext()
    for name, argument in declared.items():
        default = "".join(s.text for s in argument.default_value or ())
        context.launch_configurations[name] = given.get(name, default)
    (starts,) = (e for e in description.entities if isinstance(e, OpaqueFunction))
    started = [n for n in starts.execute(context) if isinstance(n, Node)]
    assert [n.node_executable for n in started] == [p.executable for p in processes]


def test_the_launch_files_offer_every_choice_of_the_stack():
    text = (ROOT / "swm_ros/launching.py").read_text()
    offered = {"mode", "seed", "goal", "planner", "model_path", "monitor"}
    assert offered <= {f.name for f in dataclasses.fields(StackOptions)}
    simulated = {path.name for path in (ROOT / "launch").glob("*_sim.launch.py")}
    assert {f"{name}_sim.launch.py" for name in ENVIRONMENTS} == simulated
    assert {*offered, "rviz"} <= set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', text))
    offered = {f.name for f in dataclasses.fields(RobotOptions)} - {"stop_when_complete"}  # of evaluation only
    text = (ROOT / "launch/robot.launch.py").read_text()
    assert offered == set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', text))
