# SPDX-License-Identifier: Apache-2.0
"""Pictures and tables of where the words of a question look in the frame (paper Fig. 6, 9, 10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.models.looking import Looking, QuestionAttention


def _row(looking: Looking) -> dict[str, Any]:
    centre = looking.centre
    return {
        "word": looking.word,
        "centre_px": centre.round(2).tolist(),
        "share_near": looking.share_near(centre),
        "on_image": float(looking.weights.sum()),
    }


def attention_result(attention: QuestionAttention) -> dict[str, Any]:
    """Where a question looks, JSON-ready.

    Returns:
        "question", and "names" (matches) and "words" (attention), each with "word", "centre_px" (u, v), "share_near"
        (part within 24 px of the centre) and "on_image" (weight on the image, 1 for a match).
    """
    return {
        "question": attention.question,
        "names": [_row(name) for name in attention.names],
        "words": [_row(word) for word in attention.words],
    }


def _overlay(axes: Any, image: np.ndarray, looking: Looking, title: str) -> None:
    """The frame, darkened where nothing looks."""
    height, width = image.shape[:2]
    rows, columns = looking.weights.shape
    extent = (0, columns * looking.stride, rows * looking.stride, 0)
    strength = looking.weights / looking.weights.max()
    axes.imshow(image.mean(-1), extent=(0, width, height, 0), cmap="gray", vmin=0, vmax=255)
    veil = 0.15 + 0.7 * strength**0.5
    axes.imshow(strength, extent=extent, cmap="inferno", vmin=0, vmax=1, alpha=veil, interpolation="nearest")
    axes.plot(*looking.centre, "+", color="#50dcff", markersize=9)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)


def draw_attention(image: np.ndarray, attention: QuestionAttention, path: Path) -> None:
    """Draw the frame with the match of each name over it, and the attention of all words to the image tokens.

    Args:
        image: (H, W, 3) uint8 RGB.
        attention: from `look`.
        path: PNG file; folders are made.
    """
    panels = [(name, f"{name.word!r}: match over cells") for name in attention.names]
    if attention.together is not None:
        weights = attention.together.weights
        most = f"{weights.sum():.0%} of it; strongest cell {weights.max() / weights.mean():.1f} x the mean"
        panels.append((attention.together, f"all words: attention to image tokens ({most})"))
    columns = min(2, len(panels) + 1)
    rows = -(-(len(panels) + 1) // columns)
    figure = Figure(figsize=(4.6 * columns, 2.9 * rows + 0.4), layout="constrained")
    frame, *others = figure.subplots(rows, columns, squeeze=False).flat
    frame.imshow(image, extent=(0, image.shape[1], image.shape[0], 0))
    frame.set(xticks=[], yticks=[])
    frame.set_title("frame", fontsize=8)
    for axes, (looking, title) in zip(others, panels, strict=False):
        _overlay(axes, image, looking, title)
    for axes in others[len(panels) :]:
        axes.axis("off")
    figure.suptitle(attention.question, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
