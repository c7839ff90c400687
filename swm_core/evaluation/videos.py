# SPDX-License-Identifier: Apache-2.0
"""Films of evaluated episodes: frames with the planned path and what the planner believes."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from swm_core.environment import EnvironmentSpec

if TYPE_CHECKING:
    from swm_core.evaluation.planners import Chosen
    from swm_core.evaluation.tasks import EpisodeRecord

SCALE = 2  # frames are small
PANEL = 40  # px below the frame, for words
HOLD = 10  # frames for which the last one stays
_INK, _GROUND, _PATH = (235, 235, 235), (24, 26, 30), (80, 220, 255)


class EpisodeFilm:
    """An MP4 file that grows by a frame for every action; a context manager.

    Args:
        spec: camera and control period of the environment.
        path: file; folders are made.
    """

    def __init__(self, spec: EnvironmentSpec, path: Path) -> None:
        self.spec, self.path = spec, path
        self._writer: Generator[None, bytes, None] | None = None
        self._last: np.ndarray | None = None
        self._step = 0

    def __enter__(self) -> EpisodeFilm:
        """Open the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        size = (self.spec.camera.width * SCALE, self.spec.camera.height * SCALE + PANEL)
        self._writer = imageio_ffmpeg.write_frames(
            str(self.path), size, fps=1 / self.spec.control_period, macro_block_size=2, ffmpeg_log_level="error"
        )
        self._writer.send(None)  # type: ignore[arg-type]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def add(self, image: np.ndarray, chosen: Chosen, executed: int) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            chosen: the plan that is being executed.
            executed: how many of its actions were taken before this frame.
        """
        text = f"step {self._step}"
        if chosen.completion is not None:
            text += f"   believes complete: {chosen.completion:.2f}   value: {chosen.value:.2f}"
        self._last = self._draw(image, None if chosen.path is None else chosen.path[executed:], text)
        self._write(self._last)
        self._step += 1

    def end(self, record: EpisodeRecord) -> None:
        """Hold the last frame with the outcome."""
        if self._last is None:
            return
        picture = Image.fromarray(self._last)
        outcome = f"{record.task}: {'done' if record.success else 'not done'} after {record.steps} steps"
        ImageDraw.Draw(picture).text((10, picture.height - PANEL + 20), outcome, fill=_INK, font=_font())
        for _ in range(HOLD):
            self._write(np.asarray(picture))

    def _write(self, frame: np.ndarray) -> None:
        if self._writer is not None:
            self._writer.send(np.ascontiguousarray(frame).tobytes())

    def _draw(self, image: np.ndarray, path: np.ndarray | None, text: str) -> np.ndarray:
        """(SCALE * H + PANEL, SCALE * W, 3) uint8 RGB: frame, rest of the predicted path, a line of text."""
        height, width = image.shape[0] * SCALE, image.shape[1] * SCALE
        canvas = Image.new("RGB", (width, height + PANEL), _GROUND)
        canvas.paste(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        draw = ImageDraw.Draw(canvas)
        if path is not None and len(path) > 1:
            draw.line([(u * SCALE, v * SCALE) for u, v in self.spec.camera.project(path).tolist()], fill=_PATH, width=3)
        draw.text((10, height + 2), text, fill=_INK, font=_font())
        return np.asarray(canvas)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(14)
