# SPDX-License-Identifier: Apache-2.0
"""Web monitor: a page on loopback that shows the stack and takes goals, stops and questions. Nothing depends on it.

The node's executor runs on the main thread and keeps what it hears in `Seen`; the server runs on a thread of its own,
reads that, and asks for things through the methods below, which rclpy allows from any thread.
"""

from __future__ import annotations

import array
import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.client import Client
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import BridgeError, ConfigError
from swm_msgs.msg import (
    Command,
    EpisodeStatus,
    Explanation,
    GoalStatus,
    GuardStatus,
    Plan,
    PlanStats,
    ResultCode,
    SceneState,
    StackStatus,
)
from swm_msgs.srv import AskQuestion, ResetEpisode
from swm_ros import qos
from swm_ros.conversions import action_to_twist
from swm_ros.diagnostics import Health
from swm_ros.images import Reader
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.remote_parameters import ask_parameters
from swm_ros.stack import NAMESPACE
from swm_ros.web.seen import Seen

ANSWER = 10.0  # s to wait for a service
LIMITS_PERIOD = 1.0  # s between questions for the guard's limits


@dataclass(frozen=True)
class WebMonitorConfig:
    """Settings of the web monitor.

    Attributes:
        environment: registered environment whose camera and actions a drawn path is turned into.
        port: of the page, on 127.0.0.1 and nowhere else.
    """

    environment: str = DEFAULT_ENVIRONMENT
    port: int = field(default=8080, metadata={"range": (1, 65535)})


class WebMonitor(ManagedNode[WebMonitorConfig]):
    """The node."""

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("web_monitor", WebMonitorConfig, **kwargs)
        self.seen = Seen()
        self._server: Any = None

    def setup(self) -> None:
        """Create the entities and serve the page.

        Raises:
            ConfigError: NiceGUI is not installed, or the port is taken.
        """
        entry = load_environment(self.config.environment)
        self.spec, self.questions = entry.spec, entry.questions
        camera, seen = self.spec.camera, self.seen
        self.reader = Reader(camera.width, camera.height, lambda text: self.get_logger().error(text))
        self.listen(Image, qos.OBSERVATION, self.on_image, qos.IMAGE)
        self.listen(GoalStatus, qos.GOAL_STATUS, seen.see_goal, qos.STATUS)
        self.listen(Command, qos.COMMAND_SAFE, seen.see_command, qos.COMMAND)
        self.listen(PoseStamped, qos.EFFECTOR_POSE, self.on_pose, qos.COMMAND)
        self.listen(Explanation, qos.EXPLANATION, seen.see_explanation, qos.RECORD)
        for kind, topic, name, profile in (
            (GuardStatus, qos.GUARD_STATUS, "guard", qos.STATUS),
            (Plan, qos.PLAN, "plan", qos.RECORD),
            (PlanStats, qos.PLAN_STATS, "stats", qos.RECORD),
            (StackStatus, qos.STACK_STATUS, "stack", qos.LATCHED_EVENT),
            (EpisodeStatus, qos.EPISODE_STATUS, "episode", qos.STATUS),
            (SceneState, qos.SCENE_STATE, "scene", qos.RECORD),
        ):
            self.listen(kind, topic, lambda message, name=name: setattr(seen, name, message), profile)
        self.goals = self.advertise(String, qos.GOAL_TEXT, qos.GOAL)
        self.commands = self.advertise(Command, qos.COMMAND_RAW, qos.COMMAND)
        self._ask = self._client(AskQuestion, f"{NAMESPACE}/planner/ask")
        self._reset = self._client(ResetEpisode, qos.RESET_EPISODE)
        self._estop = self._client(Trigger, f"{NAMESPACE}/guard/estop")
        self._release = self._client(Trigger, f"{NAMESPACE}/guard/reset_estop")
        self._cancel = self._client(Trigger, f"{NAMESPACE}/planner/cancel_goal")
        self.every(LIMITS_PERIOD, self.ask_limits)
        self._serve()

    def ask_limits(self) -> None:
        """Ask the guard for its limits, until it has answered."""
        if not self.seen.limits:
            ask_parameters(self, f"{NAMESPACE}/guard", self.seen.limits.update)

    def _client(self, kind: type, name: str) -> Client:
        client = self.create_client(kind, name)
        self.own(lambda: self.destroy_client(client))
        return client

    def _serve(self) -> None:
        try:
            from swm_ros.web.server import Server
        except ImportError as error:
            raise ConfigError(f"the web monitor needs pip install 'swm_ros[web]': {error}") from error
        self._server = Server(self, self.config.port)
        self._server.start()
        self.get_logger().info(f"the page is at http://127.0.0.1:{self.config.port}")

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def on_image(self, image: Image) -> None:
        """Keep the newest frame."""
        picture = self.reader.read(image)
        if picture is not None:
            self.seen.see_frame(picture)

    def on_pose(self, pose: PoseStamped) -> None:
        """Keep where the effector is."""
        at = pose.pose.position
        self.seen.effector = np.array([at.x, at.y, at.z])

    def send_goal(self, text: str) -> None:
        """Ask for a goal; what becomes of it is in the goal's state."""
        self.goals.publish(String(data=text))

    async def stop_robot(self) -> str:
        """Press the emergency stop; what the guard says."""
        return str((await self._call(self._estop, Trigger.Request())).message)

    async def release(self) -> str:
        """Release the emergency stop; what the guard says."""
        return str((await self._call(self._release, Trigger.Request())).message)

    async def cancel(self) -> str:
        """Cancel the goal; what the planner says."""
        return str((await self._call(self._cancel, Trigger.Request())).message)

    async def reset(self, seed: int) -> str:
        """Begin another episode; what the simulator says."""
        return str((await self._call(self._reset, ResetEpisode.Request(seed=seed))).message)

    async def ask(self, questions: list[str], actions: np.ndarray) -> np.ndarray:
        """Probability of yes to K questions at horizons 0..h.

        Args:
            questions: K texts.
            actions: (h, A) in the environment's unit, or none.

        Returns:
            (K, h + 1).

        Raises:
            BridgeError: the planner does not answer, or says why it cannot.
        """
        request = AskQuestion.Request(questions=questions, action_dim=self.spec.action_dim)
        request.actions = array.array("f", np.asarray(actions, np.float32).tobytes())
        answer = await self._call(self._ask, request)
        if answer.code != ResultCode.OK:
            raise BridgeError(answer.message)
        return np.asarray(answer.probabilities).reshape(len(questions), -1)

    async def drive(self, actions: np.ndarray, after: Any) -> None:
        """Send actions through the guard, one each control period, as a goal of their own that ends with the last.

        Args:
            actions: (h, A) in the environment's unit.
            after: awaited after each action.

        Raises:
            BridgeError: a goal is pursued, or the emergency stop is latched.
        """
        loop, epoch = asyncio.get_running_loop(), self.seen.guard.epoch + 1
        begin = loop.time()
        for step, action in enumerate(actions):
            if self.seen.pursued:
                raise BridgeError("a goal is being pursued; cancel it first")
            if self.seen.guard.estop:
                raise BridgeError("the emergency stop is latched")
            twist, gripper = action_to_twist(action, self.spec)
            command = Command(twist=twist, gripper=gripper, plan_id=1, step=step, epoch=epoch)
            command.header.stamp = command.twist.header.stamp = self.get_clock().now().to_msg()
            command.observation_stamp = command.header.stamp
            command.header.frame_id = command.twist.header.frame_id
            self.commands.publish(command)
            await asyncio.sleep(max(0.0, begin + (step + 1) * self.spec.control_period - loop.time()))
            await after(step + 1)

    async def _call(self, client: Client, request: Any) -> Any:
        """Call a service.

        Raises:
            BridgeError: it is not there, or does not answer in time.
        """
        if not client.service_is_ready():
            raise BridgeError(f"{client.srv_name} is not there; does its node run?")
        future = client.call_async(request)
        end = asyncio.get_running_loop().time() + ANSWER
        while not future.done():
            if asyncio.get_running_loop().time() > end:
                raise BridgeError(f"{client.srv_name} did not answer within {ANSWER:.0f} s")
            await asyncio.sleep(0.01)
        return future.result()

    def health(self) -> Health:
        """How many pages look."""
        return Health(values={"viewers": self.seen.viewers})


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(WebMonitor))


if __name__ == "__main__":
    main()
