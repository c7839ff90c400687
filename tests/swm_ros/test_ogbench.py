# SPDX-License-Identifier: Apache-2.0
"""The same nodes with cubes and a gripper, in lockstep: other parameters and nothing else."""

import numpy as np
import pytest
import torch

from swm_core.data.questioning import QuestionCatalogue
from swm_core.environment import load_environment
from swm_core.models.compact import CompactWorldModel
from swm_core.models.weights import save_model
from swm_core.training.config import ModelSettings
from swm_core.training.trainer import compact_config
from swm_msgs.msg import Command, GuardStatus, Plan, SceneState
from swm_ros import qos
from swm_ros.client import StackClient
from swm_ros.conversions import scene_from_message
from swm_ros.evaluate import run_episode

pytestmark = pytest.mark.ros
ENTRY = load_environment("ogbench")
STEPS = 24
PATIENCE = 120.0  # s


class Stack:
    """A running stack and everything that it says."""

    def __init__(self, processes, **planner) -> None:
        self.processes = processes
        processes.start("guard", "swm_ros.guard_node", check_freshness=False)
        processes.start("bridge", "sim_bridges.bridge_node", mode="lockstep", max_steps=STEPS)
        processes.start("perception", "swm_ros.perception_node")
        processes.start("planner", "swm_ros.planner_node", mode="lockstep", stop_when_complete=False, **planner)
        self.client = StackClient()
        self.heard = {}
        for kind, topic, profile in (
            (Command, qos.COMMAND_SAFE, qos.COMMAND),
            (Command, qos.COMMAND_RAW, qos.COMMAND),
            (SceneState, qos.SCENE_STATE, qos.RECORD),
            (GuardStatus, qos.GUARD_STATUS, qos.STATUS),
            (Plan, qos.PLAN, qos.RECORD),
        ):
            self.heard[topic] = []
            self.client.node.create_subscription(kind, topic, self.heard[topic].append, profile)
        self.client.wait_ready(PATIENCE)

    def play(self, goal: str):
        outcome = run_episode(self.client, 6000, goal, PATIENCE)
        self.client.spin(0.5)
        number = self.client.episode.episode
        scenes = {m.step: scene_from_message(m) for m in self.heard[qos.SCENE_STATE] if m.episode == number}
        return outcome, [scenes[k] for k in sorted(scenes)]

    def planned(self, topic: str) -> list:
        return [c for c in self.heard[topic] if c.plan_id]

    def end(self) -> None:
        self.client.close()
        assert set(self.processes.end().values()) == {0}, "a node did not end cleanly on SIGINT"


@pytest.fixture
def start(ros, processes):
    processes.environment = "ogbench"
    stacks = []

    def make(**planner):
        stacks.append(Stack(processes, **planner))
        return stacks[-1]

    yield make
    for stack in stacks:
        stack.end()


def test_random_commands_pass_the_guard_and_open_and_close_the_gripper(start):
    stack = start(**{"planner.planner": "random"})
    outcome, scenes = stack.play("stack the blue cube on the yellow cube")
    assert outcome.steps == STEPS
    assert len(scenes) == STEPS + 1
    assert scenes[0].fingers.shape == (2, 4, 3)
    assert np.isfinite(scenes[0].gaps).all()
    raw, safe = stack.planned(qos.COMMAND_RAW), stack.planned(qos.COMMAND_SAFE)
    assert len(safe) >= STEPS
    assert [c.gripper for c in safe] == [c.gripper for c in raw]
    assert [c.twist.twist.angular.z for c in safe] == [c.twist.twist.angular.z for c in raw]
    assert set(stack.heard[qos.GUARD_STATUS][-1].causes) <= {"workspace limit"}
    asked = np.array([c.gripper for c in safe[:STEPS]])
    opening = np.diff([float(scene.gripper) for scene in scenes])
    assert np.ptp([float(scene.gripper) for scene in scenes]) > 0.3, "it opens and closes"
    assert np.corrcoef(asked, opening)[0, 1] > 0.3, "as it is told"
    moved = np.array([scene.effector for scene in scenes])
    assert (np.ptp(moved, axis=0) > 0.02).all(), "along all three axes"


def test_without_motion_arm_and_gripper_stay(start):
    stack = start(**{"planner.planner": "none"})
    _, scenes = stack.play("reach the red cube")
    assert np.ptp([scene.effector for scene in scenes], axis=0).max() < 0.008, "it only settles"
    assert np.ptp([float(scene.gripper) for scene in scenes]) < 0.02
    assert not any(c.gripper for c in stack.planned(qos.COMMAND_SAFE))


def test_a_model_plans_for_all_five_dimensions(start, tmp_path):
    sizes = ModelSettings(width=32, layers=1, action_layers=1, heads=2, fine_width=16)
    torch.manual_seed(0)
    save_model(tmp_path, CompactWorldModel(compact_config(ENTRY.spec, QuestionCatalogue.of(ENTRY), sizes)))
    stack = start(model_path=str(tmp_path), **{"planner.proposals": ["uniform"]})
    outcome, scenes = stack.play("reach the red cube")
    assert outcome.steps == len(scenes) - 1
    assert stack.heard[qos.PLAN][-1].action_dim == 5
    assert any(c.gripper for c in stack.planned(qos.COMMAND_SAFE))
    assert set(stack.heard[qos.GUARD_STATUS][-1].causes) <= {"workspace limit"}


def test_the_shipped_model_and_policy_take_the_gripper_to_the_cube(start):
    stack = start()
    _, scenes = stack.play("reach the red cube")
    distances = [np.linalg.norm(scene.effector - scene.positions[scene.index("red cube")]) for scene in scenes]
    assert min(distances) < 0.4 * distances[0]
    assert set(stack.heard[qos.GUARD_STATUS][-1].causes) <= {"workspace limit"}
