# SPDX-License-Identifier: Apache-2.0
"""Where two planners differ, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.environment import EnvironmentSpec
from swm_core.records.replay import Decision

SHOWN = 3  # frames with both paths: where they differ most
RECORDED, NOW = "#1f77b4", "#ff8800"


def draw_replay(decisions: list[Decision], spec: EnvironmentSpec, name: str, tolerance: float, path: Path) -> None:
    """Draw distance and values over time, and the frames of the decisions that differ most.

    Args:
        decisions: from `replay`.
        spec: of the environment.
        name: of the planner used now.
        tolerance: distance up to which decisions count as the same, m.
        path: PNG file; folders are made.
    """
    most = sorted(sorted(decisions, key=lambda d: -d.distance)[:SHOWN], key=lambda d: d.time)
    figure = Figure(figsize=(4.2 * max(len(most), 2), 7.0), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.3, 1))
    curves, frames = parts
    times = [d.time for d in decisions]
    distance, value = curves.subplots(2, 1, sharex=True)
    distance.plot(times, [1000 * d.distance for d in decisions], ".-", color="#333333")
    distance.axhline(1000 * tolerance, color="grey", linestyle=":", label="tolerance")
    distance.set(ylabel="distance of the ends, mm", ylim=(0, None))
    value.plot(times, [d.recorded_value for d in decisions], ".-", color=RECORDED, label="recorded chunk")
    value.plot(times, [d.value for d in decisions], ".-", color=NOW, label=f"chunk of {name}")
    value.set(xlabel="time since the recording began, s", ylabel=f"value (Eq. 2) by the model of {name}")
    for axes in (distance, value):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        for d in most:
            axes.axvline(d.time, color="red", alpha=0.3)
    panels = frames.subplots(1, len(most), squeeze=False)[0]
    for axes, d in zip(panels, most, strict=True):
        axes.imshow(d.image, extent=(0, spec.camera.width, spec.camera.height, 0))
        for points, colour, label in ((d.recorded_path, RECORDED, "recorded"), (d.path, NOW, name)):
            axes.plot(*spec.camera.project(points).T, ".-", color=colour, markersize=3, label=label)
        axes.set(xlim=(0, spec.camera.width), ylim=(spec.camera.height, 0), xticks=[], yticks=[])
        axes.set_title(f"{d.time:.1f} s: {1000 * d.distance:.0f} mm apart", fontsize=9)
        axes.legend(fontsize=7, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
