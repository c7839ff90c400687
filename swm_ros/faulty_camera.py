# SPDX-License-Identifier: Apache-2.0
"""A camera that misbehaves on demand, between the bridge and the stack."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from swm_ros import qos
from swm_ros.conversions import nanoseconds, stamp_of
from swm_ros.images import from_rgb, to_rgb_numpy
from swm_ros.stack import NodeProcess

HEALTHY = "/camera/healthy"  # where the bridge's frames go


class FaultyCamera:
    """Hands on the frames of a healthy camera, or what a broken driver would send instead.

    Attributes:
        change: makes the frame that is sent of the one that came; None for none.
        jitter: longest random delay, s.
        stamp_offset: added to the stamps, s.
        sent: frames.
        sent_at: when the last one was, monotonic s.
    """

    def __init__(self, node: Node) -> None:
        """Create the entities; callbacks come on the node's executor."""
        self.random = random.Random(0)  # noqa: S311, no secret
        self._node, self._newest, self._count = node, None, 0
        self.sent, self.sent_at = 0, time.monotonic()
        self._publisher = node.create_publisher(Image, qos.CAMERA_IMAGE, qos.IMAGE)
        node.create_subscription(Image, HEALTHY, self._on_image, qos.IMAGE)
        self._timer = node.create_timer(1.0, self._on_timer)
        self.heal()

    def heal(self) -> None:
        """Hand on every frame as it comes."""
        self.change: Callable[[Image], Image | None] = lambda image: image
        self.jitter = self.stamp_offset = 0.0
        self._timer.cancel()

    def run_at(self, rate: float) -> None:
        """Send so many frames a second, each from the newest that came."""
        self._timer.timer_period_ns = round(1e9 / rate)
        self._timer.reset()

    def silence(self) -> None:
        """Send nothing."""
        self.change = lambda image: None

    def freeze(self) -> None:
        """Send the present picture again and again, with fresh stamps."""
        frozen = self._newest

        def repeat(image: Image) -> Image:
            again = frozen or image
            return Image(height=again.height, width=again.width, encoding=again.encoding, step=again.step,
                         data=again.data, header=image.header)  # fmt: skip

        self.change = repeat

    def show(self, picture: np.ndarray) -> None:
        """Send one (H, W, 3) uint8 picture instead."""

        def shown(image: Image) -> Image:
            made = from_rgb(picture)
            made.header = image.header
            return made

        self.change = shown

    def _on_image(self, image: Image) -> None:
        self._newest = image
        if self.jitter:
            threading.Timer(self.random.uniform(0.0, self.jitter), self._send, (image,)).start()
        elif self._timer.is_canceled():
            self._send(image)

    def _on_timer(self) -> None:
        if self._newest is not None:
            self._count += 1
            picture = to_rgb_numpy(self._newest)
            picture[0, 0] = self._count % 256  # no two frames of a real camera are the same
            image = from_rgb(picture)
            image.header.frame_id, image.header.stamp = "camera", self._node.get_clock().now().to_msg()
            self._send(image)

    def _send(self, image: Image) -> None:
        changed = self.change(image)
        if changed is not None:
            changed.header.stamp = stamp_of(nanoseconds(changed.header.stamp) + round(self.stamp_offset * 1e9))
            self._publisher.publish(changed)
            self.sent, self.sent_at = self.sent + 1, time.monotonic()

    @property
    def listeners(self) -> int:
        """Subscriptions that the camera's publisher is connected to."""
        return self._publisher.get_subscription_count()


def with_faulty_camera(nodes: Sequence[NodeProcess]) -> tuple[NodeProcess, ...]:
    """The same stack with the bridge's camera on a topic of its own."""
    return tuple(replace(n, remappings={qos.CAMERA_IMAGE: HEALTHY}) if n.name == "bridge" else n for n in nodes)
