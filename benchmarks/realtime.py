# SPDX-License-Identifier: Apache-2.0
"""Rhythm and planning time of the stack in real time, by threads, niceness and garbage collection of the planner.

`python benchmarks/realtime.py --threads 1,2 --niceness 0,10 --garbage default,freeze --json out/realtime.json` plays
each combination for a while in the simulation and prints a line for it.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import rclpy

from swm_core.cli import write_json
from swm_core.evaluation.provenance import provenance
from swm_msgs.msg import Command, PlanStats
from swm_ros import qos
from swm_ros.client import StackClient
from swm_ros.stack import NodeProcess, StackOptions, adopt_environment, parameter_file, stack

STARTUP = 180.0  # s
SETTLE = 3.0  # s before the measurement
GOAL = "reach the red moon"


def with_planner(nodes: Sequence[NodeProcess], settings: dict[str, Any]) -> list[NodeProcess]:
    """The same stack with other settings of the planner."""
    return [replace(n, parameters={**n.parameters, **settings}) if n.name == "planner" else n for n in nodes]


def measure(settings: dict[str, Any], seconds: float, log: Path) -> dict[str, Any]:
    """Play the stack with settings of the planner; numbers of the commands' rhythm and of the plans."""
    options = StackOptions(goal=GOAL, monitor=False, stop_when_complete=False)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        processes = [
            subprocess.Popen(node.command(parameter_file("langtable")), stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
            for node in with_planner(stack(options), settings)
        ]
    rclpy.init()
    client = StackClient("benchmark")
    times: list[float] = []
    plans: list[PlanStats] = []
    try:
        client.node.create_subscription(
            Command, qos.COMMAND_SAFE, lambda _: times.append(time.monotonic()), qos.COMMAND
        )
        client.node.create_subscription(PlanStats, qos.PLAN_STATS, plans.append, qos.RECORD)
        client.wait(lambda: bool(plans), STARTUP, "a plan")
        client.spin(SETTLE)
        times.clear()
        plans.clear()
        client.spin(seconds)
    finally:
        client.close()
        rclpy.try_shutdown()
        for process in reversed(processes):  # the manager first: it takes the others down
            process.send_signal(signal.SIGINT)
            process.wait()
    return settings | numbers(np.array(times), plans, seconds)


def numbers(times: np.ndarray, plans: Sequence[PlanStats], seconds: float) -> dict[str, Any]:
    """What is reported of one combination; times in milliseconds."""
    gaps, total = 1e3 * np.diff(times), 1e3 * np.array([p.total_seconds for p in plans])
    age = 1e3 * np.array([p.first_command_age for p in plans])
    return {
        "commands": len(times),
        "gap_p50_ms": float(np.median(gaps)),
        "gap_p99_ms": float(np.quantile(gaps, 0.99)),
        "gap_max_ms": float(gaps.max()),
        "plans_per_second": len(plans) / seconds,
        "plan_p50_ms": float(np.median(total)),
        "plan_p95_ms": float(np.quantile(total, 0.95)),
        "encode_p50_ms": 1e3 * float(np.median([p.encode_seconds for p in plans])),
        "transport_p50_ms": 1e3 * float(np.nanmedian([p.transport_seconds for p in plans])),
        "first_command_age_p50_ms": float(np.nanmedian(age)) if np.isfinite(age).any() else None,
        "late_share": float(np.mean([p.late for p in plans])),
        "cut_short_share": float(np.mean([p.deadline_missed for p in plans])),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--threads", default="0,1,2", show_default=True, help="Of the mathematics; 0: as the environment says.")
@click.option("--niceness", default="0,10", show_default=True, help="Of the planning thread.")
@click.option("--garbage", default="default,freeze,off", show_default=True, help="Policies of garbage collection.")
@click.option("--seconds", default=30.0, show_default=True, help="Measured time of each combination.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option("--log", type=click.Path(path_type=Path), default=Path("out/realtime.log"), show_default=True)
def main(threads: str, niceness: str, garbage: str, seconds: float, result: Path | None, log: Path) -> None:
    """Measure all combinations; the machine should be idle otherwise."""
    adopt_environment()
    found = []
    for count, nice, policy in itertools.product(threads.split(","), niceness.split(","), garbage.split(",")):
        one = measure({"threads": int(count), "niceness": int(nice), "garbage": policy}, seconds, log)
        found.append(one)
        click.echo(
            f"threads {count}  niceness {nice:>2}  garbage {policy:7}  commands {one['commands']:4d}  "
            f"gap p99 {one['gap_p99_ms']:6.1f} ms  plan p50 {one['plan_p50_ms']:6.1f} ms  "
            f"late {one['late_share']:.0%}  first command {one['first_command_age_p50_ms'] or 0:.0f} ms after the frame"
        )
        write_json(result, {"seconds": seconds, "runs": found} | provenance())


if __name__ == "__main__":
    main()
