# SPDX-License-Identifier: Apache-2.0
"""The stack with the weights that are shipped: the job of the demo, the rhythm while planning, lockstep success."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from stack_harness import moving

from swm_core.errors import ModelError
from swm_core.models.shipped import shipped_model
from swm_msgs.msg import Command, EpisodeStatus, GoalStatus, PlanStats
from swm_ros import qos

pytestmark = [pytest.mark.ros, pytest.mark.slow]
GOAL = "reach the red moon"


@pytest.fixture(scope="module", autouse=True)
def weights():
    try:
        shipped_model("langtable")
    except ModelError as error:
        pytest.skip(str(error))


def test_the_demo_reaches_its_goal(tmp_path):
    command = [sys.executable, "-m", "swm_ros.launcher", "langtable", "--demo", "--goal", GOAL, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout
    assert "true scene: reached" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"demo.mp4", "demo.gif", "demo.png"}


def test_eight_targets_are_reached_through_ros_in_lockstep(tmp_path):
    file = tmp_path / "reach.json"
    command = [sys.executable, "-m", "swm_ros.evaluate", "--task", "reach", "--seeds", "6000:6008", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(file.read_text())
    assert result["n"] == 8
    assert len({e["task"] for e in result["episodes"]}) == 8
    assert result["successes"] >= 7


@pytest.fixture(scope="module")
def running(probe, processes):
    for kind, topic, profile in (
        (GoalStatus, qos.GOAL_STATUS, qos.STATUS),
        (Command, qos.COMMAND_SAFE, qos.COMMAND),
        (PlanStats, qos.PLAN_STATS, qos.RECORD),
        (EpisodeStatus, qos.EPISODE_STATUS, qos.STATUS),
    ):
        probe.listen(kind, topic, profile)
    processes.start("bridge", "sim_bridges.bridge_node", seed=6000)
    processes.start("guard", "swm_ros.guard_node")
    processes.start("perception", "swm_ros.perception_node")
    processes.start("planner", "swm_ros.planner_node", goal=GOAL, stop_when_complete=False)
    probe.wait_for(qos.COMMAND_SAFE, moving, begin=0.0)
    return probe


@pytest.mark.timeout(300)
def test_commands_come_at_ten_hertz_for_a_minute_while_planning(running):
    time.sleep(2.0)
    begin = time.monotonic()
    time.sleep(60.0)
    times = np.array([at for at, _ in list(running.heard[qos.COMMAND_SAFE]) if at >= begin])
    plans = running.since(qos.PLAN_STATS, begin)
    gaps = np.diff(times)
    report = f"{len(times)} commands, p99 {1e3 * np.quantile(gaps, 0.99):.1f} ms, {len(plans)} plans"
    assert 598 <= len(times) <= 602, report
    assert np.quantile(gaps, 0.99) <= 0.115, report
    assert len(plans) > 120, report
