# SPDX-License-Identifier: Apache-2.0
"""Where the words of a question look in the frame (paper Fig. 6, 9, 10).

Two kinds of looking. A naming word is matched with the cells of the fine map, and from there on knows where its thing
is. In the transformer's blocks all words attend to the image tokens: those of a coarse map, and those of
the things that were found, each of which stands for the cells that it was found in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from swm_core.models.attention import attention_weights
from swm_core.models.compact import MENTIONS, CompactWorldModel, ImageContext
from swm_core.models.grounded import GroundedModel
from swm_core.models.vision import FINE_STRIDE, TOKEN_STRIDE, grid_shape
from swm_core.tasks.words import mentions, tokenize

NEAR = 24.0  # px about a centre within which the share of the attention is told


@dataclass(frozen=True)
class Looking:
    """How one word's attention lies over the frame.

    Attributes:
        word: the word, or the name that it ends.
        weights: (rows, columns) float64 over cells of `stride`; a match sums to 1, attention to its part on the image.
        stride: px per cell.
    """

    word: str
    weights: np.ndarray
    stride: int

    @property
    def cells(self) -> np.ndarray:
        """(rows, columns, 2) centres of the cells, continuous (u, v), px."""
        rows, columns = self.weights.shape
        v, u = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, indexing="ij")
        return np.stack([u, v], -1) * self.stride

    @property
    def centre(self) -> np.ndarray:
        """(2,) centre of mass (u, v), px."""
        return (self.cells * self.weights[..., None]).sum((0, 1)) / self.weights.sum()

    def share_near(self, pixel: np.ndarray, radius: float = NEAR) -> float:
        """Part of the weight, in [0, 1], on cells whose centres are within `radius` px of a pixel (2,)."""
        near = np.linalg.norm(self.cells - pixel, axis=-1) <= radius
        return float(self.weights[near].sum() / self.weights.sum())


@dataclass(frozen=True)
class QuestionAttention:
    """Where one question looks.

    Attributes:
        question: its text.
        names: the effector's match over the fine cells, then that of each thing named.
        words: attention of each known word to the image tokens, mean over heads and blocks, the effector's own token
            first; empty for a model of one block, whose words never look at the image.
    """

    question: str
    names: tuple[Looking, ...]
    words: tuple[Looking, ...]

    @property
    def together(self) -> Looking | None:
        """Mean attention of all words to the image tokens."""
        if not self.words:
            return None
        return Looking("all words", np.mean([word.weights for word in self.words], 0), self.words[0].stride)


def _names(model: GroundedModel, question: str) -> list[str]:
    """What the slots of a question stand for: the effector, then the things named."""
    config = model.network.config
    things = mentions(question, config.names, config.effector_words)[: MENTIONS - 1]
    return ["effector", *((*config.names, config.effector_words[0])[index] for _, index in things)]


def token_cells(network: CompactWorldModel, context: ImageContext) -> Tensor:
    """(P, cells) float64: which cells of the fine map each of a frame's image tokens stands for; rows sum to 1.

    A token of the coarse map stands for the cells that it covers, that of a thing for the cells that it was found in.
    """
    fine, coarse = (grid_shape(network.config.camera, stride) for stride in (FINE_STRIDE, TOKEN_STRIDE))
    per_token = TOKEN_STRIDE // FINE_STRIDE
    row, column = torch.meshgrid(*(torch.arange(size) // per_token for size in fine), indexing="ij")
    covers = torch.nn.functional.one_hot((row * coarse[1] + column).flatten(), coarse[0] * coarse[1]).double().T
    things = context.scene.logits[0, :, :-1].double().softmax(-1)
    return torch.cat([covers / covers.sum(1, keepdim=True).clamp(min=1), things])


def look(model: GroundedModel, image: np.ndarray, questions: Sequence[str]) -> list[QuestionAttention]:
    """Ask where the words of questions look in a frame.

    Args:
        model: the model.
        image: (H, W, 3) uint8 RGB.
        questions: K texts.

    Raises:
        ModelError: the frame has another size than the model's.
        QuestionError: a question is empty, too long, or has no word that the model knows.
    """
    network, context = model.network, model.observe(image)
    fine, cells = grid_shape(network.config.camera, FINE_STRIDE), token_cells(network, context)
    found = []
    for question in questions:
        ids, named = model.encode([question])
        with torch.no_grad():
            matches = network.prefix(context, ids, named).cells[0].double().softmax(-1)  # (MENTIONS, cells)
        names = tuple(
            Looking(name, matches[i].view(fine).numpy(), FINE_STRIDE) for i, name in enumerate(_names(model, question))
        )
        blocks = [w[0, ..., : len(cells)].double().mean(0) for w in attention_weights(network, context, ids, named)]
        words: tuple[Looking, ...] = ()
        if blocks:
            mean = torch.stack(blocks).mean(0) @ cells  # (L + 1, cells)
            known = [(0, "effector"), *((i + 1, w) for i, w in enumerate(tokenize(question)) if ids[0, 0, i])]
            words = tuple(Looking(word, mean[i].view(fine).numpy(), FINE_STRIDE) for i, word in known)
        found.append(QuestionAttention(question, names, words))
    return found


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
