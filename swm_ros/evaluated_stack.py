# SPDX-License-Identifier: Apache-2.0
"""The ways in which a stack is run to be evaluated, as processes of their own that are ended with all their nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from swm_core.installation import shared_file

LOCKSTEP, ASYNCHRONOUS, SYNCHRONOUS = "lockstep", "asynchronous", "synchronous"
REHEARSALS = ("bad-link", "perfect-link")
END_TIMEOUT = 15.0  # s for the launcher to end


@dataclass(frozen=True)
class Way:
    """How a stack is run.

    Attributes:
        name: what people call it.
        through: what is evaluated, for the result.
        command: module of the launcher, and its arguments.
        realtime: whether episodes go on by themselves.
    """

    name: str
    through: str
    command: tuple[str, ...]
    realtime: bool


def simulated(planning: str, environment: str, planner: str, model: Path | None) -> Way:
    """The simulated stack without monitor: in lockstep, or in real time with or without overlap of planning."""
    command = ["swm_ros.launcher", environment, "--no-monitor", "--keep-going"]
    command += ["--mode", "lockstep"] if planning == LOCKSTEP else []
    command += ["--no-overlap"] if planning == SYNCHRONOUS else []
    through = "ROS 2, lockstep" if planning == LOCKSTEP else f"ROS 2, real time, {planning} planning"
    return Way(planning, through, (*command, *_choices(planner, model)), planning != LOCKSTEP)


def rehearsal(kind: str, seed: int, planner: str, model: Path | None, file: Path) -> Way:
    """A rehearsal's stack; its settings are written to a file.

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
    link = f"{robot['latency']} s late, jitter {robot['jitter']} s, {robot['drop']:.0%} of the frames lost"
    command = ("swm_ros.robot_launcher", "--config", str(file), "--keep-going", *_choices(planner, model))
    return Way(kind, f"ROS 2, real time, standard topics, frames {link}", command, True)


def _choices(planner: str, model: Path | None) -> list[str]:
    return (["--planner", planner] if planner else []) + (["--model", str(model)] if model else [])


@contextmanager
def launched(way: Way, log: Path) -> Iterator[subprocess.Popen]:
    """A stack for the time of the context; its output goes to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", *way.command]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)  # noqa: S603
        try:
            yield process
        finally:
            end(process)


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
