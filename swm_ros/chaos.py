# SPDX-License-Identifier: Apache-2.0
"""Random faults, one after the other, for minutes; then the stack must still reach a goal: `python -m swm_ros.chaos`.

The sequence of faults follows from the seed; what they meet depends on the machine's timing.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import rclpy

from swm_core.cli import write_json
from swm_core.errors import SwmError
from swm_core.evaluation.provenance import provenance
from swm_ros.faults import FAULTS, GOALS, SEEDS
from swm_ros.rig import STARTUP, Rig
from swm_ros.stack import StackOptions, adopt_environment, stack


@dataclass(frozen=True)
class Outcome:
    """One run.

    Attributes:
        seconds: time of the faults, s.
        seed: of their sequence.
        faults: how often each came.
        commands: sent to the robot.
        outside_limits: of those, how many were outside the limits.
        recovered: whether all nodes were active again and the robot moved for a goal.
        reached: whether a goal was reached afterwards, by the simulator's truth; None if that was not asked for.
    """

    seconds: float
    seed: int
    faults: dict[str, int]
    commands: int
    outside_limits: int
    recovered: bool
    reached: bool | None

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong that must not."""
        return self.recovered and self.reached is not False and not self.outside_limits


def torment(rig: Rig, seconds: float, seed: int) -> Counter[str]:
    """Faults and goals at random for a time; all faults are healed in the end."""
    chance, counts, end = random.Random(seed), Counter(), time.monotonic() + seconds  # noqa: S311, no secret
    rig.camera.random = random.Random(seed)  # noqa: S311
    while time.monotonic() < end:
        if chance.random() < 0.3:
            rig.send_goal(chance.choice(GOALS))
        fault, hold, rest = chance.choice(FAULTS), chance.uniform(0.2, 3.0), chance.uniform(0.2, 5.0)
        counts[fault.name] += 1
        with suppress(ProcessLookupError, KeyError):  # the process has ended and its successor has not been heard yet
            fault.inject(rig)
            time.sleep(hold)
            fault.heal(rig)
        time.sleep(rest)
    rig.camera.heal()
    return counts


def run(rig: Rig, seconds: float, seed: int, reach: bool = True) -> Outcome:
    """Torment a stack, then see whether it works.

    Args:
        rig: the stack.
        seconds: for how long.
        seed: of the faults.
        reach: whether a goal must be reached in the true scene afterwards.

    Raises:
        BridgeError: the stack does not come up in the first place.
    """
    rig.wait_running()
    rig.pursue(GOALS[0])
    counts, recovered, reached = torment(rig, seconds, seed), False, None
    try:
        rig.release()
        rig.wait_running()
        rig.reset(SEEDS[0])
        rig.pursue(GOALS[0])
        recovered = True
        if reach:
            reached = False
            rig.wait(lambda: rig.episode.goal_reached, STARTUP, "the goal to be reached")
            reached = True
    except SwmError as error:
        click.echo(f"{error}; {rig.links}", err=True)
    return Outcome(seconds, seed, dict(counts), len(rig.commands), len(rig.outside), recovered, reached)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=600.0, show_default=True, help="How long faults go on.")
@click.option("--seed", default=0, show_default=True, help="Of their sequence.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option("--log", type=click.Path(path_type=Path), default=Path("out/chaos.log"), show_default=True)
def main(seconds: float, seed: int, result: Path | None, log: Path) -> None:
    """Random faults against the simulated stack; exit status 0 if it works afterwards and no command was too fast."""
    adopt_environment()
    rclpy.init()
    rig = Rig(stack(StackOptions()), log)
    try:
        outcome = run(rig, seconds, seed)
    except SwmError as error:
        raise click.ClickException(f"{error} (the nodes' log: {log})") from error
    finally:
        rig.close()
        rclpy.try_shutdown()
    write_json(result, asdict(outcome) | provenance())
    click.echo(
        f"{sum(outcome.faults.values())} faults in {seconds:.0f} s; {outcome.commands} commands, "
        f"{outcome.outside_limits} outside the limits; goal reached afterwards: {outcome.reached}"
    )
    if not outcome.passed:
        raise click.ClickException(f"the stack did not pass (the nodes' log: {log})")


if __name__ == "__main__":
    main()
