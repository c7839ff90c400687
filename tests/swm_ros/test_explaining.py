# SPDX-License-Identifier: Apache-2.0
"""Explanations: what they say of a plan, that nobody pays for them unheard, and that attention comes with its plan."""

import time
from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from scripted_planner import ScriptedController
from stack_harness import PATIENCE
from std_msgs.msg import String

from swm_core.environment import load_environment
from swm_core.planning.controller import Controller
from swm_core.planning.settings import DEFAULT
from swm_core.tasks import build_task, parse_goal
from swm_msgs.msg import Explanation
from swm_ros import qos
from swm_ros.conversions import stamp_of
from swm_ros.explaining import explanation
from swm_ros.images import from_rgb
from swm_ros.planner_node import Planner

ENTRY = load_environment("langtable")


@pytest.fixture(scope="module")
def controller():
    config = replace(DEFAULT, gradient=replace(DEFAULT.gradient, iterations=2))
    return Controller.load("langtable", config=config)


@pytest.fixture(scope="module")
def frame():
    env = ENTRY.make()
    env.reset(seed=6001)
    yield env.render()
    env.close()


class Numbered:
    """What `explanation` reads of a plan that was put to use."""

    def __init__(self, plan):
        self.plan_id = 3
        self.goal = type("Goal", (), {"epoch": 7})
        self.made = type("Made", (), {"plan": plan, "frame": type("Frame", (), {"stamp": 5 * 10**9})})


def test_gains_add_up_to_what_was_gained(controller, frame):
    controller.start(build_task(parse_goal("reach the red moon", ENTRY.names), ENTRY.questions))
    plan = controller.plan(frame)
    told = explanation(Numbered(plan), ENTRY.spec, Time(sec=9))
    assert (told.plan_id, told.epoch, told.observation_stamp.sec, told.header.stamp.sec) == (3, 7, 5, 9)
    assert (told.iterations, len(told.questions)) == (2, len(plan.questions))
    gains = np.reshape(told.gains, (told.iterations, len(told.questions)))
    means = plan.probabilities.mean(-1)
    np.testing.assert_allclose(means[0] + gains.sum(0), means[-1], atol=1e-6)
    assert sum(told.value_gains) == pytest.approx(plan.values[-1] - plan.values[0], abs=1e-5)
    assert len(told.first_path) == len(told.path) == DEFAULT.horizon + 1
    assert (told.first_path[0].x, told.first_path[0].y) == (told.path[0].x, told.path[0].y)
    moved = np.array([told.first_path[-1].x - told.first_path[0].x, told.first_path[-1].y - told.first_path[0].y])
    np.testing.assert_allclose(moved, plan.history[0].sum(0), atol=1e-5)


def test_attention_lies_on_what_the_question_names(controller, frame):
    env = ENTRY.make(images=False)
    env.reset(seed=6001)
    scene = env.scene()
    env.close()
    names = ("red moon", "green star")
    maps = controller.attention(frame, [f"Is the robotic peg touching the {name}?" for name in names])
    np.testing.assert_allclose(maps.sum((1, 2)), 1.0, atol=1e-5)
    cell = -(-frame.shape[0] // maps.shape[1])
    pixels = ENTRY.spec.camera.project(scene.positions)
    for name, weights in zip(names, maps, strict=True):
        u, v = pixels[scene.index(name)]
        row, column = int(v // cell), int(u // cell)
        near = weights[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4].sum()
        assert near > 0.4, f"half of it is on the {name}, the rest on the peg"


class Looking(ScriptedController):
    """Counts how often attention was looked for."""

    looked = 0

    def attention(self, image, questions):
        self.looked += 1
        return np.full((len(questions), 2, 4), 1 / 8, np.float32)


@pytest.mark.ros
def test_it_is_told_while_somebody_listens_and_costs_nothing_else(ros, probe):
    controller = Looking()
    node = Planner(make_controller=lambda config: controller)
    assert node.bring_up()
    node.goals.on_text(String(data="reach the red moon"))
    stamps = iter(range(1, 10**6))

    def plan_once():
        image = from_rgb(np.zeros((180, 320, 3), np.uint8))
        image.header.stamp = stamp_of(node.get_clock().now().nanoseconds + next(stamps))
        before = node._plan_id
        node.on_observation(image)
        end = time.monotonic() + PATIENCE
        while node._plan_id == before and time.monotonic() < end:
            time.sleep(0.005)
            node.collect()
        node.publish_plans(None)

    try:
        plan_once()
        time.sleep(0.1)
        node.publish_plans(None)
        assert controller.looked == 0
        probe.listen(Explanation, qos.EXPLANATION, qos.RECORD)
        end = time.monotonic() + PATIENCE
        while not node.explainer.heard and time.monotonic() < end:
            time.sleep(0.01)
        begin = time.monotonic()
        for _ in range(3):
            plan_once()
        end = time.monotonic() + PATIENCE
        while len(probe.since(qos.EXPLANATION, begin)) < 3 and time.monotonic() < end:
            time.sleep(0.01)
            node.publish_plans(None)
        told = probe.since(qos.EXPLANATION, begin)
        assert [t.plan_id for t in told] == [2, 3, 4], "in the order of the plans"
        assert [(t.rows, t.columns, t.cell) for t in told] == [(2, 4, 90), (0, 0, 0), (0, 0, 0)], "once a second"
        assert controller.looked == 1
    finally:
        node.finish()
        node.destroy_node()
