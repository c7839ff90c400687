# SPDX-License-Identifier: Apache-2.0
"""The simulated OGBench stack for `ros2 launch`."""

from launch import LaunchDescription

from swm_ros.launching import simulated_stack


def generate_launch_description() -> LaunchDescription:
    """Nodes and arguments; `--show-args` lists them."""
    return simulated_stack("ogbench")
