# SPDX-License-Identifier: Apache-2.0
"""The whole line with the real simulator in lockstep: one step a command, repeatable, no step for what is old."""

import numpy as np
import pytest
from rclpy.node import Node

from swm_core.errors import BridgeError
from swm_msgs.msg import Command, EpisodeStatus, GuardStatus, ResultCode, SceneState
from swm_msgs.srv import ResetEpisode
from swm_ros import qos
from swm_ros.client import StackClient
from swm_ros.conversions import scene_from_message
from swm_ros.evaluate import run_episode

pytestmark = pytest.mark.ros
STEPS = 40


class Log:
    """Everything of one topic, emptied for each episode."""

    def __init__(self, node: Node, kind: type, topic: str, profile) -> None:
        self.messages: list = []
        node.create_subscription(kind, topic, self.messages.append, profile)


@pytest.fixture(scope="module")
def client(ros, processes):
    processes.start("bridge", "sim_bridges.bridge_node", mode="lockstep", max_steps=STEPS)
    processes.start("guard", "swm_ros.guard_node", check_freshness=False)
    processes.start("perception", "swm_ros.perception_node")
    processes.start("planner", "scripted_planner.py", mode="lockstep", stop_when_complete=False)
    made = StackClient()
    made.commands = Log(made.node, Command, qos.COMMAND_SAFE, qos.COMMAND)
    made.scenes = Log(made.node, SceneState, qos.SCENE_STATE, qos.RECORD)
    made.guard = Log(made.node, GuardStatus, qos.GUARD_STATUS, qos.STATUS)
    made.wait_ready(60.0)
    made.wait(lambda: made.guard.messages, 60.0, "the guard")
    made.spin(1.0)  # until it knows who listens to its commands
    yield made
    made.close()
    assert set(processes.end().values()) == {0}, "a node did not end cleanly on SIGINT"


def play(client: StackClient, seed: int, goal: str = "reach the red moon"):
    client.spin(0.2)
    client.commands.messages.clear()
    client.scenes.messages.clear()
    outcome = run_episode(client, seed, goal, 60.0)
    client.spin(0.2)
    number = client.episode.episode
    scenes = {m.step: m for m in client.scenes.messages if m.episode == number}
    commands = [c for c in client.commands.messages if c.plan_id]
    return outcome, [scene_from_message(scenes[k]) for k in sorted(scenes)], commands


def test_an_episode_takes_one_step_a_command_and_ends_at_its_limit(client):
    outcome, scenes, commands = play(client, 6000)
    assert (outcome.end, outcome.steps) == ("step limit", STEPS)
    assert client.episode.commands_refused <= 1  # the answer to the last frame, which comes after the end
    assert len(scenes) == STEPS + 1
    assert STEPS <= len(commands) <= STEPS + 1
    plans = [c.plan_id for c in commands[:STEPS]]
    assert all(plans.count(p) == 4 for p in set(plans)), "a plan is executed for four steps"
    moved = np.array([s.effector[1] for s in scenes])
    assert np.diff(moved) == pytest.approx(np.full(STEPS, 0.004), abs=1e-6)


def test_the_same_seed_gives_the_same_run_to_the_bit_and_another_does_not(client):
    first, again, other = play(client, 6001)[1], play(client, 6001)[1], play(client, 6002)[1]
    assert len(first) == len(again)
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.effector, b.effector)
    assert not np.array_equal(first[0].positions, other[0].positions)


def test_many_episodes_in_a_row_neither_stall_nor_lose_a_step(client):
    for seed in range(6010, 6015):
        outcome, scenes, _ = play(client, seed, "reach the blue cube" if seed % 2 else "reach the red moon")
        assert outcome.steps == len(scenes) - 1


@pytest.mark.parametrize("goal", ["reach the red moon", "reach the yellow pentagon"], ids=["fast", "slow planning"])
def test_a_reset_in_mid_run_begins_anew_and_the_goal_goes_on(client, goal):
    client.cancel()
    client.reset(6000)
    client.send_goal(goal)
    client.wait(lambda: client.episode.step > 5, 20.0, "some steps")
    number = client.reset(6003)
    assert client.episode.seed == 6003
    client.wait(lambda: client.episode.episode == number and client.episode.step > 5, 20.0, "steps of the new episode")
    assert client.episode.state == EpisodeStatus.RUNNING


def test_a_command_for_a_frame_of_an_older_episode_is_not_executed(client):
    client.cancel()
    client.reset(6000)
    old = client.scenes.messages[-1].header.stamp
    client.reset(6001)
    client.spin(0.3)
    publisher = client.node.create_publisher(Command, qos.COMMAND_SAFE, qos.COMMAND)
    client.wait(lambda: publisher.get_subscription_count() > 1, 10.0, "the bridge")
    command = Command(plan_id=7, epoch=7, observation_stamp=old)
    command.answered_stamp = client.scenes.messages[-1].header.stamp
    command.twist.twist.linear.x = 0.3
    publisher.publish(command)
    client.wait(lambda: client.episode.commands_refused == 1, 10.0, "the count of refused commands")
    assert client.episode.step == 0
    command.observation_stamp = command.answered_stamp
    publisher.publish(command)
    client.wait(lambda: client.episode.step == 1, 10.0, "the step for the same command from a new frame")


def test_a_command_that_is_lost_is_sent_again(client, processes):
    client.cancel()
    client.reset(6000)
    client.send_goal("reach the red moon")
    client.wait(lambda: client.episode.step > 3, 20.0, "some steps")
    processes.kill("guard")  # with the command that it holds, or that is on its way to it
    client.spin(1.0)
    step = client.episode.step
    assert step < STEPS - 5
    processes.start("guard", "swm_ros.guard_node", check_freshness=False)
    client.wait(lambda: client.episode.step > step + 5, 60.0, "steps after the loss")
    assert client.episode.commands_refused == 0


def test_the_guard_passes_the_same_step_on_again_in_lockstep(client):
    client.cancel()
    client.reset(6000)
    client.spin(0.3)
    publisher = client.node.create_publisher(Command, qos.COMMAND_RAW, qos.COMMAND)
    client.wait(lambda: publisher.get_subscription_count() > 0, 10.0, "the guard")
    client.spin(1.0)  # until the guard knows of the publisher, too
    client.guard.messages.clear()
    client.wait(lambda: client.guard.messages, 10.0, "a status of the guard at rest")
    before = client.guard.messages[-1]
    command = Command(plan_id=3, step=2, epoch=before.epoch + 1)
    command.twist.header.frame_id = "world"
    command.twist.twist.linear.x = 0.05
    client.commands.messages.clear()
    passed = client.commands.messages
    for count in (1, 2):
        publisher.publish(command)
        client.wait(lambda n=count: len(passed) == n, 10.0, f"the step, time {count}; {client.guard.messages[-1]}")
    assert passed[0].twist.twist == passed[1].twist.twist
    client.wait(lambda: client.guard.messages[-1].accepted > before.accepted, 10.0, "a newer status")
    assert client.guard.messages[-1].accepted == before.accepted + 1
    assert "order" not in client.guard.messages[-1].causes


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"seed": -1}, ResultCode.BAD_ARGUMENT),
        ({"seed": 1, "objects": ["red elephant"]}, ResultCode.BAD_ARGUMENT),
        ({"seed": 1, "objects": ["red moon", "red moon"]}, ResultCode.BAD_ARGUMENT),
        ({"seed": 1, "task": "make coffee"}, ResultCode.GOAL_UNPARSED),
        ({"seed": 1, "objects": ["red moon"], "task": "reach the blue cube"}, ResultCode.GOAL_UNPARSED),
    ],
)
def test_an_episode_that_cannot_be_is_refused_with_a_code(client, fields, code):
    response = client._call(client._reset, ResetEpisode.Request(**fields), 20.0)
    assert response.code == code
    assert response.message
    with pytest.raises(BridgeError):
        client.reset(**fields)


def test_after_a_refused_reset_the_running_episode_goes_on(client):
    client.cancel()
    number = client.reset(6000)
    client.send_goal("reach the red moon")
    client.wait(lambda: client.episode.step > 3, 20.0, "some steps")
    response = client._call(client._reset, ResetEpisode.Request(seed=1, objects=["red elephant"]), 20.0)
    assert (response.code, response.episode) == (ResultCode.BAD_ARGUMENT, number)
    step = client.episode.step
    client.wait(lambda: client.episode.step > step + 5, 20.0, "steps after the refusal")
    assert (client.episode.episode, client.episode.state) == (number, EpisodeStatus.RUNNING)


def test_another_set_of_objects_is_played_and_known_to_the_planner(client):
    client.cancel()
    client.reset(3, objects=["green star", "purple cube"])
    assert client.episode.objects == ["green star", "purple cube"]
    client.spin(0.3)
    status = client.send_goal("reach the purple cube")
    assert status.task == "reach purple cube"
