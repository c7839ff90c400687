# SPDX-License-Identifier: Apache-2.0
"""Where the words of a question look in the frame (paper Fig. 6, 9, 10).

Two kinds of looking. A naming word is matched with the cells of the fine map, and from there on knows where its thing
is. In the transformer's blocks all words attend to the image tokens: those of a coarse map, and those of
the things that were found, each of which stands for the cells that it was found in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
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

    @property
    def named(self) -> Looking:
        """Mean match of what the question names; of the effector where it names nothing."""
        kept = self.names[1:] or self.names
        return Looking("what is named", np.mean([name.weights for name in kept], 0), kept[0].stride)


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
