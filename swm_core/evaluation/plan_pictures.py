# SPDX-License-Identifier: Apache-2.0
"""How a plan came about, as a picture (paper Fig. 11): the path of each iteration, and what the model foresaw of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec, free_path
from swm_core.planning.plan import Plan

SHOWN = 4  # iterations that have a panel of their own: the first, the last, and between


def _frame(axes: Any, image: np.ndarray, camera: Camera, title: str) -> None:
    axes.imshow(image, extent=(0, camera.width, camera.height, 0))
    axes.set(xlim=(0, camera.width), ylim=(camera.height, 0), xticks=[], yticks=[])
    axes.set_title(title, fontsize=9)


def draw_plan(image: np.ndarray, spec: EnvironmentSpec, plan: Plan, title: str, path: Path) -> None:
    """Draw the best path of some iterations, all candidates by value, and the probabilities over the iterations.

    Args:
        image: (H, W, 3) uint8 RGB, the frame that was planned from.
        spec: of the environment.
        plan: from `Controller.plan`.
        title: over the picture.
        path: PNG file; folders are made.
    """
    camera, last = spec.camera, len(plan.history) - 1
    shown = np.unique(np.linspace(0, last, SHOWN).round().astype(int))
    figure = Figure(figsize=(3.4 * len(shown), 5.2), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.15))
    above, below = parts
    for axes, number in zip(np.atleast_1d(above.subplots(1, len(shown))), shown, strict=True):
        _frame(axes, image, camera, f"iteration {number}: value {plan.values[number]:.2f}")
        pixels = camera.project(free_path(plan.path[0], plan.history[number], spec))
        axes.plot(*pixels.T, ".-", color="#ff8800", markersize=3, linewidth=1.2)
        axes.plot(*pixels[-1], "o", color="#ff8800", markersize=7, fillstyle="none")
    candidates, curve = below.subplots(1, 2, width_ratios=(1.2, 1))
    _frame(candidates, image, camera, f"{len(plan.candidates)} last candidates, bright is better; thick: chosen")
    low, high = plan.candidate_values.min(), plan.candidate_values.max()
    for actions, value in zip(plan.candidates, plan.candidate_values, strict=True):
        colour = colormaps["viridis"]((value - low) / max(high - low, 1e-9))
        candidates.plot(*camera.project(free_path(plan.path[0], actions, spec)).T, color=colour, linewidth=0.8)
    candidates.plot(*camera.project(free_path(plan.path[0], plan.actions, spec)).T, color="#ff8800", linewidth=2.0)
    for k, question in enumerate(plan.questions):
        curve.plot(plan.probabilities[:, k, -1], ".-", label=f"{question} ({len(plan.actions)} actions)")
    curve.set(xlabel="iteration", ylabel="probability of the wanted answer", ylim=(-0.02, 1.02))
    curve.legend(fontsize=7)
    curve.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
