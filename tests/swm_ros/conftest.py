# SPDX-License-Identifier: Apache-2.0
"""Fixtures around node processes."""

import os
import sys
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Bool, String

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports tests by file, which leaves their folder off the path
from stack_harness import Camera, Probe, Processes

from swm_msgs.msg import Command, Goal, GoalStatus, GuardStatus, PlanStats
from swm_ros import qos

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def ros():
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    made = Processes(tmp_path_factory.mktemp("nodes"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def probe(ros):
    made = Probe()
    yield made
    made.close()


@pytest.fixture(scope="module")
def camera(probe):
    made = Camera(probe)
    yield made
    made.open = False
    made.join()


@pytest.fixture(scope="module")
def line(probe, camera, processes):
    """The running line of nodes; the robot is this test."""
    for kind, topic, profile in (
        (GoalStatus, qos.GOAL_STATUS, qos.STATUS),
        (Command, qos.COMMAND_RAW, qos.COMMAND),
        (Command, qos.COMMAND_SAFE, qos.COMMAND),
        (GuardStatus, qos.GUARD_STATUS, qos.STATUS),
        (DiagnosticArray, qos.DIAGNOSTICS, qos.RECORD),
        (PlanStats, qos.PLAN_STATS, qos.RECORD),
    ):
        probe.listen(kind, topic, profile)
    probe.text = probe.node.create_publisher(String, qos.GOAL_TEXT, qos.GOAL)
    probe.typed = probe.node.create_publisher(Goal, qos.GOAL_TYPED, qos.GOAL)
    probe.raw = probe.node.create_publisher(Command, qos.COMMAND_RAW, qos.COMMAND)
    probe.estop = probe.node.create_publisher(Bool, qos.ESTOP, qos.GOAL)
    processes.start("guard", "swm_ros.guard_node")
    processes.start("perception", "swm_ros.perception_node", diagnostics_period=0.1)
    processes.start("planner", "scripted_planner.py", objects_from_scene=False)
    probe.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.IDLE, begin=0.0)
    probe.wait_for(qos.DIAGNOSTICS, lambda d: d.status[0].message == "frames accepted", begin=0.0)
    probe.wait_for(qos.GUARD_STATUS, lambda s: True, begin=0.0)
    yield probe
    assert set(processes.end().values()) == {0}, "a node did not end cleanly on SIGINT"
