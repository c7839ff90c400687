# SPDX-License-Identifier: Apache-2.0
"""How the guard speaks to a robot that knows standard messages only: topics, types, frames."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped, Vector3
from rclpy.publisher import Publisher
from std_msgs.msg import Float64, Float64MultiArray, Header

from swm_core.errors import ConfigError
from swm_core.frames import Transform
from swm_msgs.msg import Command
from swm_ros import qos
from swm_ros.conversions import vector

TWIST_TYPES = ("TwistStamped", "Twist")
GRIPPER_TYPES = ("Float64", "Float64MultiArray")


@dataclass(frozen=True)
class RobotInterface:
    """How a robot is spoken to.

    Attributes:
        twist_topic: where velocity commands go; empty where a simulator's bridge takes /swm/command.
        twist_type: "TwistStamped" (MoveIt Servo, most velocity controllers) or "Twist".
        twist_frame: frame in which the robot takes velocities; empty for the guard's own.
        base_pose: of `twist_frame` in the guard's frame: x, y, z (m), quaternion x, y, z, w; empty for the same.
        publish_tf: whether `base_pose` is published as a static transform.
        gripper_topic: where the gripper's position goes, the sum of its commands' rates; empty for no gripper.
        gripper_type: "Float64" or "Float64MultiArray" (one element; forward_command_controller).
        gripper_open: the open gripper's position, in the controller's unit.
        gripper_closed: the closed gripper's.
        gripper_start: how far it is closed before its first command, 0 (open) to 1.
        pose_topic: the effector's pose (PoseStamped), in `twist_frame` or the guard's frame.
        pose_reliability: "reliable" or "best_effort", as its publisher has it.
        dry_run: nothing leaves for the robot, nor on /swm/command; what would have is on /swm/command_dry_run.
    """

    twist_topic: str = ""
    twist_type: str = "TwistStamped"
    twist_frame: str = ""
    base_pose: tuple[float, ...] = ()
    publish_tf: bool = False
    gripper_topic: str = ""
    gripper_type: str = "Float64"
    gripper_open: float = 0.0
    gripper_closed: float = 1.0
    gripper_start: float = field(default=0.0, metadata={"range": (0.0, 1.0)})
    pose_topic: str = qos.EFFECTOR_POSE
    pose_reliability: str = "reliable"
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            ConfigError: one of them is not offered, or the pose is none, or lacks its frame.
        """
        for name, offered in (
            ("twist_type", TWIST_TYPES),
            ("gripper_type", GRIPPER_TYPES),
            ("pose_reliability", ("reliable", "best_effort")),
        ):
            if getattr(self, name) not in offered:
                raise ConfigError(f"robot.{name} is {getattr(self, name)!r}; choose {', '.join(offered)}")
        if not (math.isfinite(self.gripper_open) and math.isfinite(self.gripper_closed)):
            raise ConfigError("robot.gripper_open and robot.gripper_closed must be finite")
        Transform.from_numbers(self.base_pose, "robot.base_pose")
        if self.base_pose and not self.twist_frame:
            raise ConfigError("robot.base_pose needs the name of its frame, robot.twist_frame")

    @property
    def base(self) -> Transform:
        """The pose of `twist_frame` in the guard's frame."""
        return Transform.from_numbers(self.base_pose, "robot.base_pose")


class RobotPort:
    """Turns commands that may leave into the robot's messages, and the robot's poses into the guard's frame."""

    def __init__(
        self, config: RobotInterface, frame: str, period: float, advertise: Callable[..., Publisher], closed: float
    ) -> None:
        """Make the publishers.

        Args:
            config: how the robot is spoken to.
            frame: the guard's.
            period: time for which one command acts, s.
            advertise: makes a publisher from type, topic and quality of service.
            closed: how far the gripper is closed at first.
        """
        self.config, self.frame, self.period, self.base = config, frame, period, config.base
        self.closed, self._moved_at = closed, -math.inf
        self.twists: Publisher | None = None
        self.grippers: Publisher | None = None
        if config.twist_topic and not config.dry_run:
            kind = TwistStamped if config.twist_type == "TwistStamped" else Twist
            self.twists = advertise(kind, config.twist_topic, qos.COMMAND)
        if config.gripper_topic and not config.dry_run:
            kind = Float64 if config.gripper_type == "Float64" else Float64MultiArray
            self.grippers = advertise(kind, config.gripper_topic, qos.COMMAND)

    def send(self, command: Command, now: Time) -> None:
        """Send a command that the guard let through.

        Args:
            command: in the guard's frame.
            now: stamp for the robot, which compares it with its own clock; the planner's may be another machine's.
        """
        if self.twists is not None:
            self.twists.publish(self._twist(command, now))
        if self.grippers is not None and command.gripper:
            config = self.config
            moment = time.monotonic()
            elapsed = min(moment - self._moved_at, self.period)  # commands that come in a burst move it no faster
            self._moved_at = moment
            self.closed = min(max(self.closed + command.gripper * elapsed, 0.0), 1.0)
            value = config.gripper_open + self.closed * (config.gripper_closed - config.gripper_open)
            single = config.gripper_type == "Float64"
            self.grippers.publish(Float64(data=value) if single else Float64MultiArray(data=[value]))

    def _twist(self, command: Command, now: Time) -> TwistStamped | Twist:
        turned, given = self.base.inverse, command.twist.twist
        twist = Twist(
            linear=_vector(turned.direction(vector(given.linear))),
            angular=_vector(turned.direction(vector(given.angular))),
        )
        if self.config.twist_type == "Twist":
            return twist
        return TwistStamped(header=Header(stamp=now, frame_id=self.config.twist_frame or self.frame), twist=twist)

    def position(self, pose: PoseStamped) -> tuple[float, float, float]:
        """Where the effector is, m, in the guard's frame.

        Raises:
            ConfigError: the pose is given in a frame that neither the guard nor the robot has.
        """
        place = pose.pose.position
        found = (place.x, place.y, place.z)
        if pose.header.frame_id == self.frame:
            return found
        if self.config.twist_frame and pose.header.frame_id == self.config.twist_frame:
            x, y, z = (float(v) for v in self.base.point(found))
            return x, y, z
        known = " or ".join(repr(f) for f in dict.fromkeys((self.frame, self.config.twist_frame)) if f)
        raise ConfigError(f"the effector's pose is in frame {pose.header.frame_id!r}; {known} expected")


def _vector(components: np.ndarray) -> Vector3:
    x, y, z = (float(v) for v in components)
    return Vector3(x=x, y=y, z=z)
