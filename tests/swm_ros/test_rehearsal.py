# SPDX-License-Identifier: Apache-2.0
"""The stack against a robot that knows standard topics only, over a bad camera link; the planner is scripted."""

import time

import numpy as np
import pytest
import yaml
from geometry_msgs.msg import PoseStamped, TwistStamped
from sensor_msgs.msg import Image
from stack_harness import PATIENCE, Probe, Processes, moving
from std_msgs.msg import String
from std_srvs.srv import Trigger

from swm_core.installation import shared_file
from swm_msgs.msg import Command, GoalStatus, SceneState
from swm_ros import qos
from swm_ros.conversions import nanoseconds

pytestmark = pytest.mark.ros
FILE = shared_file("config/robot_rehearsal.yaml")
ROBOT = yaml.safe_load(FILE.read_text())["/swm/robot"]["ros__parameters"]


@pytest.fixture(scope="module")
def rehearsal(probe: Probe, processes: Processes):
    for kind, topic, profile in (
        (GoalStatus, qos.GOAL_STATUS, qos.STATUS),
        (Command, qos.COMMAND_SAFE, qos.COMMAND),
        (Command, qos.COMMAND_DRY_RUN, qos.COMMAND),
        (SceneState, qos.SCENE_STATE, qos.RECORD),
        (Image, qos.OBSERVATION, qos.IMAGE),
        (TwistStamped, ROBOT["twist_topic"], qos.COMMAND),
        (PoseStamped, ROBOT["pose_topic"], qos.COMMAND),
    ):
        probe.listen(kind, topic, profile)
    probe.text = probe.node.create_publisher(String, qos.GOAL_TEXT, qos.GOAL)
    processes.start("guard", "swm_ros.guard_node", file=FILE)
    processes.start("robot", "sim_bridges.rehearsal_bridge", file=FILE, seed=6000)
    processes.start("perception", "swm_ros.perception_node", file=FILE)
    processes.start("planner", "scripted_planner.py", file=FILE)
    probe.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.IDLE, begin=0.0)
    probe.wait_for(qos.OBSERVATION, lambda m: True, begin=0.0)
    yield probe
    assert set(processes.end().values()) == {0}, "a node did not end cleanly on SIGINT"


def begin_moving(probe, topic, moves, text="reach the red moon"):
    """Send a goal until something moves."""
    begin, sent = time.monotonic(), float("-inf")
    while not any(map(moves, probe.since(topic, begin))):
        assert time.monotonic() < begin + PATIENCE, f"nothing moves on {topic}"
        if time.monotonic() > sent + 5.0:
            probe.text.publish(String(data=text))
            sent = time.monotonic()
        time.sleep(0.02)


def test_the_robot_gets_twists_in_its_own_frame_and_moves_as_the_planner_means(rehearsal):
    """The scripted planner moves along the world's y, which is the x of a base that is turned a quarter."""
    begin = time.monotonic()
    begin_moving(rehearsal, ROBOT["twist_topic"], lambda t: t.twist.linear.x != 0)
    time.sleep(2.0)
    twists = [t for t in rehearsal.since(ROBOT["twist_topic"], begin) if t.twist.linear.x]
    assert {t.header.frame_id for t in twists} == {"base_link"}
    assert all(t.twist.linear.x == pytest.approx(0.04, abs=1e-5) for t in twists[1:])
    assert all(abs(t.twist.linear.y) < 1e-6 for t in twists)
    scenes, poses = rehearsal.since(qos.SCENE_STATE, begin), rehearsal.since(ROBOT["pose_topic"], begin)
    assert scenes[-1].effector.y > scenes[0].effector.y + 0.01
    assert abs(scenes[-1].effector.x - scenes[0].effector.x) < 0.005
    scene = {nanoseconds(s.header.stamp): s.effector for s in scenes}
    pairs = [(scene[k], p.pose.position) for p in poses if (k := nanoseconds(p.header.stamp)) in scene]
    assert len(pairs) > 10
    for world, base in pairs:  # base at (-0.3, 0.1), its x along the world's y
        assert (base.x, base.y) == pytest.approx((world.y - 0.1, -(world.x + 0.3)), abs=1e-5)


def test_frames_come_late_and_not_all(rehearsal):
    begin = time.monotonic()
    time.sleep(5.0)
    frames = [nanoseconds(m.header.stamp) for m in rehearsal.since(qos.OBSERVATION, begin)]
    taken = [nanoseconds(m.header.stamp) for m in rehearsal.since(qos.SCENE_STATE, begin)]
    assert len(frames) > 20
    assert frames == sorted(frames)
    assert np.mean([k in frames for k in taken[:-5]]) < 1.0, "none was lost"
    heard = {nanoseconds(m.header.stamp): at for at, m in list(rehearsal.heard[qos.OBSERVATION])}
    told = {nanoseconds(m.header.stamp): at for at, m in list(rehearsal.heard[qos.SCENE_STATE])}
    late = [heard[k] - told[k] for k in heard if k in told]
    assert 0.06 < np.median(late) < 0.3  # a busy machine adds to the 0.08


def test_in_a_dry_run_everything_runs_and_nothing_leaves(rehearsal, processes):
    rehearsal.call(Trigger, "/swm/planner/cancel_goal", Trigger.Request())
    processes.stop("guard")
    begin = time.monotonic()
    processes.start("guard", "swm_ros.guard_node", file=FILE, **{"robot.dry_run": True})
    begin_moving(rehearsal, qos.COMMAND_DRY_RUN, moving)
    assert not rehearsal.since(qos.COMMAND_SAFE, begin + 0.5)
    assert not rehearsal.node.get_publishers_info_by_topic(ROBOT["twist_topic"])
    assert "dry run" in processes.log("guard")
