# SPDX-License-Identifier: Apache-2.0
"""The planner node within this process: another episode of the simulator makes it begin the task anew."""

import time

import numpy as np
import pytest
from rclpy.parameter import Parameter
from scripted_planner import ScriptedController
from stack_harness import PATIENCE
from std_msgs.msg import String

from swm_msgs.msg import GoalStatus, ResultCode, SceneState
from swm_ros.conversions import stamp_of
from swm_ros.images import from_rgb
from swm_ros.planner_node import Planner

pytestmark = pytest.mark.ros


class Counting(ScriptedController):
    """Counts how often a task was begun."""

    begun = 0

    def start(self, task):
        super().start(task)
        self.begun += 1


@pytest.fixture
def controller():
    return Counting()


@pytest.fixture
def planner(ros, controller):
    node = Planner(make_controller=lambda config: controller)
    assert node.bring_up()
    node.goals.on_text(String(data="reach the red moon"))
    yield node
    node.finish()
    node.destroy_node()


def see(planner, stamp):
    image = from_rgb(np.zeros((180, 320, 3), np.uint8))
    image.header.stamp = stamp_of(stamp)
    planner.on_observation(image)


def scene(planner, episode, stamp):
    message = SceneState(episode=episode)
    message.header.stamp = stamp_of(stamp)
    planner.on_scene(message)


def wait_for_plan(planner):
    end = time.monotonic() + PATIENCE
    while planner.schedule.plan is None and time.monotonic() < end:
        time.sleep(0.005)
        planner.collect()
    assert planner.schedule.plan is not None


def test_another_episode_clears_the_plan_and_begins_the_task_anew(planner, controller):
    now = planner.get_clock().now().nanoseconds
    scene(planner, 1, now)
    see(planner, now)
    wait_for_plan(planner)
    scene(planner, 1, now + 1)
    assert planner.schedule.plan is not None, "the next scene of the same episode changes nothing"
    scene(planner, 2, now + 10)
    assert planner.schedule.plan is None
    see(planner, now + 5)  # taken in the episode before, arrives late
    assert planner.frame.stamp == now
    see(planner, now + 10)
    wait_for_plan(planner)
    assert planner.schedule.plan.observation == now + 10
    assert controller.begun == 2


def test_a_plan_in_hand_for_the_episode_before_is_not_executed(planner):
    now = planner.get_clock().now().nanoseconds
    scene(planner, 1, now)
    see(planner, now)
    assert planner.worker.busy
    scene(planner, 2, now + 10)
    end = time.monotonic() + PATIENCE
    while planner.worker.busy and time.monotonic() < end:
        time.sleep(0.005)
        planner.collect()
    assert not planner.worker.busy
    assert planner.schedule.plan is None


def test_a_clock_that_is_set_back_blinds_nobody(planner):
    now, hour = planner.get_clock().now().nanoseconds, 3600 * 10**9
    scene(planner, 1, now)
    scene(planner, 2, now + 10)
    see(planner, now - 10**9)
    assert planner.frame is None, "of the episode before, as far as one can know"
    see(planner, now - hour)
    assert planner.frame.stamp == now - hour, "the camera's clock is not the simulator's"
    scene(planner, 2, now - hour)  # the episode's own scenes come with such stamps: the clock was set back
    see(planner, now - hour + 1)
    assert planner.frame.stamp == now - hour + 1


def test_goals_are_newer_than_what_the_guard_has_seen(planner):
    """Even if the clock from which epochs are taken was set back between two planners."""
    seen = planner.goals.goal.epoch + 10**9
    planner.goals.outrun(seen)
    planner.goals.on_text(String(data="reach the blue cube"))
    assert planner.goals.goal.epoch > seen
    planner.goals.outrun(5)
    planner.goals.on_text(String(data="reach the red moon"))
    assert planner.goals.goal.epoch > seen + 1


def test_without_overlap_the_robot_stands_while_it_is_planned_for(ros, controller):
    node = Planner(make_controller=lambda config: controller, parameter_overrides=[Parameter("overlap", value=False)])
    assert node.bring_up()
    try:
        node.goals.on_text(String(data="reach the red moon"))
        steps, plans = [], set()
        node.send = lambda step: (steps.append(step.index), plans.add(step.plan.plan_id))
        for _ in range(3):
            see(node, node.get_clock().now().nanoseconds)
            wait_for_plan(node)
            for _ in range(node.config.planner.execute):
                node.tick()
                see(node, node.get_clock().now().nanoseconds)
                assert not node.worker.busy, "planned while the robot moves"
            node.tick()
            assert node.schedule.plan is None
        assert steps == [*range(node.config.planner.execute)] * 3
        assert len(plans) == 3
    finally:
        node.finish()
        node.destroy_node()


def test_a_goal_that_the_controller_gives_up_is_aborted_with_the_reason(planner, controller):
    controller.given_up = "the goal was not reached within 8 actions"
    told = []
    planner.goals._publish = told.append
    see(planner, planner.get_clock().now().nanoseconds)
    end = time.monotonic() + PATIENCE
    while planner.goals.pursued is not None and time.monotonic() < end:
        time.sleep(0.005)
        planner.collect()
    status = told[-1]
    assert (status.state, status.code) == (GoalStatus.ABORTED, ResultCode.TIMEOUT)
    assert status.message == "the goal was not reached within 8 actions"
    assert planner.schedule.plan is None
