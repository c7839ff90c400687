# SPDX-License-Identifier: Apache-2.0
"""Evaluates tasks through ROS: the stack in lockstep, goals by topic, success by the simulator's truth.

`python -m swm_ros.evaluate --task reach --seeds 6000:6050 --json out.json`
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import psutil
import rclpy

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import BridgeError, ConfigError, SwmError
from swm_core.evaluation.provenance import provenance
from swm_core.evaluation.statistics import wilson_interval
from swm_core.evaluation.tasks import choose_steps
from swm_core.models.shipped import shipped_model
from swm_core.models.weights import weights_hash
from swm_core.planning.settings import WITHOUT_MODEL
from swm_core.tasks import build_task
from swm_msgs.msg import EpisodeStatus, GoalStatus
from swm_ros.client import StackClient
from swm_ros.goals import TERMINAL
from swm_ros.stack import ENVIRONMENT

STARTUP = 180.0  # s, on a busy machine
END_TIMEOUT = 15.0  # s for the launcher to end
REASONS = {EpisodeStatus.SUCCESS: "success", EpisodeStatus.STEP_LIMIT: "step limit", EpisodeStatus.FAILED: "simulator"}


@dataclass(frozen=True)
class Outcome:
    """One episode.

    Attributes:
        seed: of the layout.
        task: goal text that was sent.
        success: whether the goal came to hold in the true scene.
        steps: control periods until success or the end.
        end: why it ended.
        seconds: wall time from goal to end.
    """

    seed: int
    task: str
    success: bool
    steps: int
    end: str
    seconds: float


def run_episode(client: StackClient, seed: int, goal: str, timeout: float) -> Outcome:
    """Reset, send the goal, wait for the end.

    Args:
        client: of a stack in lockstep.
        seed: of the layout.
        goal: goal text.
        timeout: longest time for the episode, s.

    Raises:
        BridgeError: the stack does not answer, refuses the goal, or the episode does not end.
    """
    client.cancel()
    number = client.reset(seed, goal)
    begun = time.monotonic()
    status = client.send_goal(goal)
    if status.state == GoalStatus.REFUSED:
        raise BridgeError(f"goal {goal!r} was refused: {status.message}")

    def over() -> bool:
        episode, pursued = client.episode, client.goal
        ended = episode is not None and episode.episode == number and episode.state == EpisodeStatus.ENDED
        return ended or (pursued is not None and pursued.goal_id == status.goal_id and pursued.state in TERMINAL)

    client.wait(over, timeout, f"the end of the episode with seed {seed}")
    episode = client.episode
    if episode is None or episode.episode != number:
        raise BridgeError(f"the episode with seed {seed} was reset by somebody else")
    steps = episode.reached_step if episode.goal_reached else episode.step
    end = REASONS.get(episode.end_reason, f"planner: {client.goal.message if client.goal else ''}")
    return Outcome(seed, goal, episode.goal_reached, steps, end, time.monotonic() - begun)


def summary(task: str, planner: str, outcomes: list[Outcome]) -> dict:
    """JSON-ready result with the 95 % Wilson interval of the success rate."""
    successes, n = sum(o.success for o in outcomes), len(outcomes)
    steps = sorted(o.steps for o in outcomes if o.success)
    return {
        "task": task,
        "through": "ROS 2, lockstep",
        "planner": planner or "default",
        "n": n,
        "successes": successes,
        "success_rate": successes / n if n else None,
        "interval": list(wilson_interval(successes, n)),
        "median_steps_of_successes": steps[len(steps) // 2] if steps else None,
        "episodes": [asdict(o) for o in outcomes],
    }


def end(process: subprocess.Popen, timeout: float = END_TIMEOUT) -> None:
    """End a launcher that leads a session: SIGINT, and when that is not enough SIGKILL to it and all its nodes.

    Args:
        process: the launcher.
        timeout: time that it has after SIGINT, s.
    """
    try:
        nodes = psutil.Process(process.pid).children(recursive=True)  # each leads a session of its own
    except psutil.NoSuchProcess:
        nodes = []
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for node in nodes:
            with suppress(psutil.NoSuchProcess):
                node.kill()


@contextmanager
def launched(environment: str, planner: str, model: Path | None, log: Path) -> Iterator[subprocess.Popen]:
    """A stack in lockstep for the time of the context, without monitor; its output goes to a file."""
    command = [
        sys.executable,
        "-m",
        "swm_ros.launcher",
        environment,
        "--mode",
        "lockstep",
        "--no-monitor",
        "--keep-going",
    ]
    command += ["--planner", planner] if planner else []
    command += ["--model", str(model)] if model else []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)  # noqa: S603
        try:
            yield process
        finally:
            end(process)


def parse_seeds(text: str) -> range:
    """`6000:6050` is 6000 to 6049.

    Raises:
        ConfigError: it is not of that form or is empty.
    """
    try:
        first, last = (int(part) for part in text.split(":"))
    except ValueError as error:
        raise ConfigError(f"seeds are {text!r}; give first:end, as 6000:6050 (the end is left out)") from error
    if not 0 <= first < last:
        raise ConfigError(f"seeds {text!r} are none; give first:end with the end above the first")
    return range(first, last)


def evaluate(client: StackClient, environment: str, task: str, seeds: range, timeout: float) -> Iterator[Outcome]:
    """The outcome of each seed, one after the other."""
    entry = load_environment(environment)
    objects = entry.spec.default_objects
    for seed in seeds:
        goal = build_task(choose_steps(task, objects, seed), entry.questions).name
        yield run_episode(client, seed, goal, timeout)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--environment", default=DEFAULT_ENVIRONMENT, show_default=True, help="Registered environment.")
@click.option("--task", default="reach", show_default=True, help="Task name (targets by seed) or goal text.")
@click.option("--seeds", default="6000:6050", show_default=True, help="first:end, the end left out.")
@click.option("--planner", default="", help="gradient, mppi, none or random; by default the planner's own.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the weights; by default those shipped.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option("--attach", is_flag=True, help="Use a stack that runs already (lockstep, --keep-going).")
@click.option("--timeout", default=300.0, show_default=True, help="Longest time for one episode, s.")
def main(
    environment: str, task: str, seeds: str, planner: str, model: Path | None, result: Path | None,
    attach: bool, timeout: float,
) -> None:  # fmt: skip
    """Evaluate a task through ROS 2, in lockstep, by the simulator's truth."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    log = result.with_suffix(".log") if result else Path("out/evaluate.log")
    outcomes: list[Outcome] = []
    try:
        folder = None if attach or (planner in WITHOUT_MODEL and model is None) else model or shipped_model(environment)
        weights = folder and weights_hash(folder)
        chosen = parse_seeds(seeds)
        if attach:
            _run(outcomes, environment, task, chosen, timeout)
        else:
            with launched(environment, planner, model, log):
                _run(outcomes, environment, task, chosen, timeout)
    except SwmError as error:
        raise click.ClickException(f"{error} (the nodes' log: {log})") from error
    finally:
        if result and outcomes:
            result.parent.mkdir(parents=True, exist_ok=True)
            made = summary(task, planner, outcomes) | {"weights_hash": weights} | provenance()
            result.write_text(json.dumps(made, indent=2) + "\n")
    made = summary(task, planner, outcomes)
    low, high = made["interval"]
    click.echo(
        f"{made['successes']} of {made['n']} reached ({made['success_rate']:.0%}, 95 % interval {low:.0%}-{high:.0%})"
    )


def _run(outcomes: list[Outcome], environment: str, task: str, seeds: range, timeout: float) -> None:
    rclpy.init()
    client = StackClient("evaluate")
    try:
        client.wait_ready(STARTUP)
        for outcome in evaluate(client, environment, task, seeds, timeout):
            outcomes.append(outcome)
            click.echo(
                f"{outcome.seed}  {outcome.task:32s} {outcome.end:12s} {outcome.steps:4d} st. {outcome.seconds:5.1f} s"
            )
    finally:
        client.close()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
