# SPDX-License-Identifier: Apache-2.0
"""`swm-robot`: the stack on a robot that a file describes, without ROS's own tools."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from swm_core.errors import ConfigError
from swm_ros.launcher import run
from swm_ros.stack import RobotOptions, names_of_nodes, robot_environment, robot_stack


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The file that describes the robot.")
@click.option("--nodes", default="", help="Of the file's nodes, those that run here (comma-separated); by default all.")
@click.option("--goal", default="", help="Goal pursued from the start.")
@click.option("--planner", default="", help="gradient, mppi, none or random; by default as the file says.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the weights; by default as the file says.")
@click.option("--dry-run/--live", default=None, help="Whether no command leaves; by default as the file says.")
@click.option("--speed-scale", type=float, help="Factor on every velocity (0.1: slow mode); by default as in the file.")
@click.option("--keep-going", is_flag=True, help="Do not end a goal when the model holds it for reached (evaluation).")
def main(
    config: Path, nodes: str, goal: str, planner: str, model: Path | None, dry_run: bool | None,
    speed_scale: float | None, keep_going: bool,
) -> None:  # fmt: skip
    """Run the stack on the robot that a file describes. Read docs/deploy.md first."""
    chosen = names_of_nodes(nodes)
    options = RobotOptions(
        config, chosen, goal, planner, str(model or ""), dry_run, speed_scale, stop_when_complete=not keep_going
    )
    try:
        processes = robot_stack(options)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(run(processes, config, environment=robot_environment(processes)))


if __name__ == "__main__":
    main()
