# SPDX-License-Identifier: Apache-2.0
"""Evaluates tasks through ROS: goals by topic, success by the simulator's truth.

`python -m swm_ros.evaluate --task reach --seeds 6000:6050 --json out.json` runs the stack in lockstep. With
`--rehearsal bad-link` it runs in real time as on a robot: standard topics, frames that come late and not all
(config/robot_rehearsal.yaml); `perfect-link` is the same without delays and losses, for comparison. With
`--planning both` the seeds are played in real time twice: with planning that overlaps execution (asynchronous), and
with a robot that stands while it is planned for (synchronous).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click
import rclpy

from swm_core.cli import write_json
from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import BridgeError, ConfigError, SwmError
from swm_core.evaluation.provenance import provenance
from swm_core.evaluation.statistics import mcnemar_exact, pair_outcomes, wilson_interval
from swm_core.evaluation.tasks import choose_steps
from swm_core.models.shipped import shipped_model
from swm_core.models.weights import weights_hash
from swm_core.planning.settings import WITHOUT_MODEL
from swm_core.tasks import build_task
from swm_msgs.msg import EpisodeStatus, GoalStatus
from swm_ros.client import StackClient
from swm_ros.evaluated_stack import ASYNCHRONOUS, LOCKSTEP, REHEARSALS, SYNCHRONOUS, Way, launched, simulated
from swm_ros.evaluated_stack import rehearsal as rehearsed
from swm_ros.goals import TERMINAL
from swm_ros.stack import adopt_environment

BOTH = "both"  # asynchronous and synchronous
STARTUP = 180.0  # s, on a busy machine
ANSWER = 60.0  # s for a node to answer, on a busy machine
SETTLE = 1.0  # s of real time after a reset until no frame of the episode before is under way
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


def compared(asynchronous: list[Outcome], synchronous: list[Outcome]) -> dict:
    """Paired comparison over the seeds that both have; times of the seeds on which both succeeded.

    Returns:
        JSON-ready counts, McNemar's exact p-value of success, median times (s), and how often asynchronous planning was
        the faster one with the p-value of the sign test.
    """
    first, second = ({o.seed: o for o in outcomes} for outcomes in (asynchronous, synchronous))
    pairs = pair_outcomes({s: o.success for s, o in first.items()}, {s: o.success for s, o in second.items()})
    both = [(first[s], second[s]) for s in first if s in second and first[s].success and second[s].success]
    faster, slower = (sum(sign * (b.seconds - a.seconds) > 0 for a, b in both) for sign in (1, -1))
    return {
        "pairs": asdict(pairs) | {"p_value": pairs.p_value},
        "median_seconds_asynchronous": median([a.seconds for a, _ in both]) if both else None,
        "median_seconds_synchronous": median([b.seconds for _, b in both]) if both else None,
        "asynchronous_faster": faster,
        "of": len(both),
        "faster_p_value": mcnemar_exact(faster, slower),
    }


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
@click.option(
    "--planning",
    type=click.Choice([LOCKSTEP, ASYNCHRONOUS, SYNCHRONOUS, BOTH]),
    default=LOCKSTEP,
    show_default=True,
    help="Step by step; or in real time: while the robot moves, while it stands, or first the one and then the other.",
)
@click.option(
    "--rehearsal", type=click.Choice(REHEARSALS), help="In real time, as on a robot, over such a camera link."
)
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option("--attach", is_flag=True, help="Use a stack that runs already (of this planning, --keep-going).")
@click.option("--timeout", default=300.0, show_default=True, help="Longest time for one episode, s.")
def main(
    environment: str, task: str, seeds: str, planner: str, model: Path | None, planning: str, rehearsal: str | None,
    result: Path | None, attach: bool, timeout: float,
) -> None:  # fmt: skip
    """Evaluate a task through ROS 2, in lockstep or in real time, by the simulator's truth."""
    if (planning != LOCKSTEP and rehearsal) or (planning == BOTH and attach):
        raise click.UsageError("--planning goes neither with --rehearsal nor, where it is both, with --attach")
    adopt_environment()
    log = result.with_suffix(".log") if result else Path("out/evaluate.log")
    found: dict[Way, list[Outcome]] = {}
    try:
        folder = None if attach or (planner in WITHOUT_MODEL and model is None) else model or shipped_model(environment)
        weights = folder and weights_hash(folder)
        chosen = parse_seeds(seeds)
        if rehearsal is not None:
            found[rehearsed(rehearsal, chosen[0], planner, model, log.with_suffix(".yaml"))] = []
        else:
            kinds = (ASYNCHRONOUS, SYNCHRONOUS) if planning == BOTH else (planning,)
            found = {simulated(kind, environment, planner, model): [] for kind in kinds}
        for way, outcomes in found.items():
            with nullcontext() if attach else launched(way, log):
                _run(outcomes, environment, task, chosen, timeout, way.realtime)
    except SwmError as error:
        raise click.ClickException(f"{error} (the nodes' log: {log})") from error
    finally:
        made = {way.name: summary(task, planner, outcomes, way.through) for way, outcomes in found.items()}
        if len(made) > 1:
            made["compared"] = compared(*found.values())
        if result and any(found.values()):
            whole = made if len(made) > 1 else next(iter(made.values()))
            write_json(result, whole | {"weights_hash": weights} | provenance())
    for way in found:
        one = made[way.name]
        low, high = one["interval"]
        share = f"{one['success_rate']:.0%}, 95 % interval {low:.0%}-{high:.0%}"
        click.echo(f"{one['successes']} of {one['n']} reached ({share}), {way.name}")
    if "compared" in made:
        click.echo(json.dumps(made["compared"], indent=2))


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
