# SPDX-License-Identifier: Apache-2.0
"""A simulated stack to be maltreated: its processes can be killed and halted, its camera misbehaves, all is recorded.

The bridge's camera is remapped to a topic of its own; what the stack sees is what the faulty camera makes of it. The
nodes' clock is one that the rig tells, so that it can be set.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from swm_core.environment import DEFAULT_ENVIRONMENT
from swm_core.errors import BridgeError
from swm_core.settings import structured
from swm_msgs.msg import Command, EpisodeStatus, GoalStatus, Heartbeat, StackStatus
from swm_msgs.srv import ResetEpisode
from swm_ros import launcher, qos
from swm_ros.conversions import stamp_of, vector
from swm_ros.faulty_camera import HEALTHY, FaultyCamera, with_faulty_camera
from swm_ros.guard_config import GuardConfig
from swm_ros.limit_watch import LimitWatch
from swm_ros.stack import NAMESPACE, NodeProcess, parameter_file

ASK_AGAIN = 5.0  # s without an answer of a service
CLOCK_PERIOD = 0.02  # s between words on /clock
STARTUP = 180.0  # s, on a busy machine


class Rig:
    """The stack, its camera, and a record of what it sent to the robot."""

    def __init__(self, nodes: Sequence[NodeProcess], log: Path, environment: str = DEFAULT_ENVIRONMENT) -> None:
        """Start everything; `rclpy.init` must have been called.

        Args:
            nodes: the stack, as `swm_ros.stack.stack` describes it, with a bridge.
            log: file for the nodes' output.
            environment: whose parameter file holds.
        """
        self.file, self.nodes = parameter_file(environment), nodes
        limits = yaml.safe_load(self.file.read_text())[f"{NAMESPACE}/guard"]["ros__parameters"]
        self._watch = LimitWatch(structured(limits, GuardConfig, str(self.file)))
        self.commands: list[tuple[float, Command]] = []  # with monotonic receipt times, s
        self.pids: dict[str, int] = {}
        self.goal = GoalStatus()
        self.episode = EpisodeStatus()
        self.status = StackStatus()
        self.halted: set[str] = set()
        self.node: Node = rclpy.create_node("rig")
        self.camera = FaultyCamera(self.node)
        self.raw = self.node.create_publisher(Command, qos.COMMAND_RAW, qos.COMMAND)
        self._text = self.node.create_publisher(String, qos.GOAL_TEXT, qos.GOAL)
        self._estop = self.node.create_publisher(Bool, qos.ESTOP, qos.GOAL)
        self._listen(Command, qos.COMMAND_SAFE, self._on_command, qos.COMMAND)
        self._listen(PoseStamped, qos.EFFECTOR_POSE, self._on_pose, qos.SENSOR)
        self._listen(Heartbeat, qos.HEARTBEAT, lambda beat: self.pids.update({beat.node: beat.pid}), qos.RECORD)
        self._listen(GoalStatus, qos.GOAL_STATUS, lambda status: setattr(self, "goal", status), qos.STATUS)
        self._listen(EpisodeStatus, qos.EPISODE_STATUS, lambda status: setattr(self, "episode", status), qos.STATUS)
        self._listen(StackStatus, qos.STACK_STATUS, lambda status: setattr(self, "status", status), qos.LATCHED_EVENT)
        self._offset = 0  # ns
        self._clock = self.node.create_publisher(Clock, qos.CLOCK, qos.SENSOR)
        self.node.create_timer(CLOCK_PERIOD, self._tell_time)
        self._open = True
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.launcher = multiprocessing.get_context("spawn").Process(target=_launch, args=(nodes, self.file, log))
        self.launcher.start()

    def close(self) -> None:
        """End the stack, then leave the graph."""
        for name in list(self.halted):
            self.resume(name)
        if self.launcher.is_alive() and self.launcher.pid:
            os.kill(self.launcher.pid, signal.SIGINT)
        self.launcher.join(20.0)
        self.launcher.kill()
        self._open = False
        self._thread.join()
        self.node.destroy_node()

    def kill(self, name: str) -> None:
        """SIGKILL to a node."""
        self._signal(name, signal.SIGKILL)

    def halt(self, name: str) -> None:
        """SIGSTOP to a node."""
        self._signal(name, signal.SIGSTOP)
        self.halted.add(name)

    def resume(self, name: str) -> None:
        """SIGCONT to a node."""
        self.halted.discard(name)
        self._signal(name, signal.SIGCONT)

    def set_clock(self, seconds: float) -> None:
        """Set the clock that the nodes share off from the machine's; their monotonic clocks run on."""
        self._offset = round(seconds * 1e9)

    def stop(self) -> None:
        """Press the emergency stop."""
        self._estop.publish(Bool(data=True))

    def release(self) -> None:
        """Release the emergency stop.

        Raises:
            BridgeError: the guard does not.
        """
        self._estop.publish(Bool(data=False))
        name, request = f"{NAMESPACE}/guard/reset_estop", Trigger.Request()
        self.wait(lambda: bool(self.call(Trigger, name, request).success), STARTUP, "the release of the emergency stop")

    def send_goal(self, text: str) -> None:
        """Publish a goal text."""
        self._text.publish(String(data=text))

    def reset(self, seed: int) -> None:
        """Begin another episode."""
        self.call(ResetEpisode, qos.RESET_EPISODE, ResetEpisode.Request(seed=seed))

    def pursue(self, text: str, timeout: float = STARTUP) -> float:
        """Send a goal, again where a new planner has not heard it, until the robot moves for it; when, monotonic s.

        Raises:
            BridgeError: it does not move.
        """
        begin, sent = time.monotonic(), -math.inf
        while not (moved := [at for at, c in self.since(begin) if moving(c)]):
            if time.monotonic() > begin + timeout:
                raise BridgeError(f"no motion within {timeout:.0f} s for {text!r}; {self.goal.message}")
            pursued = self.goal.state in (GoalStatus.ACCEPTED, GoalStatus.ACTIVE, GoalStatus.WAITING)
            if time.monotonic() > sent + (10.0 if pursued else 3.0):
                self.send_goal(text)
                sent = time.monotonic()
            time.sleep(0.02)
        return moved[0]

    def wait(self, until: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait for a condition.

        Raises:
            BridgeError: it does not hold in time.
        """
        end = time.monotonic() + timeout
        while not until():
            if time.monotonic() > end:
                raise BridgeError(f"waited {timeout:.0f} s in vain for {what}; {self.status.message}")
            time.sleep(0.02)

    def wait_running(self, timeout: float = STARTUP) -> None:
        """Wait for all nodes to be active.

        Raises:
            BridgeError: they are not in time.
        """
        self.wait(lambda: self.status.state == StackStatus.RUNNING, timeout, "all nodes to be active")

    def since(self, begin: float) -> list[tuple[float, Command]]:
        """Commands to the robot received from a time on, s."""
        return [(at, command) for at, command in list(self.commands) if at >= begin]

    def call(self, kind: Any, name: str, request: Any, timeout: float = 30.0) -> Any:
        """Call a service, again where no answer comes: what is asked of a node that is just being replaced is lost.

        Raises:
            BridgeError: it does not answer in time.
        """
        client, end = self.node.create_client(kind, name), time.monotonic() + timeout
        try:
            while time.monotonic() < end:
                if not client.wait_for_service(end - time.monotonic()):
                    raise BridgeError(f"service {name} is not there")
                future, again = client.call_async(request), time.monotonic() + ASK_AGAIN
                while time.monotonic() < min(again, end):
                    if future.done():
                        return future.result()
                    time.sleep(0.02)
            raise BridgeError(f"no answer of {name} within {timeout:.0f} s; {self.status.message}")
        finally:
            self.node.destroy_client(client)

    @property
    def outside(self) -> list[str]:
        """What left although the guard's limits forbid it, in words."""
        return self._watch.broken

    @property
    def links(self) -> str:
        """Who is connected to the camera and to its frames, for a message when no frames arrive."""
        subscribers = [info.node_name for info in self.node.get_subscriptions_info_by_topic(qos.CAMERA_IMAGE)]
        sources = self.node.count_publishers(HEALTHY)
        return (
            f"the camera hears {sources} bridges, has sent {self.camera.sent} frames, the last "
            f"{time.monotonic() - self.camera.sent_at:.1f} s ago, and is heard by {', '.join(subscribers) or 'nobody'} "
            f"(matched: {self.camera.listeners})"
        )

    def _listen(self, kind: Any, topic: str, callback: Callable[[Any], None], profile: Any) -> None:
        self.node.create_subscription(kind, topic, callback, profile)

    def _tell_time(self) -> None:
        self._clock.publish(Clock(clock=stamp_of(time.time_ns() + self._offset)))

    def _signal(self, name: str, number: int) -> None:
        os.kill(self.pids[name], number)

    def _on_command(self, command: Command) -> None:
        self.commands.append((time.monotonic(), command))
        twist = command.twist.twist
        self._watch.command(np.array((*vector(twist.linear), *vector(twist.angular), command.gripper)))

    def _on_pose(self, pose: PoseStamped) -> None:
        self._watch.effector(np.array(vector(pose.pose.position)))

    def _spin(self) -> None:
        while self._open and rclpy.ok():
            self._executor.spin_once(timeout_sec=0.05)


def moving(command: Command) -> bool:
    """Whether a command asks for motion."""
    twist = command.twist.twist
    return any((*vector(twist.linear), *vector(twist.angular)))


def with_shared_clock(nodes: Sequence[NodeProcess]) -> tuple[NodeProcess, ...]:
    """The same stack, its clock that of /clock, which can be set."""
    return tuple(replace(n, parameters={**n.parameters, "use_sim_time": True}) for n in nodes)


def _launch(nodes: Sequence[NodeProcess], file: Path, log: Path) -> None:
    """Be a launcher whose output goes to a file."""
    with log.open("w", buffering=1) as output:
        sys.stdout = output
        sys.exit(launcher.run(with_shared_clock(with_faulty_camera(nodes)), file))
