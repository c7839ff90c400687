# SPDX-License-Identifier: Apache-2.0
"""Faults of a running stack, and how long the robot goes on moving with each: `python -m swm_ros.faults`.

The robot stands still from the first command of zero velocity on, or, where commands cease, from the end of the time
that the bridge executes the last one.
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import rclpy

from swm_core.cli import write_json
from swm_core.errors import BridgeError, SwmError
from swm_core.evaluation.provenance import provenance
from swm_msgs.msg import Command, StackStatus
from swm_ros import qos
from swm_ros.rig import STARTUP, Rig, moving
from swm_ros.stack import NodeProcess, StackOptions, adopt_environment, stack

ROBOT_TIMEOUT = 0.2  # s, `command_timeout` of the bridge
STOP_WITHIN = 0.3  # s, for every fault that must stop the robot
HOLD = 1.5  # s for which a fault lasts
GOALS = ("reach the red moon", "reach the blue cube", "reach the green star", "reach the yellow pentagon")
PUSHES = (  # they take longer than a fault: a robot that stands as it is done tells nothing
    "push the red moon to the green star",
    "push the yellow pentagon to the red moon",
    "push the yellow star to the blue cube",
)
PATIENCE = 5.0  # s without motion after a fault, until another layout is given, as the goal may be reached
SEEDS = range(6000, 6008)


def _nothing(rig: Rig) -> None:
    """The fault ends by itself."""


@dataclass(frozen=True)
class Fault:
    """One way in which something goes wrong.

    Attributes:
        name: for people.
        inject: brings it about.
        heal: ends it.
        stops: whether the robot must stand still; otherwise it goes on, safely.
        recovery: what happens afterwards, for people.
        forgets: whether the goal must be sent again.
    """

    name: str
    inject: Callable[[Rig], None]
    heal: Callable[[Rig], None] = _nothing
    stops: bool = True
    recovery: str = "goes on by itself"
    forgets: bool = False


@dataclass(frozen=True)
class Measured:
    """What a fault did.

    Attributes:
        name: of the fault.
        must_stop: whether the robot had to stand still.
        stopped_after: time from the fault until it stood still, s; None if it went on moving.
        longest_gap: longest time without a command to the robot while the fault lasted, s.
        moving_after: time from the end of the fault until the robot moved again, s.
        recovery: how.
    """

    name: str
    must_stop: bool
    stopped_after: float | None
    longest_gap: float
    moving_after: float
    recovery: str

    @property
    def as_wanted(self) -> bool:
        """Whether the robot stood still in time, if it had to."""
        return not self.must_stop or (self.stopped_after is not None and self.stopped_after <= STOP_WITHIN)


def camera(**settings: float) -> Callable[[Rig], None]:
    """A fault that sets attributes of the camera."""

    def inject(rig: Rig) -> None:
        for name, value in settings.items():
            setattr(rig.camera, name, value)

    return inject


def at_rate(rate: float) -> Callable[[Rig], None]:
    """A camera with another rate, frames a second."""
    return lambda rig: rig.camera.run_at(rate)


def show(picture: np.ndarray) -> Callable[[Rig], None]:
    """A camera that shows one picture."""
    return lambda rig: rig.camera.show(picture)


def hostile(rig: Rig) -> None:
    """Commands that nobody may obey, beside the planner's."""
    for velocity, frame, plan in ((math.nan, "world", 1), (math.inf, "world", 1), (9.0, "tool", 1), (0.2, "world", 0)):
        command = Command(plan_id=plan, epoch=2**63)
        command.twist.header.frame_id, command.twist.twist.linear.x = frame, velocity
        rig.raw.publish(command)
        time.sleep(0.02)


def heal_camera(rig: Rig) -> None:
    """Send good frames again."""
    rig.camera.heal()


def _of_nodes() -> Iterator[Fault]:
    again = "the process is started again, the manager brings it up"
    lost = {"planner": again + "; the goal must be sent again", "bridge": again + "; another episode begins"}
    for name in ("planner", "perception", "bridge", "monitor", "manager"):
        stops = name not in ("monitor", "manager")
        forgets, recovery = name == "planner", lost.get(name, again)
        yield Fault(f"{name} killed", lambda rig, n=name: rig.kill(n), stops=stops, recovery=recovery, forgets=forgets)
    for name in ("guard", "planner", "perception", "bridge", "monitor", "manager"):
        stops = name not in ("monitor", "manager")
        yield Fault(f"{name} halted", lambda rig, n=name: rig.halt(n), lambda rig, n=name: rig.resume(n), stops)


def _of_clock() -> Iterator[Fault]:
    """The clock of all nodes is set, as by somebody or by NTP."""
    for name, seconds in (("ahead", 3600), ("back", -3600)):
        text = f"nodes' clock set an hour {name}"
        yield Fault(
            text,
            lambda rig, s=seconds: rig.set_clock(s),
            lambda rig: rig.set_clock(0),
            False,
            "goes on by monotonic clocks",
        )


FAULTS = (
    *_of_nodes(),
    *_of_clock(),
    Fault("camera silent", lambda rig: rig.camera.silence(), heal_camera),
    Fault("camera frozen", lambda rig: rig.camera.freeze(), heal_camera),
    Fault("camera black", show(np.zeros((180, 320, 3), np.uint8)), heal_camera),
    Fault("camera of a wrong size", show(np.full((90, 160, 3), 99, np.uint8)), heal_camera),
    Fault("camera at 1 Hz", at_rate(1.0), heal_camera, recovery="moves for the time-out after each frame"),
    Fault("camera at 3 Hz", at_rate(3.0), heal_camera, False, "holds between frames that are too far apart"),
    Fault("camera at 30 Hz", at_rate(30.0), heal_camera, False, "goes on"),
    Fault("camera at 100 Hz", at_rate(100.0), heal_camera, False, "goes on"),
    Fault("camera jitters by 150 ms", camera(jitter=0.15), heal_camera, False, "goes on"),
    Fault("camera clock an hour ahead", camera(stamp_offset=3600.0), heal_camera, False, "goes on by receipt times"),
    Fault("camera clock an hour behind", camera(stamp_offset=-3600.0), heal_camera, False, "goes on by receipt times"),
    Fault("commands that nobody may obey", hostile, stops=False, recovery="they are refused; goes on"),
    Fault(
        "emergency stop",
        lambda rig: rig.stop(),
        lambda rig: rig.release(),
        recovery="when it is released and a goal is sent again",
        forgets=True,
    ),
)
# After these something is gone for good: the recording; everything, as what was latched in the guard would be lost.
DISK_FULL = Fault(
    "disk full while recording",
    lambda rig: resource.prlimit(rig.pids["recorder"], resource.RLIMIT_FSIZE, (1, 1)),
    stops=False,
    recovery="the recording ends, and says so; everything else goes on",
)
LAST = Fault("guard killed", lambda rig: rig.kill("guard"), recovery="the stack ends; start it again")


def recording_stack(folder: Path) -> list[NodeProcess]:
    """A simulated stack in which goals do not end, with a recorder of everything but images."""
    exclude = ["/camera/", qos.OBSERVATION, qos.MONITOR_IMAGE]
    nodes = stack(StackOptions(stop_when_complete=False, record=str(folder)))
    return [replace(n, parameters={**n.parameters, "exclude": exclude}) if n.name == "recorder" else n for n in nodes]


def stand_still(commands: Sequence[tuple[float, bool]], begin: float, now: float) -> float | None:
    """When the robot stood still for the first time.

    Args:
        commands: receipt time (s) of each since `begin`, and whether it asks for motion.
        begin: when the fault came, s.
        now: end of the observation, s.

    Returns:
        s after `begin`; None if it went on.
    """
    before = begin
    for at, moves in commands:
        if at - before > ROBOT_TIMEOUT:
            break
        if not moves:
            return at - begin
        before = at
    else:
        if now - before <= ROBOT_TIMEOUT:
            return None
    return before + ROBOT_TIMEOUT - begin


def measure(rig: Rig, fault: Fault, goal: str, seed: int) -> Measured:
    """Let the robot move, bring a fault about, end it, wait until the robot moves again.

    Raises:
        BridgeError: the robot does not move before, or not again.
    """
    rig.wait_running()
    rig.reset(seed)
    rig.pursue(goal)
    time.sleep(0.3)
    begin = time.monotonic()
    fault.inject(rig)
    time.sleep(HOLD)
    end = time.monotonic()
    received = [at for at, _ in rig.since(begin)]
    gaps = np.diff([begin, *received, end])
    stopped = stand_still([(at, moving(c)) for at, c in rig.since(begin)], begin, end)
    fault.heal(rig)
    moved = end
    if fault.forgets:
        rig.wait_running()
        moved = rig.pursue(goal)
    elif fault is not LAST:
        end, moved = again(rig, fault, end, seed)
    return Measured(fault.name, fault.stops, stopped, float(gaps.max()), moved - end, fault.recovery)


def again(rig: Rig, fault: Fault, end: float, seed: int) -> tuple[float, float]:
    """When the robot could move again, and when it did, monotonic s; with another layout, if the goal was reached.

    Raises:
        BridgeError: it does not move.
    """
    begin = end
    while not (moved := [at for at, command in rig.since(begin) if moving(command)]):
        if time.monotonic() > end + STARTUP:
            raise BridgeError(f"no motion after {fault.name}; {rig.goal.message}; {rig.links}")
        if time.monotonic() > begin + PATIENCE and rig.status.state == StackStatus.RUNNING:
            seed += len(SEEDS)
            rig.reset(seed)
            begin = time.monotonic()
        time.sleep(0.02)
    return begin, moved[0]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", default="", help="Only faults whose names hold this text.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="File for the result.")
@click.option("--log", type=click.Path(path_type=Path), default=Path("out/faults.log"), show_default=True)
def main(only: str, result: Path | None, log: Path) -> None:
    """Measure how long the simulated robot goes on moving with each fault, and whether it moves again."""
    adopt_environment()
    chosen = [fault for fault in (*FAULTS, DISK_FULL, LAST) if only in fault.name]
    if not chosen:
        raise click.ClickException(f"no fault is named like {only!r}; there are {', '.join(f.name for f in FAULTS)}")
    found: list[Measured] = []
    rclpy.init()
    folder = tempfile.TemporaryDirectory()
    rig = Rig(recording_stack(Path(folder.name)), log)
    try:
        for number, fault in enumerate(chosen):
            one = measure(rig, fault, PUSHES[number % len(PUSHES)], SEEDS[number % len(SEEDS)])
            found.append(one)
            stood = "went on" if one.stopped_after is None else f"stood still after {one.stopped_after:.2f} s"
            click.echo(f"{one.name:32s} {stood:30s} moved again after {one.moving_after:5.2f} s"
                       + ("" if one.as_wanted else "   TOO LATE"))  # fmt: skip
    except SwmError as error:
        raise click.ClickException(f"{error} (the nodes' log: {log})") from error
    finally:
        rig.close()
        folder.cleanup()
        rclpy.try_shutdown()
        if result and found:
            made = {"faults": [asdict(one) for one in found], "outside_limits": len(rig.outside)} | provenance()
            write_json(result, made)
    late = [one.name for one in found if not one.as_wanted]
    if late or rig.outside:
        raise click.ClickException(f"too late: {late}; outside the limits: {len(rig.outside)} {rig.outside[:3]}")


if __name__ == "__main__":
    main()
