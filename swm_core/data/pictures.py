# SPDX-License-Identifier: Apache-2.0
"""Pictures of data for people: an episode as a contact sheet, and samples with their questions (paper Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.camera import Camera
from swm_core.data.batches import Sample
from swm_core.data.frames import decode_png
from swm_core.data.schema import Episode

PATH_COLOUR, TARGET_COLOUR = "#ff8800", "#ffffff"
ANSWERS = {-1: "-", 0: "no", 1: "yes"}


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))


def _frame(axes: Any, image: np.ndarray, title: str) -> None:
    """A frame without ticks; pixel coordinates are continuous, (0, 0) the upper left corner."""
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0))
    axes.set_title(title, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])


def _path(axes: Any, camera: Camera, points: np.ndarray, **style: Any) -> None:
    """World points (P, 3) as a line in the frame."""
    pixels = camera.project(points)
    axes.plot(pixels[:, 0], pixels[:, 1], **style)


def draw_episode(episode: Episode, path: Path, frames: int = 8) -> None:
    """Contact sheet: frames with the effector's path up to them and from them on, and the actions below.

    Args:
        episode: with frames.
        path: PNG file to write.
        frames: most frames shown.
    """
    stored = [t for t, image in enumerate(episode.images) if image is not None]
    shown = (
        sorted({stored[round(i)] for i in np.linspace(0, len(stored) - 1, min(frames, len(stored)))}) if stored else []
    )
    spec, columns = episode.metadata.spec, 4
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(14, 2.3 * rows + 2.6), layout="constrained")
    grid = figure.add_gridspec(rows + 1, columns)
    for place, t in enumerate(shown):
        axes = figure.add_subplot(grid[place // columns, place % columns])
        image = episode.images[t]
        if image is not None:
            _frame(axes, decode_png(image), f"t = {t}")
        _path(axes, spec.camera, episode.scenes.effector[: t + 1], color=PATH_COLOUR, linewidth=1.5)
        _path(axes, spec.camera, episode.scenes.effector[t:], color=PATH_COLOUR, linewidth=0.8, linestyle=":")
        axes.set_xlim(0, spec.camera.width)
        axes.set_ylim(spec.camera.height, 0)
    axes = figure.add_subplot(grid[rows, :])
    time = np.arange(len(episode)) * spec.control_period
    for name, unit, values in zip(spec.action_names, spec.action_units, episode.actions.T, strict=True):
        axes.step(time, values, where="post", label=f"{name} ({unit})")
    axes.set_xlabel("time (s)")
    axes.legend(loc="upper right", fontsize=8)
    about = episode.metadata
    outcome = "success" if about.success else "no success"
    figure.suptitle(f"{about.episode_id}: {about.description} ({outcome}, {len(episode)} steps)", fontsize=10)
    _save(figure, path)


def sample_lines(sample: Sample) -> list[str]:
    """The questions of a sample as text, with the answer at each horizon."""
    header = "h = " + " ".join(f"{h:>4}" for h in sample.horizons)
    lines = [" ".join(f"{ANSWERS[int(a)]:>4}" for a in answers) for answers in sample.answers]
    return [f"    {header}"] + [f"        {line}  {text}" for line, text in zip(lines, sample.texts, strict=True)]


def draw_samples(samples: Sequence[Sample], camera: Camera, path: Path) -> None:
    """Frames with the effector's coming path, each beside its questions and answers.

    Args:
        samples: drawn without shifting the frame.
        camera: of the frames.
        path: PNG file to write.
    """
    figure = Figure(figsize=(13, 2.9 * len(samples)), layout="constrained")
    grid = figure.add_gridspec(len(samples), 2, width_ratios=(1.0, 1.1))
    for row, sample in enumerate(samples):
        axes = figure.add_subplot(grid[row, 0])
        _frame(axes, sample.image, f"{sample.available} actions; things named: circles")
        _path(
            axes,
            camera,
            sample.effector[: sample.available + 1],
            color=PATH_COLOUR,
            linewidth=1.5,
            marker=".",
            markersize=3,
        )
        named = sample.pixels[sample.mentioned >= 0]
        axes.scatter(named[:, 0], named[:, 1], s=80, facecolors="none", edgecolors=TARGET_COLOUR, linewidths=1.0)
        axes.set_xlim(0, camera.width)
        axes.set_ylim(camera.height, 0)
        words = figure.add_subplot(grid[row, 1])
        words.axis("off")
        text = "\n".join(line[4:] for line in sample_lines(sample))
        words.text(0, 1, text, family="monospace", fontsize=7.5, va="top", transform=words.transAxes)
    _save(figure, path)
