# SPDX-License-Identifier: Apache-2.0
"""Evaluates tasks through ROS: goals by topic, success by the simulator's truth.

`python -m swm_ros.evaluate --task reach --seeds 6000:6050 --json out.json` runs the stack in lockstep. With
`--rehearsal bad-link` it runs in real time as on a robot: standard topics, frames that come late and not all
(config/robot_rehearsal.yaml); `perfect-link` is the same without delays and losses, for comparison.
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
import yaml

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import BridgeError, ConfigError, SwmError
from swm_core.evaluation.provenance import provenance
from swm_core.evaluation.statistics import wilson_interval
from swm_core.evaluation.tasks import choose_steps
from swm_core.installation import shared_file
from swm_core.models.shipped import shipped_model
from swm_core.models.weights import weights_hash
from swm_core.planning.settings import WITHOUT_MODEL
from swm_core.tasks import build_task
from swm_msgs.msg import EpisodeStatus, GoalStatus
from swm_ros.client import StackClient
from swm_ros.goals import TERMINAL
from swm_ros.stack import ENVIRONMENT

STARTUP = 180.0  # s, on a busy machine
ANSWER = 60.0  # s for a node to answer, on a busy machine
SETTLE = 1.0  # s of real time after a reset until no frame of the episode before is under way
REHEARSALS = ("bad-link", "perfect-link")
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


def run_episode(client: StackClient, seed: int, goal: str, timeout: float, limit: int | None = None) -> Outcome:
    """Reset, send the goal, wait for the end.

    Args:
        client: of a running stack.
        seed: of the layout.
        goal: goal text.
        timeout: longest time for the episode, s.
        limit: steps after the goal at which an episode ends in real time; None in lockstep (the simulator ends it).

    Raises:
        BridgeError: the stack does not answer, refuses the goal, or the episode does not end.
    """
    client.cancel(ANSWER)
    number = client.reset(seed, goal, timeout=ANSWER)
    first = 0
    if limit is not None:
        client.spin(SETTLE)
        first = client.episode.step if client.episode else 0
    begun = time.monotonic()
    status = client.send_goal(goal, ANSWER)
    if status.state == GoalStatus.REFUSED:
        raise BridgeError(f"goal {goal!r} was refused: {status.message}")

    def over() -> bool:
        episode, pursued = client.episode, client.goal
        ended = episode is not None and episode.episode == number and episode.state == EpisodeStatus.ENDED
        if limit is not None and episode is not None:
            ended = episode.goal_reached or episode.step - first >= limit
        return ended or (pursued is not None and pursued.goal_id == status.goal_id and pursued.state in TERMINAL)

    client.wait(over, timeout, f"the end of the episode with seed {seed}")
    episode = client.episode
    if episode is None or episode.episode != number:
        raise BridgeError(f"the episode with seed {seed} was reset by somebody else")
    steps = (episode.reached_step if episode.goal_reached else episode.step) - first
    reason = episode.end_reason
    if limit is not None and (episode.goal_reached or steps >= limit):
        reason = EpisodeStatus.SUCCESS if episode.goal_reached else EpisodeStatus.STEP_LIMIT
    end = REASONS.get(reason, f"planner: {client.goal.message if client.goal else ''}")
    return Outcome(seed, goal, episode.goal_reached, steps, end, time.monotonic() - begun)


def summary(task: str, planner: str, outcomes: list[Outcome], through: str = "ROS 2, lockstep") -> dict:
    """JSON-ready result with the 95 % Wilson interval of the success rate."""
    successes, n = sum(o.success for o in outcomes), len(outcomes)
    steps = sorted(o.steps for o in outcomes if o.success)
    return {
        "task": task,
        "through": through,
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


def lockstep_command(environment: str, planner: str, model: Path | None) -> list[str]:
    """Command line of a stack in lockstep, without monitor."""
    command = ["swm_ros.launcher", environment, "--mode", "lockstep", "--no-monitor", "--keep-going"]
    return command + (["--planner", planner] if planner else []) + (["--model", str(model)] if model else [])


def rehearsal_command(kind: str, seed: int, planner: str, model: Path | None, file: Path) -> tuple[list[str], str]:
    """Command line of a rehearsal's stack, and what it goes through; its settings are written to a file.

    Args:
        kind: one of REHEARSALS.
        seed: of the link's delays and losses.
        planner: empty for the default.
        model: folder of the weights; None for those shipped.
        file: for the settings.
    """
    settings = yaml.safe_load(shared_file("config/robot_rehearsal.yaml").read_text())
    robot = settings["/swm/robot"]["ros__parameters"]
    robot["seed"] = seed
    if kind == "perfect-link":
        robot |= {"latency": 0.0, "jitter": 0.0, "drop": 0.0}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    command = ["swm_ros.robot_launcher", "--config", str(file), "--keep-going"]
    command += (["--planner", planner] if planner else []) + (["--model", str(model)] if model else [])
    link = f"{robot['latency']} s late, jitter {robot['jitter']} s, {robot['drop']:.0%} of the frames lost"
    return command, f"ROS 2, real time, standard topics, frames {link}"


@contextmanager
def launched(module_and_arguments: list[str], log: Path) -> Iterator[subprocess.Popen]:
    """A stack for the time of the context; its output goes to a file."""
    command = [sys.executable, "-m", *module_and_arguments]
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


def evaluate(
    client: StackClient, environment: str, task: str, seeds: range, timeout: float, realtime: bool = False
) -> Iterator[Outcome]:
    """The outcome of each seed, one after the other."""
    entry = load_environment(environment)
    objects = entry.spec.default_objects
    for seed in seeds:
        goal = build_task(choose_steps(task, objects, seed), entry.questions).name
        yield run_episode(client, seed, goal, timeout, entry.spec.episode_steps if realtime else None)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--environment", default=DEFAULT_ENVIRONMENT, show_default=True, help="Registered environment.")
@click.option("--task", default="reach", show_default=True, help="Task name (targets by seed) or goal text.")
@click.option("--seeds", default="6000:6050", show_default=True, help="first:end, the end left out.")
@click.option("--planner", default="", help="gradient, mppi, none or random; by default the planner's own.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the weights; by default those shipped.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option(
    "--rehearsal", type=click.Choice(REHEARSALS), help="In real time, as on a robot, over such a camera link."
)
@click.option("--attach", is_flag=True, help="Use a stack that runs already (lockstep, --keep-going).")
@click.option("--timeout", default=300.0, show_default=True, help="Longest time for one episode, s.")
def main(
    environment: str, task: str, seeds: str, planner: str, model: Path | None, result: Path | None,
    rehearsal: str | None, attach: bool, timeout: float,
) -> None:  # fmt: skip
    """Evaluate a task through ROS 2, in lockstep or in a rehearsal, by the simulator's truth."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    log = result.with_suffix(".log") if result else Path("out/evaluate.log")
    outcomes: list[Outcome] = []
    command, through = lockstep_command(environment, planner, model), "ROS 2, lockstep"
    realtime = rehearsal is not None
    try:
        folder = None if attach or (planner in WITHOUT_MODEL and model is None) else model or shipped_model(environment)
        weights = folder and weights_hash(folder)
        chosen = parse_seeds(seeds)
        if rehearsal is not None:
            file = log.with_suffix(".yaml")
            command, through = rehearsal_command(rehearsal, chosen[0], planner, model, file)
        if attach:
            _run(outcomes, environment, task, chosen, timeout, realtime)
        else:
            with launched(command, log):
                _run(outcomes, environment, task, chosen, timeout, realtime)
    except SwmError as error:
        raise click.ClickException(f"{error} (the nodes' log: {log})") from error
    finally:
        if result and outcomes:
            result.parent.mkdir(parents=True, exist_ok=True)
            made = summary(task, planner, outcomes, through) | {"weights_hash": weights} | provenance()
            result.write_text(json.dumps(made, indent=2) + "\n")
    made = summary(task, planner, outcomes, through)
    low, high = made["interval"]
    click.echo(
        f"{made['successes']} of {made['n']} reached ({made['success_rate']:.0%}, 95 % interval {low:.0%}-{high:.0%})"
    )


def _run(outcomes: list[Outcome], environment: str, task: str, seeds: range, timeout: float, realtime: bool) -> None:
    rclpy.init()
    client = StackClient("evaluate")
    try:
        client.wait_ready(STARTUP)
        for outcome in evaluate(client, environment, task, seeds, timeout, realtime):
            outcomes.append(outcome)
            click.echo(
                f"{outcome.seed}  {outcome.task:32s} {outcome.end:12s} {outcome.steps:4d} st. {outcome.seconds:5.1f} s"
            )
    finally:
        client.close()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
