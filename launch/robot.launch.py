# SPDX-License-Identifier: Apache-2.0
"""The stack on a robot that a file describes, for `ros2 launch`; see docs/deploy.md first."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from swm_ros.launching import environment_actions, node_actions
from swm_ros.stack import RobotOptions, names_of_nodes, robot_environment, robot_stack

AS_IN_FILE = "empty: as the file says"
ARGUMENTS = (
    DeclareLaunchArgument("config", description="the file that describes the robot, such as config/robot_example.yaml"),
    DeclareLaunchArgument(
        "nodes", default_value="", description="of the file's nodes, those that run here (comma-separated); empty: all"
    ),
    DeclareLaunchArgument("goal", default_value="", description="goal pursued from the start; empty: wait for one"),
    DeclareLaunchArgument("planner", default_value="", description=f"gradient, mppi, none or random; {AS_IN_FILE}"),
    DeclareLaunchArgument("model_path", default_value="", description=f"folder of the weights; {AS_IN_FILE}"),
    DeclareLaunchArgument(
        "dry_run", default_value="", choices=("", "true", "false"), description=f"no command leaves; {AS_IN_FILE}"
    ),
    DeclareLaunchArgument(
        "speed_scale", default_value="", description=f"factor on every velocity, 0.1 for slow mode; {AS_IN_FILE}"
    ),
)


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes for the arguments given; when one ends, all end."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    options = RobotOptions(
        Path(given["config"]),
        names_of_nodes(given["nodes"]),
        given["goal"],
        given["planner"],
        given["model_path"],
        given["dry_run"] == "true" if given["dry_run"] else None,
        float(given["speed_scale"]) if given["speed_scale"] else None,
    )
    processes = robot_stack(options)
    return [*environment_actions(robot_environment(processes)), *node_actions(processes, options.config)]


def generate_launch_description() -> LaunchDescription:
    """Arguments, then nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=nodes)])
