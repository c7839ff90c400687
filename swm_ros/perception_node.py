# SPDX-License-Identifier: Apache-2.0
"""Perception: checks camera frames and hands them on as rgb8 of the size that the world model knows.

Owns /swm/observation. A frame that does not fit is refused, never scaled or padded in silence: a wrong camera must be
seen.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import ConfigError
from swm_ros import qos
from swm_ros.images import ImageCause, ImageError, check, converter, from_rgb
from swm_ros.lifecycle import ManagedNode, run


@dataclass(frozen=True)
class PerceptionConfig:
    """Settings of the perception node.

    Attributes:
        environment: registered environment whose camera size is expected.
        width: expected image width, px; 0 takes the environment's.
        height: expected image height, px; 0 takes the environment's.
        reliability: "reliable" or "best_effort"; must fit the camera driver (a reliable subscriber hears no best-
            effort publisher).
        diagnostics_period: time between diagnostic messages, s.
    """

    environment: str = DEFAULT_ENVIRONMENT
    width: int = field(default=0, metadata={"range": (0, 4096)})
    height: int = field(default=0, metadata={"range": (0, 4096)})
    reliability: str = "reliable"
    diagnostics_period: float = field(default=1.0, metadata={"range": (0.05, 60.0)})

    def __post_init__(self) -> None:
        """Check the choice.

        Raises:
            ConfigError: the reliability is neither of the two, or only one of width and height is given.
        """
        if self.reliability not in ("reliable", "best_effort"):
            raise ConfigError(f"reliability is {self.reliability!r}; choose reliable or best_effort")
        if bool(self.width) != bool(self.height):
            raise ConfigError("give both width and height, or neither")


class Perception(ManagedNode[PerceptionConfig]):
    """The node."""

    publisher: Publisher
    diagnostics: Publisher

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("perception", PerceptionConfig, **kwargs)
        self.accepted = 0
        self.refused: Counter[ImageCause] = Counter()
        self.reason = ""
        self._failing = False

    def setup(self) -> None:
        """Find the wanted size and the converter."""
        self.size = (self.config.width, self.config.height)
        if not self.config.width:
            camera = load_environment(self.config.environment).spec.camera
            self.size = (camera.width, camera.height)
        self.convert, name = converter()
        self.get_logger().info(f"expecting {self.size[0]}x{self.size[1]} images; converting with {name}")
        self.publisher = self.advertise(Image, qos.OBSERVATION, qos.IMAGE)
        self.diagnostics = self.advertise(DiagnosticArray, qos.DIAGNOSTICS, qos.RECORD)
        reliable = self.config.reliability == "reliable"
        self.listen(Image, qos.CAMERA_IMAGE, self.on_image, qos.IMAGE if reliable else qos.SENSOR)
        self.every(self.config.diagnostics_period, self.report)

    def on_image(self, message: Image) -> None:
        """Check, convert and hand on one frame."""
        try:
            check(message, *self.size)
        except ImageError as error:
            self.refuse(error)
            return
        observation = from_rgb(self.convert(message))
        observation.header = message.header
        self.accepted += 1
        self._failing = False
        self.publisher.publish(observation)

    def refuse(self, error: ImageError) -> None:
        """Count; say why at the first of each cause and whenever good frames were arriving before."""
        if not self.refused[error.cause] or not self._failing:
            self.get_logger().error(f"frame refused: {error}")
        self.refused[error.cause] += 1
        self.reason, self._failing = str(error), True

    def report(self) -> None:
        """Publish counts per cause."""
        level = DiagnosticStatus.ERROR if self._failing else DiagnosticStatus.OK
        values = [KeyValue(key="accepted", value=str(self.accepted))]
        values += [KeyValue(key=f"refused: {cause.value}", value=str(self.refused[cause])) for cause in ImageCause]
        text = f"frames refused: {self.reason}" if self._failing else "frames accepted"
        status = DiagnosticStatus(level=level, name="swm/perception", message=text, hardware_id="camera", values=values)
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self.diagnostics.publish(message)


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Perception))


if __name__ == "__main__":
    main()
