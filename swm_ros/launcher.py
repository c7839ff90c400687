# SPDX-License-Identifier: Apache-2.0
"""`swm-sim`: the simulated stack without ROS's own tools, one process a node, run by honcho.

A node that has ended is started again, and the manager brings it up. When the guard has ended, or a node that cannot
begin, all end, and the exit status tells it; Ctrl-C takes the nodes down in order. Nodes also end by themselves when
this process is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import psutil
from honcho.manager import Manager
from honcho.process import Process

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import ConfigError
from swm_ros.stack import (
    CANNOT_BEGIN,
    ENVIRONMENT,
    LAUNCHER_PID,
    MODES,
    NodeProcess,
    StackOptions,
    parameter_file,
    stack,
)

TAKING_DOWN = 3.0  # s that the manager has for taking the nodes down in order
MOST_RESTARTS = 5  # of one node within
RESTART_WINDOW = 60.0  # s; one that ends more often is broken


class _Restarting(Process):
    """A process that is started again when it has ended; honcho is told only of its last end."""

    def __init__(self, *arguments: Any, ending: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ending, self._ends, self._again = ending, deque(maxlen=MOST_RESTARTS + 1), True

    def run(self, *arguments: Any) -> None:
        while self._again:
            self._again = False
            super().run(*arguments)

    def _send_message(self, data: Any, type: str = "line") -> None:
        if type == "stop" and self._is_to_restart(data["returncode"]):
            self._again, type = True, "line"
            data = f"ended (rc={data['returncode']}) and is started again\n".encode()
        super()._send_message(data, type)

    def _is_to_restart(self, status: int) -> bool:
        now = time.monotonic()
        self._ends.append(now)
        often = len(self._ends) > MOST_RESTARTS and now - self._ends[0] < RESTART_WINDOW
        return status != CANNOT_BEGIN and not often and not self._ending.is_set()


class _Stack(Manager):
    """honcho's manager of processes, with restarts and an ordered end."""

    def __init__(self) -> None:
        super().__init__()
        self._ending = multiprocessing.Event()

    def add_restarting(self, name: str, command: str, env: dict[str, str]) -> None:
        """Add a process that is started again when it has ended."""
        plain, self._process_ctor = self._process_ctor, lambda *a, **o: _Restarting(*a, ending=self._ending, **o)
        self.add_process(name, command, env=env)
        self._process_ctor = plain

    def terminate(self) -> None:
        """Let the stack's manager take the nodes down, then end what is left, the guard last."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._end(["manager"], signal.SIGINT)
        self._end([name for name in self._processes if name != "guard"], signal.SIGTERM)
        super().terminate()

    def _end(self, names: list[str], number: int) -> None:
        """Send a signal to those that still run, and give them time to end."""
        running = []
        for entry in (self._processes[name] for name in names if name in self._processes):
            with suppress(psutil.Error):
                if "pid" in entry and "returncode" not in entry:
                    process = psutil.Process(entry["pid"])
                    process.send_signal(number)
                    running.append(process)
        psutil.wait_procs(running, timeout=TAKING_DOWN)


def run(
    nodes: Sequence[NodeProcess],
    file: Path,
    client: list[str] | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> int:
    """Run a stack until a process that is not started again ends, or a signal comes.

    Args:
        nodes: what to run.
        file: their parameter file.
        client: command line of a further process; its end ends the stack and gives the exit status.
        environment: variables for the nodes, unless they are set already.

    Returns:
        Exit status: that of the process that ended first, 130 after Ctrl-C, 143 after SIGTERM.
    """
    env = {**environment, **os.environ, LAUNCHER_PID: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    manager = _Stack()
    for node in nodes:
        add = manager.add_restarting if node.restarts else manager.add_process
        add(node.name, "exec " + shlex.join(node.command(file)), env=env)  # no shell stays in between
    if client:
        manager.add_process("client", "exec " + shlex.join(client), env=env)
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
@click.option("--web", is_flag=True, help="Serve the web monitor at http://127.0.0.1:8080.")
@click.option("--record", default="", help="Record everything as MCAP: a new file, or a folder for it.")
@click.option("--keep-going", is_flag=True, help="Do not end a goal when the model holds it for reached (evaluation).")
@click.option("--overlap/--no-overlap", default=True, show_default=True, help="Whether the robot moves while planning.")
@click.option("--demo", is_flag=True, help="Send the goal, film, and exit with 0 when it is truly reached.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Of --demo.")
@click.option("--timeout", default=45.0, show_default=True, help="Of --demo: longest time from goal to success, s.")
def main(
    environment: str, seed: int, goal: str, mode: str, planner: str, model: Path | None, monitor: bool, web: bool,
    record: str, keep_going: bool, overlap: bool, demo: bool, out: Path, timeout: float,
) -> None:  # fmt: skip
    """Run a simulated ENVIRONMENT with camera, world model, planner and guard as ROS 2 nodes."""
    options = StackOptions(
        environment, mode, seed, goal, planner, str(model or ""), monitor, web, record, not keep_going, overlap
    )
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
