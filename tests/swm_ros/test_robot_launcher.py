# SPDX-License-Identifier: Apache-2.0
"""`swm-robot` in two parts, as on two machines: one manager for both, told silences, a new guard, an end in order."""

import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml
from stack_harness import PATIENCE

from swm_core.installation import shared_file
from swm_ros.stack import ENVIRONMENT

pytestmark = pytest.mark.ros


class Part:
    """A launcher for some of the file's nodes, and what it logs."""

    def __init__(self, folder, name: str, nodes: str) -> None:
        self.log, self.names = folder / f"{name}.log", nodes.split(",")
        command = [sys.executable, "-m", "swm_ros.robot_launcher", "--config", str(folder / "robot.yaml")]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--nodes", nodes], stdout=output, stderr=subprocess.STDOUT, env={**ENVIRONMENT, **os.environ}
            )

    def wait_for(self, pattern: str) -> str:
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, text := self.log.read_text()):
            assert time.monotonic() < end, f"no {pattern!r} in {text}"
            time.sleep(0.1)
        return text

    def pid(self, name: str) -> int:
        return int(re.search(rf"{name} started \(pid=(\d+)\)", self.wait_for(f"{name} started"))[1])

    def end(self) -> str:
        """Ctrl-C; the log."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 130
        return self.log.read_text()


@pytest.fixture
def begin(tmp_path):
    sections = yaml.safe_load(shared_file("config/robot_rehearsal.yaml").read_text())
    del sections["/swm/planner"]  # takes seconds to load, and nothing here needs it
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(sections))
    parts = []

    def make(name: str, nodes: str) -> Part:
        parts.append(Part(tmp_path, name, nodes))
        return parts[-1]

    yield make
    for part in parts:
        if part.process.poll() is None:
            for process in psutil.Process(part.process.pid).children(recursive=True):
                process.kill()
            part.process.kill()
            part.process.wait()


def test_two_parts_are_one_stack_and_a_new_guard_takes_over_what_the_former_one_took_down(begin):
    here = begin("here", "guard,robot")
    text = here.wait_for(r"\[swm.manager\]: waiting; perception is missing")
    assert "[swm.guard]: waiting\n" in text, "the guard does not wait for those that come after it"
    far = begin("far", "perception")
    here.wait_for(r"\[swm.manager\]: running")
    assert "[swm.perception]: waiting for the manager" in far.log.read_text()

    os.kill(far.pid("perception"), signal.SIGSTOP)
    here.wait_for(r"\[swm.manager\]: degraded; perception is silent")
    os.kill(far.pid("perception"), signal.SIGCONT)
    here.wait_for(r"(?s)perception is silent.*\[swm.manager\]: running")

    text = here.end()
    assert re.findall(r"(\w+) is taken down", text) == ["perception", "robot", "guard"]
    assert re.findall(r"(\w+) stopped \(rc=0\)", text)[-1] == "guard", "the guard is to outlive the others"
    assert far.process.poll() is None
    begin("again", "guard,robot").wait_for(r"\[swm.manager\]: running")
    assert "Unable to start transition" not in far.end()


def test_a_guard_that_lost_its_power_comes_up_after_what_went_on_without_it_is_taken_down(begin):
    here, far = begin("here", "guard,robot"), begin("far", "perception")
    here.wait_for(r"\[swm.manager\]: running")
    here.process.send_signal(signal.SIGSTOP)  # so that it ends nothing in order
    for name in ("manager", "guard", "robot"):
        os.kill(here.pid(name), signal.SIGKILL)
    here.process.kill()
    here.process.wait()
    again = begin("again", "guard,robot")
    again.wait_for(r"\[swm.manager\]: perception goes on from a former stack and is taken down")
    again.wait_for(r"\[swm.manager\]: running")
    far.end()
