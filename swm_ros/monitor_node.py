# SPDX-License-Identifier: Apache-2.0
"""Monitor: shows what the planner thinks, as an annotated image, rviz markers and a path. Nothing depends on it."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.frames import Transform
from swm_msgs.msg import GoalStatus, GuardStatus, Plan, SceneState
from swm_ros import markers, qos
from swm_ros.conversions import pose, positions
from swm_ros.diagnostics import Health
from swm_ros.drawing import GUARD_STATES, Overlay, annotate
from swm_ros.goals import STATE_NAMES, TERMINAL
from swm_ros.images import Reader, from_rgb
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.remote_parameters import ask_parameters
from swm_ros.stack import NAMESPACE
from swm_ros.static_tf import send_static_transform, transform_message

TRAIL = 300  # poses of the effector that are shown; half a minute at 10 Hz
RENEWAL = 0.5  # s between renewals of what does not change with every plan
CLOSE = 0.002  # m; a pose nearer to the last one of the trail is not kept


@dataclass(frozen=True)
class MonitorConfig:
    """Settings of the monitor.

    Attributes:
        environment: registered environment whose camera projects the path.
        publish_tf: whether the frames "camera" and "effector" are also sent as transforms of "world", where ROS's
            tf2_msgs is installed; off where a robot's driver does that.
    """

    environment: str = DEFAULT_ENVIRONMENT
    publish_tf: bool = False


class Monitor(ManagedNode[MonitorConfig]):
    """The node."""

    images: Publisher
    markers: Publisher
    paths: Publisher

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("monitor", MonitorConfig, **kwargs)
        self.goal = GoalStatus(message="no goal")
        self.guard: GuardStatus | None = None
        self.limits: dict[str, Any] = {}  # the guard's parameters
        self.plan: Plan | None = None
        self.trail: deque[tuple[float, float, float]] = deque(maxlen=TRAIL)
        self.effector: PoseStamped | None = None
        self.episode: int | None = None  # of a simulator
        self.drawn = 0
        self.transforms: Publisher | None = None

    def setup(self) -> None:
        """Create the entities."""
        self.spec = load_environment(self.config.environment).spec
        camera = self.spec.camera
        self.reader = Reader(camera.width, camera.height, lambda text: self.get_logger().error(text))
        self.images = self.advertise(Image, qos.MONITOR_IMAGE, qos.IMAGE)
        self.markers = self.advertise(MarkerArray, qos.MONITOR_MARKERS, qos.RECORD)
        self.paths = self.advertise(Path, qos.MONITOR_PATH, qos.RECORD)
        self.listen(Image, qos.OBSERVATION, self.on_observation, qos.IMAGE)
        self.listen(GoalStatus, qos.GOAL_STATUS, self.on_status, qos.STATUS)
        self.listen(Plan, qos.PLAN, self.on_plan, qos.RECORD)
        self.listen(GuardStatus, qos.GUARD_STATUS, self.on_guard, qos.STATUS)
        self.listen(PoseStamped, qos.EFFECTOR_POSE, self.on_pose, qos.COMMAND)
        self.listen(SceneState, qos.SCENE_STATE, self.on_scene, qos.RECORD)
        self.every(RENEWAL, self.renew)
        if self.config.publish_tf and find_spec("tf2_msgs"):  # not on PyPI
            from tf2_msgs.msg import TFMessage

            self.transforms = self.advertise(TFMessage, qos.TF, qos.RECORD)
            frame = Transform(np.asarray(camera.position), np.asarray(camera.rotation).T)
            send_static_transform(self, "world", "camera", frame)

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
            self.show(markers.plan_markers(plan, self.spec))
            self.paths.publish(markers.planned_path(plan))

    def on_guard(self, status: GuardStatus) -> None:
        """Keep the guard's state."""
        self.guard = status

    def on_pose(self, effector: PoseStamped) -> None:
        """Keep the effector's way."""
        position = effector.pose.position
        here = (position.x, position.y, position.z)
        if not self.trail or np.linalg.norm(np.subtract(here, self.trail[-1])) > CLOSE:
            self.trail.append(here)
        self.effector = effector
        if self.transforms is not None:
            self.send_transform(effector)

    def send_transform(self, effector: PoseStamped) -> None:
        """Tell tf where the effector is."""
        from tf2_msgs.msg import TFMessage

        position, turned = effector.pose.position, effector.pose.orientation
        message = transform_message(
            effector.header.frame_id, "effector", Transform(np.array([position.x, position.y, position.z]), np.eye(3))
        )
        message.header.stamp, message.transform.rotation = effector.header.stamp, turned
        self.transforms.publish(TFMessage(transforms=[message]))

    def on_scene(self, scene: SceneState) -> None:
        """Show a simulator's truth; another episode begins another trail."""
        if scene.episode != self.episode:
            self.trail.clear()
            self.episode = scene.episode
        self.show(markers.scene_markers(scene, self.spec))

    def renew(self) -> None:
        """Show what changes slowly: the trail, limits, goal, guard, frames."""
        if not self.limits:
            ask_parameters(self, f"{NAMESPACE}/guard", self.limits.update)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="world")
        low, high = self.spec.workspace_low, self.spec.workspace_high
        frames = [pose((0.0, 0.0, 0.0)), markers.camera_pose(self.spec.camera)]
        shown = [*markers.box_markers(header, "workspace", [(low, high)], markers.GREY), *self.limit_markers()]
        if self.effector is not None:
            frames.append(self.effector.pose)
            shown += markers.trail_markers(self.effector.header, list(self.trail))
        above = (low[0], (low[1] + high[1]) / 2, high[2] + 0.08)
        shown += markers.axes_markers(header, frames)
        shown += markers.text_markers(header, "goal", self.line, (*above[:2], above[2] + 0.05), markers.WHITE)
        if self.guard is not None:
            moving = self.guard.state == GuardStatus.RUNNING
            text = f"guard: {GUARD_STATES[self.guard.state]}"
            shown += markers.text_markers(header, "guard", text, above, markers.CYAN if moving else markers.RED)
        self.show(shown)

    def limit_markers(self) -> list[Marker]:
        """Where the guard lets the effector go, and where it does not."""
        if not self.limits:
            return []
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self.limits.get("frame") or "world")
        allowed = [(self.limits.get("workspace_low") or (), self.limits.get("workspace_high") or ())]
        forbidden = np.asarray(self.limits.get("keep_out") or (), float).reshape(-1, 2, 3).tolist()
        shown = markers.box_markers(header, "limits", allowed, markers.ORANGE) if all(map(len, allowed[0])) else []
        return shown + markers.box_markers(header, "keep_out", forbidden, markers.RED)

    def show(self, shown: list[Marker]) -> None:
        """Publish markers."""
        if shown:
            self.markers.publish(MarkerArray(markers=shown))

    @property
    def line(self) -> str:
        """How the goal stands, in a line."""
        status = self.goal
        return ": ".join(part for part in (STATE_NAMES[status.state], status.task, status.message) if part)

    def on_observation(self, observation: Image) -> None:
        """Draw on the newest frame; one that is malformed is left out."""
        frame = self.reader.read(observation)
        if frame is None:
            return
        status, path = self.goal, None
        if self.plan is not None and self.plan.path:
            path = self.spec.camera.project(positions(self.plan.path))
        drawn = annotate(frame, Overlay(self.line, status.questions, list(status.probabilities), path))
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
