# SPDX-License-Identifier: Apache-2.0
"""Perception: a camera's frames, checked and drawn as the world model's camera would see them, rgb8.

Owns /swm/observation. The camera is a topic (raw or compressed) or a device that OpenCV reads. A frame that does not
fit is refused; it is cropped, undistorted or scaled only as the settings say: a wrong camera must be seen. For a slow
link, one such node beside the camera gives compressed observations and another, beside the planner, takes them.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from swm_core.camera_view import Calibration, CameraView
from swm_core.environment import DEFAULT_ENVIRONMENT, EnvironmentSpec, load_environment
from swm_core.errors import ConfigError
from swm_core.frames import Transform
from swm_ros import qos
from swm_ros.camera_health import CameraHealth
from swm_ros.capture import Capture
from swm_ros.compressed import FORMATS, decode, encode
from swm_ros.conversions import nanoseconds, stamp_of
from swm_ros.diagnostics import ERROR, OK, WARN, Health
from swm_ros.images import ImageCause, ImageError, check, converter, from_rgb
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.static_tf import send_static_transform

CHOICES = {"source": ("raw", "compressed", "device"), "output": ("raw", *FORMATS)}


@dataclass(frozen=True)
class PerceptionConfig:
    """Settings of the perception node.

    Attributes:
        environment: registered environment whose camera the model knows.
        source: "raw" (sensor_msgs/Image), "compressed" (sensor_msgs/CompressedImage, JPEG or PNG) or "device" (OpenCV).
        topic: of the images; empty for /camera/image_raw, or /camera/image_raw/compressed.
        reliability: "reliable" or "best_effort"; must fit the camera driver (a reliable subscriber hears no best-
            effort publisher).
        device: of the source "device": "/dev/video0", an address or a file.
        rate: frames per second that a device is asked for.
        device_latency: time from exposure until a device's frame is here, s; its stamp is that much earlier.
        width: width of the camera's frames, px; 0 takes the environment's.
        height: height of the camera's frames, px; 0 takes the environment's.
        calibration: file of camera_calibration (YAML); frames are undistorted with it. Empty for none.
        crop: left, top, width and height of what is seen in the undistorted frame, px; empty for all of it.
        camera_pose: of the camera's optical frame in the world: x, y, z (m), quaternion x, y, z, w. Frames are then
            drawn as the model's camera would see the table; needs a calibration.
        camera_frame: name of the camera's optical frame, in headers and for tf.
        publish_tf: whether `camera_pose` is published as a static transform from `world_frame` to `camera_frame`.
        world_frame: name of the frame in which the model's world is described.
        output: "raw", or "jpeg" or "png" to publish /swm/observation/compressed instead.
        quality: of JPEG.
        pose_topic: of the effector's pose (PoseStamped), in any frame.
        frozen_travel: distance that the effector must have moved for the same picture again to be refused as frozen, m.
    """

    environment: str = DEFAULT_ENVIRONMENT
    source: str = "raw"
    topic: str = ""
    reliability: str = "reliable"
    device: str = "/dev/video0"
    rate: float = field(default=30.0, metadata={"range": (0.1, 1000.0)})
    device_latency: float = field(default=0.0, metadata={"range": (0.0, 1.0)})
    width: int = field(default=0, metadata={"range": (0, 8192)})
    height: int = field(default=0, metadata={"range": (0, 8192)})
    calibration: str = ""
    crop: tuple[int, ...] = ()
    camera_pose: tuple[float, ...] = ()
    camera_frame: str = "camera"
    publish_tf: bool = False
    world_frame: str = "world"
    output: str = "raw"
    quality: int = field(default=95, metadata={"range": (1, 100)})
    pose_topic: str = qos.EFFECTOR_POSE
    frozen_travel: float = field(default=0.002, metadata={"range": (1e-4, 10.0)})

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            ConfigError: one of them is not offered, only one of width and height is given, or the pose is none.
        """
        if self.reliability not in ("reliable", "best_effort"):
            raise ConfigError(f"reliability is {self.reliability!r}; choose reliable or best_effort")
        for name, offered in CHOICES.items():
            if getattr(self, name) not in offered:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; choose {', '.join(offered)}")
        if bool(self.width) != bool(self.height):
            raise ConfigError("give both width and height, or neither")
        Transform.from_numbers(self.camera_pose, "camera_pose")
        if self.publish_tf and not self.camera_pose:
            raise ConfigError("publish_tf needs a camera_pose")

    @property
    def camera(self) -> str:
        """The topic or the device that the frames come from."""
        topics = {"raw": qos.CAMERA_IMAGE, "compressed": f"{qos.CAMERA_IMAGE}/compressed"}
        return self.device if self.source == "device" else self.topic or topics[self.source]


class Perception(ManagedNode[PerceptionConfig]):
    """The node."""

    publisher: Publisher

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("perception", PerceptionConfig, **kwargs)
        self.accepted = 0
        self.refused: Counter[ImageCause] = Counter()
        self.reason = ""
        self._failing = False
        self._told = 0  # frames accepted at the last report

    def setup(self) -> None:
        """Find the wanted size, the view and the converter; connect to the camera."""
        config = self.config
        spec = load_environment(config.environment).spec
        self.size = (config.width, config.height) if config.width else (spec.camera.width, spec.camera.height)
        self.view = self._view(spec)
        self.camera_health = CameraHealth(config.frozen_travel)
        self.convert, name = converter()
        self.get_logger().info(f"expecting {self.size[0]}x{self.size[1]} images; converting with {name}")
        raw = config.output == "raw"
        kind, topic = (Image, qos.OBSERVATION) if raw else (CompressedImage, qos.OBSERVATION_COMPRESSED)
        self.publisher = self.advertise(kind, topic, qos.IMAGE)
        if config.publish_tf:
            pose = Transform.from_numbers(config.camera_pose, "camera_pose")
            send_static_transform(self, config.world_frame, config.camera_frame, pose)
        self._connect()
        self.listen(PoseStamped, config.pose_topic, self.on_pose, qos.SENSOR)

    def _view(self, spec: EnvironmentSpec) -> CameraView | None:
        """What turns the camera's frames into the model's; None where they are that already."""
        config, camera = self.config, spec.camera
        if self.size == (camera.width, camera.height) and not (config.calibration or config.crop or config.camera_pose):
            return None
        calibration = Calibration.load(Path(config.calibration).expanduser()) if config.calibration else None
        pose = Transform.from_numbers(config.camera_pose, "camera_pose") if config.camera_pose else None
        return CameraView(self.size, camera, calibration, config.crop, pose, spec.table_height)

    def _connect(self) -> None:
        config = self.config
        profile = qos.IMAGE if config.reliability == "reliable" else qos.SENSOR
        if config.source == "raw":
            self.listen(Image, config.camera, self.on_image, profile)
        elif config.source == "compressed":
            self.listen(CompressedImage, config.camera, self.on_compressed, profile)
        else:
            ready = self.create_guard_condition(self.on_device)
            self.own(lambda: self.destroy_guard_condition(ready))
            tell = self.get_logger().warning
            self.capture = Capture(config.device, self.size, config.rate, ready.trigger, tell)
            self.own(self.capture.close)

    def on_pose(self, pose: PoseStamped) -> None:
        """Keep where the effector is, to tell a frozen camera from a robot that stands."""
        position = pose.pose.position
        self.camera_health.see_effector((position.x, position.y, position.z), nanoseconds(pose.header.stamp))

    def on_image(self, message: Image) -> None:
        """Check, convert and hand on one frame."""
        try:
            check(message, *self.size)
            picture = self.convert(message)
        except ImageError as error:
            self.refuse(error)
            return
        self.hand_on(picture, message.header)

    def on_compressed(self, message: CompressedImage) -> None:
        """Check, decode and hand on one frame."""
        try:
            image = decode(message, *self.size)
        except ImageError as error:
            self.refuse(error)
            return
        self.hand_on(image, message.header)

    def on_device(self) -> None:
        """Take what the camera's thread has read."""
        taken = self.capture.take()
        if taken is None or not self.active:
            return
        frame, came = taken
        if frame.shape != (self.size[1], self.size[0], 3):
            found = f"{frame.shape[1]}x{frame.shape[0]}"
            text = f"{self.config.device} gives {found} frames, {self.size[0]}x{self.size[1]} expected"
            self.refuse(ImageError(ImageCause.SIZE, text))
            return
        stamp = stamp_of(came - round(self.config.device_latency * 1e9))
        self.hand_on(frame[..., ::-1], Header(stamp=stamp, frame_id=self.config.camera_frame))

    def hand_on(self, image: np.ndarray, header: Header) -> None:
        """Publish the (H, W, 3) uint8 RGB frame as the model's camera would have taken it."""
        try:
            self.camera_health.check(image, nanoseconds(header.stamp))
        except ImageError as error:
            self.refuse(error)
            return
        seen = image if self.view is None else self.view(np.ascontiguousarray(image))
        output = self.config.output
        observation = from_rgb(seen) if output == "raw" else encode(seen, output, self.config.quality)
        observation.header = header
        self.accepted += 1
        self._failing = False
        self.publisher.publish(observation)

    def refuse(self, error: ImageError) -> None:
        """Count; say why at the first of each cause and whenever good frames were arriving before."""
        if not self.refused[error.cause] or not self._failing:
            self.get_logger().error(f"frame refused: {error}")
        self.refused[error.cause] += 1
        self.reason, self._failing = str(error), True

    def health(self) -> Health:
        """Whether frames come and can be used, with counts per cause of refusal."""
        values = {"accepted": self.accepted} | {f"refused_{cause.value}": self.refused[cause] for cause in ImageCause}
        arrived, self._told = self.accepted - self._told, self.accepted
        if self._failing:
            return Health(ERROR, f"frames refused: {self.reason}", values)
        if not arrived:
            how = f"does the camera send, with a reliability that fits {self.config.reliability!r}?"
            return Health(WARN, f"no frame from {self.config.camera} since the last report; {how}", values)
        return Health(OK, "frames accepted", values)


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Perception))


if __name__ == "__main__":
    main()
