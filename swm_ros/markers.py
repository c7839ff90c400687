# SPDX-License-Identifier: Apache-2.0
"""What rviz shows in 3D, as standard messages: plans, the way so far, limits, the true scene, goal, guard, frames.

Each kind has a namespace, which rviz switches on and off. All vanish soon after nothing renews them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, PoseStamped, Vector3
from nav_msgs.msg import Path
from PIL import ImageColor
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec, free_path
from swm_msgs.msg import Plan, SceneState
from swm_ros.conversions import point, pose, quaternion
from swm_ros.drawing import colour_of

PLAN_LIFETIME = Duration(nanosec=500_000_000)  # of what is renewed with every plan
LIFETIME = Duration(sec=2)  # of what is renewed twice a second
AXIS_LENGTH = 0.06  # m, of a frame's axes
TEXT_HEIGHT = 0.025  # m, of the capital letter
WHITE, GREY = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0), ColorRGBA(r=0.7, g=0.7, b=0.7, a=0.6)
CYAN, RED, ORANGE = (
    ColorRGBA(r=red, g=green, b=blue, a=1.0) for red, green, blue in ((0.0, 0.9, 1.0), (1.0, 0.2, 0.2), (1.0, 0.6, 0.0))
)
LINES, LIST = Marker.LINE_STRIP, Marker.LINE_LIST
_FLAT = (Marker.CUBE, Marker.SPHERE, Marker.CYLINDER)


def _marker(header: Header, namespace: str, kind: int, colour: ColorRGBA, number: int = 0, **fields: object) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD, color=colour, **fields)
    if not fields.get("pose"):
        marker.pose.orientation.w = 1.0
    return marker


def _points(array: np.ndarray) -> list[Point]:
    return [point(p) for p in np.reshape(array, (-1, 3))]


def candidate_paths(plan: Plan, spec: EnvironmentSpec) -> np.ndarray:
    """Where the candidates lead if each action moves the effector as asked.

    Returns:
        (C, H+1, 3) float, m; begins at the effector's present position.
    """
    actions = np.asarray(plan.candidates, np.float64).reshape(plan.candidate_count, plan.horizon, plan.action_dim)
    start = plan.path[0]
    return free_path(np.array([start.x, start.y, start.z]), actions, spec)


def plan_markers(plan: Plan, spec: EnvironmentSpec) -> list[Marker]:
    """The path of a plan, "best", thick; its "candidates", thin, from red (lowest value) to green (highest)."""

    def line(namespace: str, number: int, points: list[Point], width: float, colour: ColorRGBA) -> Marker:
        scale = Vector3(x=width)
        fields = {"points": points, "scale": scale, "lifetime": PLAN_LIFETIME}
        return _marker(plan.header, namespace, LINES, colour, number, **fields)

    lines, values = [line("best", 0, list(plan.path), 0.006, CYAN)], np.asarray(plan.candidate_values)
    spread = float(np.ptp(values)) if len(values) else 0.0
    for number, path in enumerate(candidate_paths(plan, spec)):
        share = (float(values[number]) - float(values.min())) / spread if spread > 0 else 1.0
        red, green, blue = (c / 255 for c in colour_of(share))
        lines.append(line("candidates", number, _points(path), 0.002, ColorRGBA(r=red, g=green, b=blue, a=0.7)))
    return lines


def planned_path(plan: Plan) -> Path:
    """The path of a plan as the message that other tools know; orientations say nothing."""
    stations = (pose((p.x, p.y, p.z)) for p in plan.path)
    return Path(header=plan.header, poses=[PoseStamped(header=plan.header, pose=station) for station in stations])


def trail_markers(header: Header, positions: Sequence[Sequence[float]]) -> list[Marker]:
    """The effector's way so far, "trail"; none before it has moved.

    Args:
        header: of the positions' frame.
        positions: (N, 3), m, oldest first.
    """
    if len(positions) < 2:
        return []
    fields = {"points": _points(np.asarray(positions)), "scale": Vector3(x=0.002), "lifetime": LIFETIME}
    return [_marker(header, "trail", LINES, GREY, **fields)]


def box_markers(
    header: Header, namespace: str, boxes: Sequence[tuple[Sequence[float], Sequence[float]]], colour: ColorRGBA
) -> list[Marker]:
    """The edges of boxes (lowest corner, highest corner), m."""
    found = []
    for number, (low, high) in enumerate(boxes):
        corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
        edges = [(a, b) for a, b in itertools.combinations(range(8), 2) if (a ^ b).bit_count() == 1]
        fields = {"points": _points(corners[np.array(edges)]), "scale": Vector3(x=0.002), "lifetime": LIFETIME}
        found.append(_marker(header, namespace, LIST, colour, number, **fields))
    return found


def text_markers(
    header: Header, namespace: str, text: str, position: Sequence[float], colour: ColorRGBA
) -> list[Marker]:
    """A text that faces whoever looks; none for an empty one."""
    if not text:
        return []
    fields = {"text": text, "pose": pose(position), "scale": Vector3(z=TEXT_HEIGHT), "lifetime": LIFETIME}
    return [_marker(header, namespace, Marker.TEXT_VIEW_FACING, colour, **fields)]


def axes_markers(header: Header, frames: Sequence[Pose]) -> list[Marker]:
    """The axes x (red), y (green), z (blue) of "frames", for those who have no tf."""
    colours = [ColorRGBA(r=float(i == 0), g=float(i == 1), b=float(i == 2), a=1.0) for i in range(3)]
    found = []
    for number, frame in enumerate(frames):
        ends = np.zeros((3, 2, 3))
        ends[:, 1] = AXIS_LENGTH * np.eye(3)
        fields = {"points": _points(ends), "colors": [c for c in colours for _ in range(2)]}
        fields |= {"pose": frame, "scale": Vector3(x=0.003), "lifetime": LIFETIME}
        found.append(_marker(header, "frames", LIST, WHITE, number, **fields))
    return found


def camera_pose(camera: Camera) -> Pose:
    """Pose of a camera's optical frame (x right, y down, z forward) in the world."""
    frame = pose(camera.position)
    frame.orientation = quaternion(np.asarray(camera.rotation).T)
    return frame


def scene_markers(scene: SceneState, spec: EnvironmentSpec) -> list[Marker]:
    """A simulator's truth: "objects" as boxes or discs of their size and colour, their "names", the "effector"."""
    size, found = 0.75 * spec.max_object_size, []
    for number, thing in enumerate(scene.objects):
        x, y, z = thing.position.x, thing.position.y, thing.position.z
        colour = _colour(thing.name)
        kind = Marker.CUBE if thing.name.endswith("cube") else Marker.CYLINDER
        stands = max(z, spec.table_height + size / 2)  # the reference point may lie on the table
        scale = Vector3(x=size, y=size, z=size)
        fields = {"pose": pose((x, y, stands), thing.yaw), "scale": scale, "lifetime": LIFETIME}
        found.append(_marker(scene.header, "objects", kind, colour, number, **fields))
        above = pose((x, y, stands + size))
        fields = {"text": thing.name, "pose": above, "scale": Vector3(z=0.6 * TEXT_HEIGHT), "lifetime": LIFETIME}
        found.append(_marker(scene.header, "names", Marker.TEXT_VIEW_FACING, WHITE, number, **fields))
    e = scene.effector
    fields = {"pose": pose((e.x, e.y, e.z)), "scale": Vector3(x=0.02, y=0.02, z=0.02), "lifetime": LIFETIME}
    return [*found, _marker(scene.header, "effector", Marker.SPHERE, ORANGE, **fields)]


def _colour(name: str) -> ColorRGBA:
    """Colour of an object by the first word of its name; white where that is none."""
    try:
        red, green, blue = (c / 255 for c in ImageColor.getrgb(name.split()[0])[:3])
    except (ValueError, IndexError):
        return WHITE
    return ColorRGBA(r=red, g=green, b=blue, a=0.8)


def flaws(markers: Sequence[Marker]) -> list[str]:
    """What rviz would refuse or not show, one sentence each (rviz2's checks of marker messages)."""
    found, keys = [], set()
    for m in markers:
        name = f"{m.ns}/{m.id}"
        if (m.ns, m.id) in keys:
            found.append(f"{name} is there twice")
        keys.add((m.ns, m.id))
        q, p, s = m.pose.orientation, m.pose.position, m.scale
        numbers = [p.x, p.y, p.z, q.x, q.y, q.z, q.w, s.x, s.y, s.z, *(v for a in m.points for v in (a.x, a.y, a.z))]
        if not all(map(math.isfinite, numbers)):
            found.append(f"{name} has a number that is not finite")
            continue
        if abs(math.hypot(q.x, q.y, q.z, q.w) - 1) > 1e-3:
            found.append(f"{name} has an orientation that is no unit quaternion")
        if not m.header.frame_id:
            found.append(f"{name} has no frame")
        if m.color.a <= 0 and not m.colors:
            found.append(f"{name} is invisible: its alpha is 0")
        if len(m.colors) not in (0, len(m.points)):
            found.append(f"{name} has {len(m.colors)} colours for {len(m.points)} points")
        if m.type in _FLAT and min(s.x, s.y, s.z) <= 0:
            found.append(f"{name} is flat: a scale is 0")
        elif m.type == LINES and (len(m.points) < 2 or s.x <= 0):
            found.append(f"{name} is no line: {len(m.points)} points, width {s.x}")
        elif m.type == LIST and (len(m.points) < 2 or len(m.points) % 2 or s.x <= 0):
            found.append(f"{name} is no list of lines: {len(m.points)} points, width {s.x}")
        elif m.type == Marker.TEXT_VIEW_FACING and (not m.text.strip() or s.z <= 0):
            found.append(f"{name} has no text, or no height")
    return found
