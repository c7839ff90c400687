# SPDX-License-Identifier: Apache-2.0
"""How every node tells that it is well: /diagnostics (REP 107), and each number as a topic of its own to be plotted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64

from swm_ros import qos

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Health:
    """What a node says about itself.

    Attributes:
        level: OK, WARN (works, but somebody should look) or ERROR (does not do what it is for).
        message: what is the case and, unless it is OK, what to do about it.
        values: by name: numbers, which are also published one by one (topics have "_" for what is no letter or digit),
            and texts.
    """

    level: bytes = OK
    message: str = "active"
    values: Mapping[str, str | float] = field(default_factory=dict)


class Reporter:
    """Publishes a node's health regularly, in every state of its life."""

    def __init__(self, node: Node, period: float, clock: Clock, health: Callable[[], Health]) -> None:
        """Begin to report.

        Args:
            node: the node; its name becomes that of the status ("swm/planner").
            period: time between reports, s.
            clock: that paces them.
            health: asked at each report.
        """
        self._node, self._health = node, health
        self._name = node.get_fully_qualified_name().lstrip("/")
        self._status = node.create_publisher(DiagnosticArray, qos.DIAGNOSTICS, qos.RECORD)
        self._numbers: dict[str, Publisher] = {}
        node.create_timer(period, self.report, clock=clock)

    def report(self) -> None:
        """Publish the status, and each finite number on ~/numbers/<name>."""
        health = self._health()
        values = [KeyValue(key=name, value=_text(value)) for name, value in health.values.items()]
        status = DiagnosticStatus(level=health.level, name=self._name, message=health.message, values=values)
        status.hardware_id = self._name
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._status.publish(message)
        for name, value in health.values.items():
            if not isinstance(value, str) and math.isfinite(value):
                self._number(name).publish(Float64(data=float(value)))

    def _number(self, name: str) -> Publisher:
        if name not in self._numbers:
            topic = f"~/numbers/{re.sub(r'[^A-Za-z0-9]+', '_', name)}"
            self._numbers[name] = self._node.create_publisher(Float64, topic, qos.RECORD)
        return self._numbers[name]


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value)
