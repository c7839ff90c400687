# SPDX-License-Identifier: Apache-2.0
"""An evaluation of answers as Markdown and as a picture: per type, per horizon, calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.evaluation.task_reports import markdown_table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _with_interval(cell: dict[str, Any]) -> str:
    low, high = cell["interval"]
    return f"{_percent(cell['accuracy'])} ({low:.1%} to {high:.1%})"


def type_rows(result: dict[str, Any]) -> list[list[str]]:
    """One row per question type: name, questions, balanced, yes and no with intervals; the mean last."""
    rows = [
        [
            name,
            str(kind["yes"]["n"] + kind["no"]["n"]),
            _percent(kind["balanced"]),
            *(_with_interval(kind[a]) for a in ("yes", "no")),
        ]
        for name, kind in result["types"].items()
    ]
    low, high = result["interval"]
    return [
        *rows,
        ["mean over types", str(result["n"]), _percent(result["balanced_accuracy"]), f"{low:.1%} to {high:.1%}", ""],
    ]


TYPE_HEADER = ("question type", "n", "balanced", "right when yes", "right when no")


def _band_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: balanced accuracy of each type by bands of horizons."""
    bands = sorted(
        {band for cells in result["type_bands"].values() for band in cells}, key=lambda b: int(b.split("-")[0])
    )
    rows = [
        [name, *(_percent(cells[band]["balanced"] if band in cells else None) for band in bands)]
        for name, cells in result["type_bands"].items()
    ]
    return ["question type", *(f"horizon {band}" for band in bands)], rows


def _reliability_rows(result: dict[str, Any]) -> list[list[str]]:
    return [
        [f"{b['from']:.1f} to {b['to']:.1f}", str(b["n"]), _percent(b["predicted"]), _percent(b["observed"])]
        for b in result["reliability"]
    ]


def write_markdown(result: dict[str, Any], path: Path) -> None:
    """Write the tables per type, per horizon and per both, and the calibration."""
    horizons = [
        [
            str(h),
            str(cell["yes"]["n"] + cell["no"]["n"]),
            _percent(cell["balanced"]),
            *(_percent(cell[a]["accuracy"]) for a in ("yes", "no")),
        ]
        for h, cell in result["horizons"].items()
    ]
    lines = [
        markdown_table(TYPE_HEADER, type_rows(result)),
        markdown_table(("horizon, actions", "n", "balanced", "right when yes", "right when no"), horizons),
        markdown_table(*_band_rows(result)),
        f"Expected calibration error of the probability of yes: {result['ece']:.3f} (ten bins).",
        markdown_table(("said probability of yes", "n", "mean said", "share that is yes"), _reliability_rows(result)),
        f"Phrasings: {result['phrasings']}. Intervals: Wilson, 95 %. Weights {result['weights']}, commit "
        f"{result['commit'][:12]}, `{result['command']}`.",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(lines) + "\n")


def _draw_types(axes: Any, result: dict[str, Any]) -> None:
    for row, kind in enumerate(reversed(result["types"].values())):
        for answer, colour, shift in (("yes", "tab:green", 0.2), ("no", "tab:red", -0.2)):
            cell = kind[answer]
            if cell["n"]:
                axes.barh(
                    row + shift,
                    cell["accuracy"],
                    height=0.38,
                    color=colour,
                    alpha=0.7,
                    label=answer if not row else None,
                )
                axes.plot(cell["interval"], (row + shift, row + shift), color="black", linewidth=1)
    axes.set_yticks(range(len(result["types"])), list(reversed(result["types"])), fontsize=8)
    axes.axvline(0.5, color="gray", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), title=f"right answers, balanced {_percent(result['balanced_accuracy'])}")
    axes.legend(fontsize=8, loc="lower left")


def _draw_horizons(axes: Any, result: dict[str, Any]) -> None:
    known = {h: cell for h, cell in result["horizons"].items() if cell["balanced"] is not None}
    axes.plot(list(known), [cell["balanced"] for cell in known.values()], "k.-", label="balanced")
    for answer, colour in (("yes", "tab:green"), ("no", "tab:red")):
        ends = np.array([cell[answer]["interval"] for cell in known.values()]).reshape(-1, 2)
        axes.plot(list(known), [cell[answer]["accuracy"] for cell in known.values()], color=colour, label=answer)
        axes.fill_between(list(known), ends[:, 0], ends[:, 1], color=colour, alpha=0.15)
    axes.set(xlabel="horizon, actions", ylabel="accuracy", ylim=(0, 1.01), title="by horizon (all types together)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_bands(axes: Any, result: dict[str, Any]) -> None:
    """Balanced accuracy of each type over bands of horizons."""
    header, _ = _band_rows(result)
    bands = [name.removeprefix("horizon ") for name in header[1:]]
    for number, (name, cells) in enumerate(result["type_bands"].items()):
        known = [(i, cells[b]["balanced"]) for i, b in enumerate(bands) if cells.get(b, {}).get("balanced") is not None]
        style = ("-", "--", ":")[number // 10 % 3]
        axes.plot(*zip(*known, strict=True) if known else ([], []), marker=".", linestyle=style, label=name)
    axes.axhline(0.5, color="gray", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(bands)), bands)
    axes.set(xlabel="horizon, actions", ylabel="balanced accuracy", ylim=(0, 1.01), title="by type and horizon")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6, loc="lower left", handlelength=4)


def _draw_calibration(axes: Any, result: dict[str, Any]) -> None:
    bins = [b for b in result["reliability"] if b["n"]]
    axes.plot((0, 1), (0, 1), color="gray", linewidth=0.8)
    axes.plot([b["predicted"] for b in bins], [b["observed"] for b in bins], "o-")
    for b in bins:
        axes.annotate(
            str(b["n"]), (b["predicted"], b["observed"]), fontsize=6, xytext=(3, -8), textcoords="offset points"
        )
    axes.set(
        xlabel="probability of yes",
        ylabel="share that is yes",
        xlim=(0, 1),
        ylim=(0, 1),
        title=f"ECE {result['ece']:.3f}",
    )


def draw_result(result: dict[str, Any], path: Path) -> None:
    """Draw accuracy by type, by horizon and by both, and the reliability diagram.

    Args:
        result: from `answer_measures`.
        path: PNG file.
    """
    figure = Figure(figsize=(13, 9), layout="constrained")
    (types, horizons), (bands, calibration) = figure.subplots(2, 2, width_ratios=(1.3, 1))
    _draw_types(types, result)
    _draw_horizons(horizons, result)
    _draw_bands(bands, result)
    _draw_calibration(calibration, result)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
