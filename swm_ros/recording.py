# SPDX-License-Identifier: Apache-2.0
"""What the demo leaves behind: a film as MP4 and GIF, and a plot of probabilities and values over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
from PIL import Image

GIF_SCALE = 2  # the GIF is that much smaller than the film


@dataclass
class Recording:
    """Frames and curves of one run.

    Attributes:
        rate: frames per second of the film.
        frames: (H, W, 3) uint8 RGB each.
        times: time of each plan since the goal was sent, s.
        probabilities: per plan, probability of the wanted answer to each question about the present frame.
        completion: per plan, probability that the subgoal is reached.
        proposed: per plan, value of the best proposal.
        refined: per plan, value of the chosen chunk.
        questions: texts, for the legend.
        reached: time at which the goal held in the true scene, s.
    """

    rate: float = 10.0
    frames: list[np.ndarray] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    probabilities: list[list[float]] = field(default_factory=list)
    completion: list[float] = field(default_factory=list)
    proposed: list[float] = field(default_factory=list)
    refined: list[float] = field(default_factory=list)
    questions: Sequence[str] = ()
    reached: float | None = None

    def save(self, folder: Path) -> list[Path]:
        """Write demo.mp4, demo.gif and demo.png; those for which there is nothing are left out."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        if self.frames:
            film, small = folder / "demo.mp4", folder / "demo.gif"
            with imageio.get_writer(film, fps=self.rate, macro_block_size=2) as writer:
                for frame in self.frames:
                    writer.append_data(frame)
            self._save_gif(small)
            written += [film, small]
        if self.times:
            written.append(self._plot(folder / "demo.png"))
        return written

    def _save_gif(self, path: Path) -> None:
        pictures = [Image.fromarray(frame) for frame in self.frames]
        size = (pictures[0].width // GIF_SCALE, pictures[0].height // GIF_SCALE)
        first, *rest = (p.resize(size).quantize(64) for p in pictures)
        first.save(path, save_all=True, append_images=rest, duration=round(1000 / self.rate), loop=0)

    def _plot(self, path: Path) -> Path:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 6), layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True)
        width = max(len(p) for p in self.probabilities)
        rows = np.array([p + [np.nan] * (width - len(p)) for p in self.probabilities])
        for k in range(width):
            upper.plot(self.times, rows[:, k], label=self.questions[k] if k < len(self.questions) else f"question {k}")
        upper.plot(self.times, self.completion, "k:", label="complete")
        upper.set_ylabel("probability of the wanted answer now")
        upper.set_ylim(-0.02, 1.02)
        lower.plot(self.times, self.proposed, label="value of the proposal")
        lower.plot(self.times, self.refined, label="value of the chosen chunk")
        lower.set_ylabel("value (Eq. 2)")
        lower.set_xlabel("time since the goal was sent, s")
        for axes in (upper, lower):
            if self.reached is not None:
                axes.axvline(self.reached, color="green", linestyle="--", label="reached (true scene)")
            axes.legend(fontsize="small")
        figure.savefig(path, dpi=120)
        return path
