# SPDX-License-Identifier: Apache-2.0
"""Stacks for `ros2 launch`, made from `swm_ros.stack`; imported by the files in launch/ alone.

Needs ROS's own launch, which does not come from PyPI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from swm_core.installation import PACKAGE, shared_file
from swm_ros.stack import (
    CANNOT_BEGIN,
    ENVIRONMENT,
    MODES,
    NAMESPACE,
    NodeProcess,
    StackOptions,
    Value,
    parameter_file,
    stack,
)

ARGUMENTS = (
    DeclareLaunchArgument("mode", default_value="realtime", choices=MODES, description="10 Hz, or one step a command"),
    DeclareLaunchArgument(
        "seed", default_value="0", description="layout of the objects and the planner's random numbers"
    ),
    DeclareLaunchArgument("goal", default_value="", description="goal pursued from the start; empty: wait for one"),
    DeclareLaunchArgument(
        "planner", default_value="", description="gradient, mppi, none or random; empty: the default"
    ),
    DeclareLaunchArgument("model_path", default_value="", description="folder of the weights; empty: those shipped"),
    DeclareLaunchArgument("monitor", default_value="true", description="whether the monitor node runs"),
    DeclareLaunchArgument("web", default_value="false", description="whether the page on http://127.0.0.1:8080 runs"),
    DeclareLaunchArgument(
        "record",
        default_value="false",
        description="record as MCAP: true for a file in this folder, or a file or folder",
    ),
    DeclareLaunchArgument("rviz", default_value="false", description="whether rviz2 is opened"),
)


def typed(values: Mapping[str, Value | Sequence[str]]) -> list[dict[str, ParameterValue]]:
    """Parameters that keep their type: launch would read a goal text as YAML. Nothing for none."""

    def kind(value: Value | Sequence[str]) -> object:
        return type(value) if isinstance(value, Value) else list[str]

    return [{name: ParameterValue(value, value_type=kind(value)) for name, value in values.items()}] if values else []


def at_exit(process: NodeProcess) -> Callable[[ProcessExited, LaunchContext], Shutdown | None]:
    """What follows the end of a node: all end, unless it is one that launch starts again."""

    def decide(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        again = process.restarts and event.returncode != CANNOT_BEGIN
        return None if again else Shutdown(reason=f"{process.name} ended")

    return decide


def node_actions(processes: Sequence[NodeProcess], file: Path) -> list[Node]:
    """An action for each node; when one ends that is not to be started again, all end.

    Args:
        processes: the nodes.
        file: their parameters.
    """
    return [
        Node(
            package=PACKAGE,
            executable=process.executable,
            name=process.name,
            namespace=NAMESPACE,
            parameters=[str(file), *typed(process.parameters)],
            ros_arguments=["--enclave", process.enclave],
            output="screen",
            respawn=process.restarts,
            respawn_delay=1.0,
            on_exit=at_exit(process),
        )
        for process in processes
    ]


def environment_actions(variables: Mapping[str, str]) -> list[SetEnvironmentVariable]:
    """Set environment variables that are not set yet."""
    return [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=value))
        for name, value in variables.items()
    ]


def nodes(context: LaunchContext, environment: str) -> list[LaunchDescriptionEntity]:
    """The nodes of an environment's stack for the arguments given, and rviz where it is wanted."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ("mode", "goal", "planner", "model_path")}
    seed = int(LaunchConfiguration("seed").perform(context))
    switches = {
        name: LaunchConfiguration(name).perform(context).lower() in ("true", "1") for name in ("monitor", "web", "rviz")
    }
    wanted = LaunchConfiguration("record").perform(context)
    record = {"true": ".", "1": ".", "false": "", "0": ""}.get(wanted.lower(), wanted)
    shown = {name: switches[name] for name in ("monitor", "web")}
    options = StackOptions(environment, seed=seed, record=record, **shown, **given)
    found: list[LaunchDescriptionEntity] = [*node_actions(stack(options), parameter_file(options.environment))]
    if switches["rviz"]:
        found.append(Node(package="rviz2", executable="rviz2", arguments=["-d", str(shared_file("rviz/swm.rviz"))]))
    return found


def simulated_stack(environment: str) -> LaunchDescription:
    """Arguments, discovery on this machine only (unless set), nodes."""
    started = OpaqueFunction(function=partial(nodes, environment=environment))
    return LaunchDescription([*ARGUMENTS, *environment_actions(ENVIRONMENT), started])
