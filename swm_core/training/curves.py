# SPDX-License-Identifier: Apache-2.0
"""A run's numbers: CSV files, and their picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Append numbers to a CSV file; the first row writes their names above."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def read_columns(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV file of numbers; empty where there is no file."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}


def draw_curves(folder: Path) -> Path:
    """Draw losses, accuracies and position errors of a run.

    Args:
        folder: of the run.

    Returns:
        `curves.png` in that folder.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, answers, places = figure.subplots(1, 3)
    training, validation = (read_columns(folder / f"{name}.csv") for name in ("training", "validation"))
    for name in ("answer", "position", "grounding"):
        losses.plot(training.get("step", []), training.get(name, []), label=name, linewidth=0.8)
    losses.set(title="training losses", xlabel="step", yscale="log")
    for name in sorted({key.split("/")[0] for key in validation if "/" in key}):
        both = zip(validation[f"{name}/no"], validation[f"{name}/yes"], strict=True)
        answers.plot(validation["step"], [(no + yes) / 2 for no, yes in both], label=name, linewidth=0.8)
    answers.plot(validation.get("step", []), validation.get("balanced", []), "k", label="mean")
    answers.set(title="balanced accuracy, unseen layouts", xlabel="step", ylim=(0.4, 1.0))
    for name in ("found", "effector", "moved", "moved_still"):
        places.plot(validation.get("step", []), [1000 * e for e in validation.get(name, [])], label=name)
    places.set(title="median position error, mm", xlabel="step", yscale="log")
    for axes in (losses, answers, places):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=6)
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    return path
