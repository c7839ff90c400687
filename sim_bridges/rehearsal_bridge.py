# SPDX-License-Identifier: Apache-2.0
"""A simulated environment posing as a robot that knows standard messages only, behind a bad camera link.

It takes TwistStamped in the frame of its base and tells its effector's pose in that frame. Frames of its camera come
late, irregularly and not all. The true scene, the episode's status and its reset are there beside it for whoever
evaluates; the stack uses none of them.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from dataclasses import dataclass, field

from geometry_msgs.msg import PoseStamped, TwistStamped, Vector3
from sensor_msgs.msg import CameraInfo, Image

from sim_bridges.bridge_node import Bridge, BridgeConfig
from sim_bridges.camera_link import CameraLink
from swm_core.errors import ConfigError
from swm_core.frames import Transform
from swm_msgs.msg import Command
from swm_ros import qos
from swm_ros.conversions import pose, vector
from swm_ros.lifecycle import run

LINK_PERIOD = 0.005  # s between looks for frames that have arrived


@dataclass(frozen=True)
class RehearsalConfig(BridgeConfig):
    """Settings of the rehearsal's robot; always in real time.

    Attributes:
        twist_topic: where it takes velocities (TwistStamped), m/s, in `base_frame`.
        pose_topic: where it tells its effector's pose (PoseStamped), in `base_frame`.
        base_frame: name of the frame of its base.
        base_pose: of the base in the world: x, y, z (m), quaternion x, y, z, w.
        latency: mean time from a frame's exposure to its arrival, s.
        jitter: standard deviation of that time, s.
        drop: probability that a frame is lost.
    """

    twist_topic: str = "/robot/twist"
    pose_topic: str = "/robot/pose"
    base_frame: str = "base_link"
    base_pose: tuple[float, ...] = ()
    latency: float = field(default=0.08, metadata={"range": (0.0, 5.0)})
    jitter: float = field(default=0.02, metadata={"range": (0.0, 5.0)})
    drop: float = field(default=0.05, metadata={"range": (0.0, 1.0)})

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            ConfigError: the mode is not "realtime", or the base's pose is none.
        """
        if self.mode != "realtime":
            raise ConfigError(f"mode is {self.mode!r}; a robot knows only realtime")
        Transform.from_numbers(self.base_pose, "base_pose")


class RehearsalRobot(Bridge):
    """The node."""

    config_type = RehearsalConfig
    config: RehearsalConfig

    def setup_robot(self) -> None:
        """Create the robot's topics, and the link of its camera."""
        config = self.config
        self.base = Transform.from_numbers(config.base_pose, "base_pose")
        self.poses = self.advertise(PoseStamped, config.pose_topic, qos.COMMAND)
        self.listen(TwistStamped, config.twist_topic, self.on_twist, qos.COMMAND)
        self.link = CameraLink(config.latency, config.jitter, config.drop, config.seed)
        self._under_way: deque[tuple[float, CameraInfo, Image]] = deque()
        self.every(LINK_PERIOD, self.deliver)

    def start(self) -> None:
        """Begin the first episode."""
        self._under_way.clear()
        super().start()

    def on_twist(self, message: TwistStamped) -> None:
        """Keep a velocity for the next tick, turned into the world's frame."""
        velocity = vector(message.twist.linear)
        if message.header.frame_id != self.config.base_frame or not all(map(math.isfinite, velocity)):
            self.refused += 1
            return
        x, y, z = (float(v) for v in self.base.direction(velocity))
        command = Command()
        command.twist.twist.linear = Vector3(x=x, y=y, z=z)
        self._command = (command, time.monotonic())

    def publish_pose(self, stamped: PoseStamped) -> None:
        """Tell where the effector is, as the robot's base sees it."""
        place = stamped.pose.position
        stamped.pose = pose(self.base.inverse.point((place.x, place.y, place.z)))
        stamped.header.frame_id = self.config.base_frame
        super().publish_pose(stamped)

    def publish_frame(self, info: CameraInfo, image: Image) -> None:
        """Put a frame on the link, if it is not lost."""
        arrival = self.link.send(time.monotonic())
        if arrival is not None:
            self._under_way.append((arrival, info, image))

    def deliver(self) -> None:
        """Send the frames that have arrived."""
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, info, image = self._under_way.popleft()
            super().publish_frame(info, image)


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(RehearsalRobot))


if __name__ == "__main__":
    main()
