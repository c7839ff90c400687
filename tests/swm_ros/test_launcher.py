# SPDX-License-Identifier: Apache-2.0
"""`swm-sim`: all nodes come up in order, a dead one comes back, all go down in reverse, none is left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from stack_harness import PATIENCE

from swm_ros.launcher import MOST_RESTARTS
from swm_ros.stack import CANNOT_BEGIN

pytestmark = pytest.mark.ros
HERE = Path(__file__).parent
ORDER = ["guard", "bridge", "perception", "planner"]  # of bring-up
NODES = {*ORDER, "manager"}


class Stack:
    """A launcher process and the nodes that it says it started."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "log"
        command = [sys.executable, str(HERE / "scripted_stack.py"), "langtable", "--no-monitor", *arguments]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def wait_for(self, pattern: str) -> str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            text = self.log.read_text()
            if re.search(pattern, text):
                return text
            time.sleep(0.1)
        raise AssertionError(f"no {pattern!r} in {self.log.read_text()}")

    def nodes(self) -> dict[str, psutil.Process]:
        """The node processes."""
        started = re.findall(r"(\w+) started \(pid=(\d+)\)", self.wait_for("manager started"))
        return {name: psutil.Process(int(pid)) for name, pid in started}

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def started(tmp_path):
    """A stack that has come up, with its nodes; whatever is left of it is killed in the end."""
    made = Stack(tmp_path, "--goal", "reach the red moon")
    made.wait_for("goal accepted: reach red moon")
    made.wait_for(r"\[swm.guard\]: running")
    nodes = made.nodes()
    yield made, nodes
    if made.process.poll() is None:
        made.process.kill()
    for process in nodes.values():
        if process.is_running():
            process.kill()


def assert_gone(nodes: dict[str, psutil.Process], within: float) -> None:
    """All have ended; one that its new parent has not buried yet (a zombie) has."""
    psutil.wait_procs(nodes.values(), timeout=within)
    alive = [p for p in nodes.values() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not alive, f"left behind: {alive}"


def test_one_process_a_node_on_this_machine_only_and_ctrl_c_ends_all(started):
    stack, nodes = started
    assert set(nodes) == NODES
    assert len({p.pid for p in nodes.values()}) == len(NODES)
    assert {p.environ()["ROS_AUTOMATIC_DISCOVERY_RANGE"] for p in nodes.values()} == {"LOCALHOST"}
    assert {p.environ()["FASTDDS_BUILTIN_TRANSPORTS"] for p in nodes.values()} == {"UDPv4"}
    assert stack.end(signal.SIGINT) == 130
    assert_gone(nodes, 1.0)
    text = stack.log.read_text()
    assert "Traceback" not in text
    assert re.findall(r"(\w+) is taken down", text) == ORDER[::-1]
    assert set(re.findall(r"(\w+) stopped \(rc=0\)", text)) == NODES
    assert "the planner is ending" in text
    stopped = re.findall(r"(\w+) stopped \(rc", text)
    assert stopped.index("planner") < stopped.index("guard"), "the guard is to outlive who commands it"


def test_a_dead_node_is_started_and_brought_up_again(started):
    stack, nodes = started
    nodes["planner"].kill()
    stack.wait_for(r"planner +\| ended \(rc=-9\) and is started again")
    stack.wait_for(r"(?s)started again.*goal accepted: reach red moon.*\[swm.manager\]: running")
    assert all(p.is_running() for name, p in nodes.items() if name != "planner")
    assert stack.end(signal.SIGINT) == 130
    assert_gone(nodes, 1.0)


def test_a_manager_that_is_ended_alone_takes_nothing_down_and_its_successor_leaves_what_somebody_took_down(started):
    stack, nodes = started
    script = f"""
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
rclpy.init()
node = rclpy.create_node("somebody")
client = node.create_client(ChangeState, "/swm/perception/change_state")
assert client.wait_for_service({PATIENCE})
transition = Transition(id=Transition.TRANSITION_DEACTIVATE)
asked = client.call_async(ChangeState.Request(transition=transition))
rclpy.spin_until_future_complete(node, asked, timeout_sec={PATIENCE})
assert asked.result().success
"""
    subprocess.run([sys.executable, "-c", script], env=nodes["guard"].environ(), check=True, timeout=2 * PATIENCE)
    stack.wait_for(r"\[swm.manager\]: degraded; perception is inactive")
    nodes["manager"].terminate()
    stack.wait_for(r"manager +\| ended \(rc=0\) and is started again")
    text = stack.wait_for(r"(?s)started again.*degraded; perception is inactive")
    assert "is taken down" not in text
    time.sleep(3.0)  # in which a manager would bring it up
    assert len(re.findall("perception is inactive", stack.log.read_text())) == 2
    assert all(p.is_running() for name, p in nodes.items() if name != "manager")
    assert stack.end(signal.SIGINT) == 130


def test_a_node_that_ends_again_and_again_ends_the_stack(started):
    stack, nodes = started
    for times in range(MOST_RESTARTS + 1):
        stack.wait_for(rf"(?s)(perception started.*){{{times + 1}}}")
        pid = re.findall(r"perception started \(pid=(\d+)\)", stack.log.read_text())[-1]
        os.kill(int(pid), signal.SIGKILL)
    assert stack.process.wait(PATIENCE) == 128 + signal.SIGKILL
    assert_gone(nodes, 1.0)


def test_a_dead_guard_is_not_started_again_and_takes_the_stack_down(started):
    stack, nodes = started
    nodes["guard"].kill()
    assert stack.process.wait(PATIENCE) == 128 + signal.SIGKILL
    assert re.search(r"guard stopped \(rc=-9\)", stack.log.read_text())
    assert_gone(nodes, 1.0)


def test_a_killed_launcher_leaves_no_node_behind(started):
    stack, nodes = started
    stack.end(signal.SIGKILL)
    assert_gone(nodes, 20.0)


def test_a_node_that_cannot_begin_ends_the_stack_with_its_reason(tmp_path):
    command = [sys.executable, "-m", "swm_ros.launcher", "langtable", "--no-monitor", "--model", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False, env=os.environ)
    assert done.returncode == CANNOT_BEGIN
    assert re.search(r"planner.*cannot configure:.*none", done.stdout)
    assert "planner cannot configure; its log says why" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mars"], "config/mars.yaml"),
        (["langtable", "--mode", "slow"], "lockstep"),
        (["langtable", "--speed", "9"], "No such option"),
    ],
)
def test_wrong_arguments_are_told_without_a_traceback(arguments, said):
    command = [sys.executable, "-m", "swm_ros.launcher", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
