# SPDX-License-Identifier: Apache-2.0
"""What rviz would show, as a PNG: `python -m swm_ros.marker_picture --out markers.png` while a stack runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from visualization_msgs.msg import Marker, MarkerArray

from swm_core.frames import Transform
from swm_ros import qos
from swm_ros.conversions import positions
from swm_ros.markers import flaws

ROUND = 24  # corners of a disc
_CUBE = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))


def placed(marker: Marker, points: np.ndarray) -> np.ndarray:
    """(N, 3) points of a marker in the frame of its header, m."""
    p, q = marker.pose.position, marker.pose.orientation
    return Transform.from_numbers((p.x, p.y, p.z, q.x, q.y, q.z, q.w), f"{marker.ns}/{marker.id}").point(points)


def faces(marker: Marker) -> list[np.ndarray]:
    """Polygons (corners, 3) of a cube, or of a cylinder or sphere, which is drawn as a cylinder; m."""
    scale = np.array([marker.scale.x, marker.scale.y, marker.scale.z])
    if marker.type == Marker.CUBE:
        return [placed(marker, _CUBE[list(face)] * scale) for face in _FACES]
    angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], -1) / 2
    low, high = ring * (1, 1, -1) * scale, ring * scale
    sides = [np.stack([low[i - 1], low[i], high[i], high[i - 1]]) for i in range(ROUND)]
    return [placed(marker, polygon) for polygon in (low, high, *sides)]


def draw(markers: Iterable[Marker], path: Path) -> None:
    """Draw markers in perspective, from the side on which the environments' cameras stand, true to scale.

    Args:
        markers: all in one frame.
        path: PNG file; folders are made.
    """
    from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

    figure = Figure(figsize=(9, 6.5), layout="constrained", facecolor="#181a1e")
    axes: Any = figure.add_subplot(projection="3d", facecolor="#181a1e", computed_zorder=False)
    axes.set_axis_off()
    axes.view_init(elev=38, azim=-8)
    extent: list[np.ndarray] = []
    for m in markers:
        colour = (m.color.r, m.color.g, m.color.b, m.color.a)
        points = positions(m.points)
        if m.type in (Marker.LINE_STRIP, Marker.LINE_LIST):
            line = placed(m, points)
            pairs = np.stack([line[:-1], line[1:]], 1) if m.type == Marker.LINE_STRIP else line.reshape(-1, 2, 3)
            own = [(c.r, c.g, c.b, c.a) for c in m.colors][::2] or colour
            axes.add_collection3d(Line3DCollection(pairs, colors=own, linewidths=max(0.8, 600 * m.scale.x), zorder=2))
            if m.ns != "frames":  # a camera may stand far from what there is to see
                extent.append(line)
        elif m.type in (Marker.CUBE, Marker.CYLINDER, Marker.SPHERE):
            polygons = faces(m)
            axes.add_collection3d(Poly3DCollection(polygons, facecolors=colour, edgecolors="#00000060", zorder=3))
            extent += polygons
        elif m.type == Marker.TEXT_VIEW_FACING:
            p = m.pose.position
            axes.text(p.x, p.y, p.z, m.text, color=colour, ha="center", fontsize=400 * m.scale.z, zorder=4)
            extent.append(np.array([[p.x, p.y, p.z]]))
        else:
            raise ValueError(f"{m.ns}/{m.id}: markers of type {m.type} are not drawn")
    if extent:
        corners = np.concatenate(extent)
        low, high = corners.min(0), corners.max(0)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
        axes.set_box_aspect(np.maximum(high - low, 1e-3), zoom=1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))


class Shown:
    """The markers that rviz would show now: the newest of each namespace and number, until its lifetime is over."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], tuple[float, Marker]] = {}

    def add(self, array: MarkerArray, now: float) -> None:
        """Take a message that came at a time, s."""
        for marker in array.markers:
            self._kept[marker.ns, marker.id] = now, marker

    def at(self, now: float) -> list[Marker]:
        """What is shown at a time, s; a lifetime of 0 never ends."""

        def lives(came: float, marker: Marker) -> bool:
            life = marker.lifetime.sec + marker.lifetime.nanosec / 1e9
            return life == 0 or now - came <= life

        return [marker for came, marker in self._kept.values() if lives(came, marker)]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/markers.png"), show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="How long markers are listened to.")
def main(out: Path, seconds: float) -> None:
    """Draw what rviz would show now, and name what it would refuse."""
    import rclpy

    rclpy.init()
    node, shown = rclpy.create_node("marker_picture"), Shown()
    node.create_subscription(MarkerArray, qos.MONITOR_MARKERS, lambda m: shown.add(m, time.monotonic()), qos.RECORD)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        rclpy.spin_once(node, timeout_sec=left)
    found = shown.at(time.monotonic())
    node.destroy_node()
    rclpy.shutdown()
    if not found:
        raise click.ClickException(f"no markers on {qos.MONITOR_MARKERS}; does the monitor run?")
    draw(found, out)
    for flaw in flaws(found):
        click.echo(flaw, err=True)
    click.echo(f"{len(found)} markers: {out}")


if __name__ == "__main__":
    main()
