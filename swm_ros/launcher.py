# SPDX-License-Identifier: Apache-2.0
"""`swm-sim`: the simulated stack without ROS's own tools, one process a node, run by honcho.

When one node ends, all end, and the exit status tells it; Ctrl-C ends all. Nodes also end by themselves when this
process is gone.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from honcho.manager import Manager

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import ConfigError
from swm_ros.stack import ENVIRONMENT, LAUNCHER_PID, MODES, NodeProcess, StackOptions, parameter_file, stack


def run(
    processes: Sequence[NodeProcess],
    file: Path,
    client: list[str] | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> int:
    """Run nodes until a process ends or a signal comes.

    Args:
        processes: what to run.
        file: the nodes' parameters.
        client: command line of a further process; its end ends the stack and gives the exit status.
        environment: variables for the nodes, unless they are set already.

    Returns:
        Exit status: that of the process that ended first, 130 after Ctrl-C, 143 after SIGTERM.
    """
    env = {**environment, **os.environ, LAUNCHER_PID: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    manager = Manager()
    commands = {process.name: process.command(file) for process in processes}
    if client:
        commands["client"] = client
    for name, command in commands.items():
        manager.add_process(name, "exec " + shlex.join(command), env=env)  # no shell stays in between
    manager.loop()
    status = manager.returncode or 0
    return status if status >= 0 else 128 - status  # a node that was killed, as a shell tells it


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("environment", default=DEFAULT_ENVIRONMENT)
@click.option("--seed", default=0, show_default=True, help="Layout, and the planner's random numbers.")
@click.option("--goal", default="", help="Goal pursued from the start; with --demo it is sent by topic.")
@click.option("--mode", type=click.Choice(MODES), default="realtime", show_default=True, help="10 Hz, or step by step.")
@click.option("--planner", default="", help="gradient, mppi, none or random; by default the planner's own.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the weights; by default those shipped.")
@click.option("--monitor/--no-monitor", default=True, show_default=True, help="Whether the monitor node runs.")
@click.option("--keep-going", is_flag=True, help="Do not end a goal when the model holds it for reached (evaluation).")
@click.option("--demo", is_flag=True, help="Send the goal, film, and exit with 0 when it is truly reached.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Of --demo.")
@click.option("--timeout", default=45.0, show_default=True, help="Of --demo: longest time from goal to success, s.")
def main(
    environment: str, seed: int, goal: str, mode: str, planner: str, model: Path | None, monitor: bool,
    keep_going: bool, demo: bool, out: Path, timeout: float,
) -> None:  # fmt: skip
    """Run a simulated ENVIRONMENT with camera, world model, planner and guard as ROS 2 nodes."""
    options = StackOptions(environment, mode, seed, goal, planner, str(model or ""), monitor, not keep_going)
    client = None
    try:
        if demo:
            goal = goal or f"reach the {load_environment(environment).spec.default_objects[0]}"
            client = [sys.executable, "-m", "swm_ros.demo", "--goal", goal]
            client += ["--out", str(out), "--timeout", str(timeout)]
            options = replace(options, goal="", monitor=True)
        sys.exit(run(stack(options), parameter_file(options.environment), client))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
