# SPDX-License-Identifier: Apache-2.0
"""Lets the simulated stack work for an hour with a new goal every 20 s: `python -m swm_ros.soak`.

It passes if the commands to the robot kept their rhythm with none missing, no node's memory grew after the warm-up, no
node was replaced, and no node warned of anything that is not explained here.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import psutil
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.subscription import MessageInfo
from tqdm import tqdm

from swm_core.cli import write_json
from swm_core.environment import DEFAULT_ENVIRONMENT
from swm_core.errors import BridgeError, SwmError
from swm_core.evaluation.provenance import provenance
from swm_core.models.shipped import shipped_model
from swm_core.models.weights import weights_hash
from swm_msgs.msg import Command, GoalStatus, Heartbeat, PlanStats
from swm_ros import qos
from swm_ros.client import StackClient
from swm_ros.evaluated_stack import Way, launched
from swm_ros.stack import adopt_environment

GOALS = (
    "reach the red moon", "push the red moon to the green star", "separate the red moon from the green star",
    "push the yellow pentagon to the red moon", "reach the blue cube", "push the green cube to the blue moon",
)  # fmt: skip
STARTUP, ANSWER = 180.0, 30.0  # s
SETTLE = 3.0  # s of frames before the first goal, and of commands before they count
PERIOD = 0.1  # s between commands
LONGEST = 0.11  # s; the interval of which one in a hundred may be longer
SAMPLE_EVERY = 5.0  # s between looks at the memory
WARM_UP = 0.1  # of the time, before memory counts
SHARE = 0.1  # of the time, at the beginning and at the end, whose medians are compared
GROWTH = 0.02  # of a node's memory that is allowed
# What nodes may warn of, by how it begins, and why that is no fault.
EXPLAINED = {"guard: reduced: workspace limit": "a plan led over the border, and the guard cut it there; told once"}
LOUD = re.compile(r"^\S+ (\S+)\s*\| \[(WARN|ERROR|FATAL)\] \[[^]]*\] \[[^]]*\]: (.*)$")


@dataclass(frozen=True)
class Rhythm:
    """How commands came to the robot.

    Attributes:
        commands: how many.
        missing: periods in which none came.
        p50: median interval, s.
        p99: interval that one in a hundred exceeds, s.
        longest: interval, s.
    """

    commands: int
    missing: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Rhythm:
        """From receipt times, s."""
        gaps = np.diff(times)
        missing = int((np.round(gaps / PERIOD).astype(int) - 1).clip(0).sum())
        p50, p99 = np.quantile(gaps, (0.5, 0.99))
        return cls(len(times), missing, float(p50), float(p99), float(gaps.max()))


def growth(samples: Sequence[tuple[float, float]], seconds: float) -> float:
    """Share by which memory grew after the warm-up.

    Args:
        samples: time since the start, s, and what was in use.
        seconds: length of the run.
    """
    first, last = (
        np.median([used for at, used in samples if begin <= at / seconds <= begin + SHARE])
        for begin in (WARM_UP, 1.0 - SHARE)
    )
    return float(last / first - 1.0)


def warnings_in(log: str) -> Counter[str]:
    """How often which node warned of what; numbers are left out, so that the same warning counts as one."""
    found = (LOUD.match(line) for line in log.splitlines())
    return Counter(f"{m[1]}: {re.sub(r'[-+0-9.]*[0-9]', '#', m[3])}" for m in found if m)


class Watch:
    """Keeps what is to be reported of a running stack."""

    def __init__(self, client: StackClient) -> None:
        """Listen."""
        self.times: list[float] = []
        self.late: list[bool] = []  # of each plan
        self.pids: dict[str, set[int]] = {}
        self.memory: dict[str, list[tuple[float, float]]] = {}
        node = client.node
        node.create_subscription(Command, qos.COMMAND_SAFE, self.on_command, qos.COMMAND)
        node.create_subscription(PlanStats, qos.PLAN_STATS, lambda stats: self.late.append(stats.late), qos.RECORD)
        node.create_subscription(
            Heartbeat, qos.HEARTBEAT, lambda beat: self.pids.setdefault(beat.node, set()).add(beat.pid), qos.RECORD
        )

    def on_command(self, command: Command, info: MessageInfo) -> None:
        """Note when the middleware received it, which does not depend on what this process is at."""
        self.times.append(info["received_timestamp"] / 1e9)

    def begin(self) -> None:
        """Forget what came before."""
        self.times.clear()
        self.late.clear()

    def sample(self, at: float) -> None:
        """Note each node's memory, MiB, at a time since the start, s."""
        for name, pids in self.pids.items():
            for pid in pids:
                with suppress(psutil.NoSuchProcess):
                    used = psutil.Process(pid).memory_info().rss / 2**20
                    self.memory.setdefault(name, []).append((round(at, 1), round(used, 2)))


def play(client: StackClient, watch: Watch, seconds: float, every: float) -> int:
    """Send goals for a time.

    Args:
        client: of a running stack.
        watch: that keeps what happens.
        seconds: for how long.
        every: time between goals, s.

    Returns:
        how many goals were sent.

    Raises:
        BridgeError: the stack does not answer, or refuses a goal.
    """
    begin, sampled, goals = time.monotonic(), -SAMPLE_EVERY, round(seconds / every)
    for number in tqdm(range(goals), unit="goal", mininterval=1.0 if sys.stderr.isatty() else 60.0):
        status = client.send_goal(GOALS[number % len(GOALS)], ANSWER)
        if status.state == GoalStatus.REFUSED:
            raise BridgeError(f"goal {GOALS[number % len(GOALS)]!r} was refused: {status.message}")
        while (now := time.monotonic() - begin) < (number + 1) * every:
            client.spin(0.2)
            if now - sampled >= SAMPLE_EVERY:
                watch.sample(now)
                sampled = now
    return goals


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=3600.0, show_default=True, help="How long, s.")
@click.option("--every", default=20.0, show_default=True, help="Time between goals, s.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option("--log", type=click.Path(path_type=Path), default=Path("out/soak.log"), show_default=True)
def main(seconds: float, every: float, result: Path | None, log: Path) -> None:
    """Let the simulated stack work for a long time; exit status 0 if nothing wore out. The machine should be idle."""
    adopt_environment()
    way = Way("soak", "ROS 2, real time", ("swm_ros.launcher", DEFAULT_ENVIRONMENT, "--keep-going"), True)
    rclpy.init()
    client = StackClient("soak")
    watch = Watch(client)
    try:
        with launched(way, log):
            client.wait_ready(STARTUP)
            client.spin(SETTLE)
            client.send_goal(GOALS[0], ANSWER)
            client.wait(lambda: bool(watch.times), STARTUP, "a command")
            client.spin(SETTLE)
            watch.begin()
            goals = play(client, watch, seconds, every)
            told = warnings_in(log.read_text(errors="replace"))  # before the stack is taken down
    except ExternalShutdownException as error:
        raise click.ClickException(f"interrupted after {len(watch.times)} commands; nothing is reported") from error
    except SwmError as error:
        raise click.ClickException(f"{error} (the nodes' log: {log})") from error
    finally:
        client.close()
        rclpy.try_shutdown()
    rhythm = Rhythm.of(watch.times)
    grown = {name: growth(samples, seconds) for name, samples in watch.memory.items()}
    replaced = sorted(name for name, pids in watch.pids.items() if len(pids) > 1)
    late = watch.late
    click.echo(
        f"{goals} goals; {len(late)} plans, {sum(late)} late; {rhythm.commands} commands, {rhythm.missing} missing"
    )
    p50, p99, longest = (1e3 * gap for gap in (rhythm.p50, rhythm.p99, rhythm.longest))
    click.echo(f"interval between commands: p50 {p50:.1f}, p99 {p99:.1f}, longest {longest:.1f} ms")
    for name, share in sorted(grown.items()):
        click.echo(f"{name:12s} {watch.memory[name][-1][1]:7.1f} MiB, grown by {share:+.2%}")
    for text, count in told.most_common():
        click.echo(f"{count:5d} times {text}")
    if result:
        made = {
            "seconds": seconds, "goal_every": every, "rhythm": asdict(rhythm), "growth": grown, "memory": watch.memory,
            "warnings": told, "goals": goals, "plans": len(late), "late_plans": sum(late), "replaced": replaced,
            "weights_hash": weights_hash(shipped_model(DEFAULT_ENVIRONMENT)),
        }  # fmt: skip
        write_json(result, made | provenance())
    worn = [name for name, share in grown.items() if share > GROWTH]
    strange = [text for text in told if not text.startswith(tuple(EXPLAINED))]
    if rhythm.missing or rhythm.p99 > LONGEST or worn or strange or replaced:
        raise click.ClickException(f"memory grew: {worn}; replaced: {replaced}; see above (the nodes' log: {log})")


if __name__ == "__main__":
    main()
