# SPDX-License-Identifier: Apache-2.0
"""The whole line with the real simulator in real time: rhythm, overlap, reset in mid-run, monitor."""

import time

import numpy as np
import pytest
from nav_msgs.msg import Path
from sensor_msgs.msg import Image
from stack_harness import moving, pursue
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from swm_msgs.msg import Command, EpisodeStatus, GoalStatus, Plan, ResultCode, SceneState
from swm_msgs.srv import ResetEpisode
from swm_ros import qos
from swm_ros.conversions import nanoseconds
from swm_ros.images import to_rgb_numpy
from swm_ros.marker_picture import Shown
from swm_ros.markers import flaws

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def sim(probe, processes):
    for kind, topic, profile in (
        (GoalStatus, qos.GOAL_STATUS, qos.STATUS),
        (Command, qos.COMMAND_SAFE, qos.COMMAND),
        (Plan, qos.PLAN, qos.RECORD),
        (SceneState, qos.SCENE_STATE, qos.RECORD),
        (EpisodeStatus, qos.EPISODE_STATUS, qos.STATUS),
        (Image, qos.MONITOR_IMAGE, qos.IMAGE),
        (MarkerArray, qos.MONITOR_MARKERS, qos.RECORD),
        (Path, qos.MONITOR_PATH, qos.RECORD),
    ):
        probe.listen(kind, topic, profile)
    probe.text = probe.node.create_publisher(String, qos.GOAL_TEXT, qos.GOAL)
    processes.start("bridge", "sim_bridges.bridge_node", seed=6000)
    processes.start("guard", "swm_ros.guard_node")
    processes.start("perception", "swm_ros.perception_node")
    processes.start("planner", "scripted_planner.py")
    processes.start("monitor", "swm_ros.monitor_node")
    probe.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.IDLE, begin=0.0)
    probe.wait_for(qos.MONITOR_IMAGE, lambda m: True, begin=0.0)
    yield probe
    assert set(processes.end().values()) == {0}, "a node did not end cleanly on SIGINT"


def reset(sim, **fields) -> ResetEpisode.Response:
    return sim.call(ResetEpisode, qos.RESET_EPISODE, ResetEpisode.Request(**fields))


def test_the_arm_moves_at_ten_hertz_as_commanded(sim):
    assert reset(sim, seed=6000).code == ResultCode.OK
    pursue(sim)
    begin = time.monotonic()
    time.sleep(3.0)
    commands = [(at, c) for at, c in list(sim.heard[qos.COMMAND_SAFE]) if at >= begin]
    scenes = sim.since(qos.SCENE_STATE, begin)
    assert 28 <= len(commands) <= 32
    assert 20 <= len(scenes) <= 32  # a busy machine draws frames late; none may be left out, see below
    steps = [s.step for s in scenes]
    assert steps == list(range(steps[0], steps[0] + len(steps))), "a scene is missing"
    travelled = scenes[-1].effector.y - scenes[0].effector.y
    whole = 0.004 * (len(scenes) - 1)
    assert 0.75 * whole < travelled < whole + 0.009  # where a command is late on a busy machine, the arm waits for it


def test_committed_actions_are_those_that_were_sent(sim):
    """Overlap: what a plan took for decided is what the commands of the plans before it said."""
    pursue(sim)
    begin = time.monotonic()
    time.sleep(1.5)
    plans = sim.since(qos.PLAN, begin)
    assert len(plans) > 8
    for plan in plans[3:]:  # ready before the next tick, from a newer frame, it rightly takes nothing for decided
        actions = np.reshape(plan.actions, (plan.horizon, plan.action_dim))
        assert actions[: plan.committed] == pytest.approx(np.tile([0.0, 0.004], (plan.committed, 1)), abs=1e-6)


def test_a_reset_in_mid_run_executes_nothing_old(sim):
    reset(sim, seed=6000)
    pursue(sim)
    time.sleep(0.5)
    begin = time.monotonic()
    response = reset(sim, seed=6003)
    assert response.code == ResultCode.OK
    number = response.episode
    sim.wait_for(qos.SCENE_STATE, lambda s: s.episode == number and s.step >= 10, begin)
    scenes = [s for s in sim.since(qos.SCENE_STATE, begin) if s.episode == number]
    y = np.array([s.effector.y for s in scenes])
    first = nanoseconds(response.stamp)
    fresh = [c for c in sim.since(qos.COMMAND_SAFE, begin) if moving(c) and nanoseconds(c.observation_stamp) >= first]
    assert fresh, "the goal does not go on"
    assert np.abs(y[1] - y[0]) < 1e-9, "the first step of the new episode executed a command of the old one"
    assert np.all(np.diff(y) <= 0.004 + 1e-6)
    assert y[-1] > y[0]


def test_after_a_refused_reset_the_running_episode_goes_on(sim):
    number = reset(sim, seed=6000).episode
    pursue(sim)
    response = reset(sim, seed=1, objects=["red elephant"])
    assert (response.code, response.episode) == (ResultCode.BAD_ARGUMENT, number)
    begin = time.monotonic()
    first = sim.wait_for(qos.SCENE_STATE, lambda s: True, begin)
    moved = sim.wait_for(qos.SCENE_STATE, lambda s: s.step > first.step + 5 and s.effector.y > first.effector.y, begin)
    assert moved.episode == number


def test_the_truth_of_the_goal_is_that_of_the_accepted_goal(sim):
    reset(sim, seed=6000)
    pursue(sim, "reach the blue cube")
    begin = time.monotonic()
    status = sim.wait_for(qos.EPISODE_STATUS, lambda s: s.task == "reach blue cube", begin)
    assert not status.goal_reached
    assert status.state == EpisodeStatus.RUNNING


def test_the_monitor_shows_frame_bars_and_path(sim):
    pursue(sim)
    begin = time.monotonic()
    sim.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.ACTIVE, begin)
    time.sleep(0.3)
    picture = to_rgb_numpy(sim.wait_for(qos.MONITOR_IMAGE, lambda m: True, time.monotonic()))
    assert picture.shape == (480, 640, 3)
    assert picture[:360].std() > 20, "no frame"
    bars = (picture[360:] == (168, 105, 68)).all(-1)  # the colour of probability 0.25
    assert bars.sum() > 400, "no bar"
    shown = Shown()
    sim.wait_for(qos.MONITOR_MARKERS, lambda m: m.markers[0].ns == "workspace", begin)
    for at, message in sim.heard[qos.MONITOR_MARKERS]:
        shown.add(message, at)
    markers = {(m.ns, m.id): m for m in shown.at(time.monotonic())}
    assert {ns for ns, _ in markers} == {
        "best", "candidates", "effector", "frames", "goal", "guard", "limits", "names", "objects", "trail", "workspace",
    }  # fmt: skip
    assert flaws(list(markers.values())) == []
    assert len(markers["best", 0].points) == 17
    assert markers["guard", 0].text == "guard: passing commands"
    assert markers["goal", 0].text.startswith("active: ")
    path = sim.wait_for(qos.MONITOR_PATH, lambda p: True, begin)
    assert len(path.poses) == 17


def test_without_commands_the_arm_stands(sim, processes):
    pursue(sim)
    killed = processes.kill("guard")
    time.sleep(0.6)
    scenes = [s for at, s in list(sim.heard[qos.SCENE_STATE]) if at >= killed + 0.45]
    assert len(scenes) >= 1
    sim.wait_for(qos.SCENE_STATE, lambda s: s.step >= scenes[0].step + 3, killed)
    scenes = [s for at, s in list(sim.heard[qos.SCENE_STATE]) if at >= killed + 0.45]
    assert len({s.effector.y for s in scenes}) == 1
