# SPDX-License-Identifier: Apache-2.0
"""A client of the running stack for demo, evaluation and tests: sends goals, resets episodes, waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from swm_core.errors import BridgeError
from swm_msgs.msg import EpisodeStatus, GoalStatus, Plan, ResultCode
from swm_msgs.srv import ResetEpisode
from swm_ros import qos
from swm_ros.stack import NAMESPACE


class StackClient:
    """Holds the latest status of goal and episode; callbacks can be added for everything else."""

    def __init__(self, name: str = "swm_client") -> None:
        """Join the ROS graph; `rclpy.init` must have been called."""
        self.node: Node = rclpy.create_node(name)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.goal: GoalStatus | None = None
        self.episode: EpisodeStatus | None = None
        self._text = self.node.create_publisher(String, qos.GOAL_TEXT, qos.GOAL)
        self._reset = self.node.create_client(ResetEpisode, qos.RESET_EPISODE)
        self._cancel = self.node.create_client(Trigger, f"{NAMESPACE}/planner/cancel_goal")
        self.node.create_subscription(GoalStatus, qos.GOAL_STATUS, self._on_goal, qos.STATUS)
        self.node.create_subscription(EpisodeStatus, qos.EPISODE_STATUS, self._on_episode, qos.STATUS)

    def close(self) -> None:
        """Leave the graph."""
        self.executor.shutdown()
        self.node.destroy_node()

    def on_plan(self, callback: Callable[[Plan], None]) -> None:
        """Call with every plan."""
        self.node.create_subscription(Plan, qos.PLAN, callback, qos.RECORD)

    def on_image(self, topic: str, callback: Callable[[Image], None]) -> None:
        """Call with every image of a topic."""
        self.node.create_subscription(Image, topic, callback, qos.IMAGE)

    def wait(self, until: Callable[[], bool], timeout: float, what: str) -> None:
        """Process messages until a condition holds.

        Raises:
            BridgeError: it does not within the time, s; the message says what was waited for.
        """
        end = time.monotonic() + timeout
        while not until():
            if time.monotonic() > end:
                raise BridgeError(f"waited {timeout:.0f} s in vain for {what}")
            self.executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        """Process messages for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def wait_ready(self, timeout: float) -> None:
        """Wait for the planner to take goals and for the simulator to have begun.

        Raises:
            BridgeError: one of them does not come.
        """
        self.wait(lambda: self.episode is not None, timeout, "the simulator")
        self.wait(lambda: self.goal is not None, timeout, "the planner")
        self.wait(lambda: self._text.get_subscription_count() > 0, timeout, f"a listener on {qos.GOAL_TEXT}")

    def send_goal(self, text: str, timeout: float = 10.0) -> GoalStatus:
        """Publish a goal text and wait for the planner's word on it.

        Returns:
            The first status of this goal: accepted or refused.

        Raises:
            BridgeError: there is none.
        """
        before = self.goal.goal_id if self.goal else ""
        self._text.publish(String(data=text))
        self.wait(lambda: self.goal is not None and self.goal.goal_id != before, timeout, "an answer to the goal")
        if self.goal is None:
            raise BridgeError("no status of the goal")
        return self.goal

    def cancel(self, timeout: float = 10.0) -> None:
        """Give up the goal that is pursued, if any."""
        self._call(self._cancel, Trigger.Request(), timeout)

    def reset(self, seed: int, task: str = "", objects: Sequence[str] = (), timeout: float = 30.0) -> int:
        """Begin another episode.

        Returns:
            Its number; its first status has been received.

        Raises:
            BridgeError: the bridge refuses or does not answer.
        """
        request = ResetEpisode.Request(seed=seed, task=task, objects=list(objects))
        response = self._call(self._reset, request, timeout)
        if response.code != ResultCode.OK:
            raise BridgeError(f"episode with seed {seed} was refused: {response.message}")
        number = response.episode
        self.wait(lambda: self.episode is not None and self.episode.episode == number, timeout, "the new episode")
        return number

    def _call(self, client: Any, request: Any, timeout: float) -> Any:
        if not client.wait_for_service(timeout_sec=timeout):
            raise BridgeError(f"service {client.srv_name} is not there")
        future = client.call_async(request)
        self.wait(future.done, timeout, f"an answer of {client.srv_name}")
        return future.result()

    def _on_goal(self, status: GoalStatus) -> None:
        self.goal = status

    def _on_episode(self, status: EpisodeStatus) -> None:
        self.episode = status
