# SPDX-License-Identifier: Apache-2.0
"""The compact model behind the world model interface: words to numbers, frames to tensors, cached passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from swm_core.errors import ModelError, QuestionError
from swm_core.models.compact import MENTIONS, CompactWorldModel, ImageContext, Prefix
from swm_core.models.interface import Answers
from swm_core.models.precision import bfloat16_pays
from swm_core.models.vision import to_pixels
from swm_core.models.weights import load_model
from swm_core.tasks.words import mentions, tokenize


class GroundedModel:
    """A compact model that takes frames and sentences.

    Args:
        network: the compact model; it is used as it is, frozen or not.
    """

    def __init__(self, network: CompactWorldModel) -> None:
        self.network = network
        config = network.config
        self.action_dim, self.horizon = len(config.action_scale), config.horizon
        self.image_shape = (config.camera.height, config.camera.width, 3)
        self._ids = {word: i + 1 for i, word in enumerate(config.vocabulary)}
        self._longest = network.word_place.shape[0] - 1

    @classmethod
    def load(cls, folder: Path) -> GroundedModel:
        """Read a saved compact model, frozen; frames are encoded in bfloat16 where that is faster here.

        Raises:
            ModelError: missing, damaged or inconsistent files.
        """
        network = load_model(folder)
        if bfloat16_pays():
            network.vision.bfloat16()
        return cls(network)

    def observe(self, image: np.ndarray) -> ImageContext:
        """Encode one frame; see `WorldModel.observe`."""
        if image.shape != self.image_shape or image.dtype != np.uint8:
            raise ModelError(f"frame is {image.dtype} {image.shape}; the model takes uint8 {self.image_shape}")
        pixels = to_pixels(torch.from_numpy(np.ascontiguousarray(image))[None])
        with torch.no_grad():
            return self.network.encode_image(pixels)

    def encode(self, questions: Sequence[str], names: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
        """Words and what they name as numbers.

        Args:
            questions: K texts.
            names: objects that may be named; by default all that the model looks for.

        Returns:
            (1, K, L) int64 word numbers, 0 for padding and unknown words, and (1, K, 2) places of naming words,
            -1 for none.

        Raises:
            QuestionError: no questions, or one is empty, too long, or has no word that the model knows.
        """
        if not questions:
            raise QuestionError("no questions to read")
        names = self.network.config.names if names is None else names
        words = [tokenize(text) for text in questions]
        for text, found in zip(questions, words, strict=True):
            if not 0 < len(found) <= self._longest or not any(w in self._ids for w in found):
                raise QuestionError(
                    f"{text!r} cannot be read: a question has 1 to {self._longest} words, some of them known here"
                )
        ids = np.zeros((len(words), max(map(len, words))), np.int64)
        places = np.full((len(words), MENTIONS - 1), -1)
        for k, (text, found) in enumerate(zip(questions, words, strict=True)):
            ids[k, : len(found)] = [self._ids.get(word, 0) for word in found]
            named = mentions(text, names, self.network.config.effector_words)[: MENTIONS - 1]
            places[k, : len(named)] = [place for place, _ in named]
        return torch.from_numpy(ids)[None], torch.from_numpy(places)[None]

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words that are not in the vocabulary; see `WorldModel.unknown_words`."""
        return tuple(dict.fromkeys(word for word in tokenize(text) if word not in self._ids))

    def read(self, observation: ImageContext, questions: Sequence[str]) -> Prefix:
        """Read questions about a frame; see `WorldModel.read`."""
        with torch.no_grad():
            return self.network.prefix(observation, *self.encode(questions))

    def answer(self, prefix: Prefix, actions: Tensor) -> Answers:
        """Answer after every prefix of the actions; see `WorldModel.answer`."""
        readout = self.network.read(prefix, actions[None])
        named = prefix.mentioned[:, None, None, :, None]
        positions = readout.positions.masked_fill(~named, float("nan"))
        return Answers(readout.logits.sigmoid().transpose(0, 1), positions.transpose(0, 1))
