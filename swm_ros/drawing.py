# SPDX-License-Identifier: Apache-2.0
"""The monitor's picture: the frame with the planned path, and below it the goal and a bar for each question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # the model's frames are small
PANEL_HEIGHT = 120  # px
ROWS = 4  # questions that fit
# by GuardStatus.state
GUARD_STATES = ("waiting for commands", "passing commands", "holding: commands are stale", "EMERGENCY STOP")
_INK, _DIM, _GROUND = (235, 235, 235), (120, 120, 120), (24, 26, 30)
_NO, _YES, _PATH = (200, 80, 60), (70, 180, 90), (80, 220, 255)


@dataclass(frozen=True)
class Overlay:
    """What is drawn.

    Attributes:
        goal: first line of the panel.
        questions: the questions' texts.
        probabilities: probability of the wanted answer about the present frame, one each.
        path: (H+1, 2) planned effector path in the frame, px; may be empty.
    """

    goal: str
    questions: Sequence[str] = ()
    probabilities: Sequence[float] = ()
    path: np.ndarray | None = None


def colour_of(share: float) -> tuple[int, int, int]:
    """Red at 0, green at 1, mixed between."""
    share = min(max(share, 0.0), 1.0)
    red, green, blue = (round(no + share * (yes - no)) for no, yes in zip(_NO, _YES, strict=True))
    return red, green, blue


def annotate(image: np.ndarray, overlay: Overlay) -> np.ndarray:
    """Draw the overlay.

    Args:
        image: (H, W, 3) uint8 RGB.
        overlay: what to draw.

    Returns:
        (SCALE * H + PANEL_HEIGHT, SCALE * W, 3) uint8 RGB.
    """
    height, width = image.shape[0] * SCALE, image.shape[1] * SCALE
    canvas = Image.new("RGB", (width, height + PANEL_HEIGHT), _GROUND)
    canvas.paste(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    draw = ImageDraw.Draw(canvas)
    if overlay.path is not None and len(overlay.path) > 1:
        points = [(float(u) * SCALE, float(v) * SCALE) for u, v in overlay.path]
        draw.line(points, fill=_PATH, width=3)
        u, v = points[-1]
        draw.ellipse((u - 4, v - 4, u + 4, v + 4), outline=_PATH, width=2)
    _panel(draw, overlay, height, width)
    return np.asarray(canvas)


def _panel(draw: ImageDraw.ImageDraw, overlay: Overlay, top: int, width: int) -> None:
    font = ImageFont.load_default(14)
    draw.text((10, top + 6), overlay.goal, fill=_INK, font=font)
    left, length = width - 220, 160
    for row, (question, p) in enumerate(zip(overlay.questions[:ROWS], overlay.probabilities[:ROWS], strict=False)):
        y = top + 30 + 22 * row
        draw.text((10, y), _fit(question, font, left - 20), fill=_INK, font=font)
        draw.rectangle((left, y + 2, left + length, y + 15), outline=_DIM)
        draw.rectangle((left, y + 2, left + max(1, round(length * p)), y + 15), fill=colour_of(p))
        draw.text((left + length + 8, y), f"{p:.2f}", fill=_INK, font=font)


def _fit(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """The text, shortened to a width in px."""
    while len(text) > 4 and font.getlength(text) > width:
        text = text[:-4] + "..."
    return text
