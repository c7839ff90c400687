# SPDX-License-Identifier: Apache-2.0
"""Monitor: shows what the planner thinks, as an annotated image and as rviz markers. Nothing depends on it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from swm_core.environment import AXES, DEFAULT_ENVIRONMENT, load_environment
from swm_msgs.msg import GoalStatus, Plan
from swm_ros import qos
from swm_ros.diagnostics import Health
from swm_ros.drawing import Overlay, annotate, colour_of
from swm_ros.goals import STATE_NAMES, TERMINAL
from swm_ros.images import Reader, from_rgb
from swm_ros.lifecycle import ManagedNode, run

LIFETIME = Duration(nanosec=500_000_000)  # markers of a plan that is not renewed vanish


@dataclass(frozen=True)
class MonitorConfig:
    """Settings of the monitor.

    Attributes:
        environment: registered environment whose camera projects the path.
    """

    environment: str = DEFAULT_ENVIRONMENT


def candidate_paths(plan: Plan, action_names: tuple[str, ...]) -> np.ndarray:
    """Where the candidates lead if each action moves the effector as asked.

    Returns:
        (C, H+1, 3) float, m; begins at the effector's present position.
    """
    actions = np.asarray(plan.candidates, np.float64).reshape(plan.candidate_count, plan.horizon, plan.action_dim)
    moves = np.zeros((plan.candidate_count, plan.horizon + 1, 3))
    for name, axis in AXES.items():
        if name in action_names:
            moves[:, 1:, axis] = actions[:, :, action_names.index(name)]
    start = plan.path[0]
    return np.array([start.x, start.y, start.z]) + np.cumsum(moves, axis=1)


def markers(plan: Plan, action_names: tuple[str, ...]) -> MarkerArray:
    """The best path, thick, and the candidates, thin, from red (lowest value) to green (highest)."""
    best = _line(
        plan, "best", 0, [Point(x=p.x, y=p.y, z=p.z) for p in plan.path], 0.006, ColorRGBA(g=0.9, b=1.0, a=1.0)
    )
    lines, values = [best], np.asarray(plan.candidate_values)
    spread = float(np.ptp(values)) if len(values) else 0.0
    for i, path in enumerate(candidate_paths(plan, action_names)):
        share = (float(values[i]) - float(values.min())) / spread if spread > 0 else 1.0
        red, green, blue = (c / 255 for c in colour_of(share))
        points = [Point(x=x, y=y, z=z) for x, y, z in path.tolist()]
        lines.append(_line(plan, "candidates", i, points, 0.002, ColorRGBA(r=red, g=green, b=blue, a=0.7)))
    return MarkerArray(markers=lines)


def _line(plan: Plan, namespace: str, number: int, points: list[Point], width: float, colour: ColorRGBA) -> Marker:
    marker = Marker(header=plan.header, ns=namespace, id=number, type=Marker.LINE_STRIP, action=Marker.ADD)
    marker.points, marker.color, marker.scale.x, marker.lifetime = points, colour, width, LIFETIME
    marker.pose.orientation.w = 1.0
    return marker


class Monitor(ManagedNode[MonitorConfig]):
    """The node."""

    images: Publisher
    markers: Publisher

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("monitor", MonitorConfig, **kwargs)
        self.goal = GoalStatus(message="no goal")
        self.plan: Plan | None = None
        self.drawn = 0

    def setup(self) -> None:
        """Create the entities."""
        self.spec = load_environment(self.config.environment).spec
        camera = self.spec.camera
        self.reader = Reader(camera.width, camera.height, lambda text: self.get_logger().error(text))
        self.images = self.advertise(Image, qos.MONITOR_IMAGE, qos.IMAGE)
        self.markers = self.advertise(MarkerArray, qos.MONITOR_MARKERS, qos.RECORD)
        self.listen(Image, qos.OBSERVATION, self.on_observation, qos.IMAGE)
        self.listen(GoalStatus, qos.GOAL_STATUS, self.on_status, qos.STATUS)
        self.listen(Plan, qos.PLAN, self.on_plan, qos.RECORD)

    def on_status(self, status: GoalStatus) -> None:
        """Keep the goal; a refused one does not take the place of the one pursued."""
        if status.state == GoalStatus.REFUSED and self.goal.state in (GoalStatus.ACTIVE, GoalStatus.WAITING):
            return
        self.goal = status
        if status.state in TERMINAL:
            self.plan = None

    def on_plan(self, plan: Plan) -> None:
        """Keep the newest plan and show it in rviz."""
        self.plan = plan
        if plan.path:
            self.markers.publish(markers(plan, self.spec.action_names))

    def on_observation(self, observation: Image) -> None:
        """Draw on the newest frame; one that is malformed is left out."""
        frame = self.reader.read(observation)
        if frame is None:
            return
        status, path = self.goal, None
        if self.plan is not None and self.plan.path:
            path = self.spec.camera.project(np.array([[p.x, p.y, p.z] for p in self.plan.path]))
        line = ": ".join(part for part in (STATE_NAMES[status.state], status.task, status.message) if part)
        drawn = annotate(frame, Overlay(line, status.questions, list(status.probabilities), path))
        message = from_rgb(drawn)
        message.header = observation.header
        self.drawn += 1
        self.images.publish(message)

    def health(self) -> Health:
        """How many pictures were drawn."""
        return Health(values={"drawn": self.drawn})


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Monitor))


if __name__ == "__main__":
    main()
