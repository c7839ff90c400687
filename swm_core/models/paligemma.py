# SPDX-License-Identifier: Apache-2.0
"""PaliGemma as a world model: a pretrained vision-language model that also reads actions (paper Sec. 3.2, A.1).

The only new parameters are those of a linear projection of an action to a token. Both layouts are given to the stock
Hugging Face model as embeddings, positions and an attention mask:

`prefix_lm` (the paper's): image | a_1 .. a_h | question | separator, all seeing each other; the separator's output
predicts the answer. Without actions this is what PaliGemma was pretrained on. One pass per question and horizon.

`causal_readout`: image | question | a_0 .. a_h. Image tokens see the image, question tokens see image and question, a_t
sees image, question and a_0 .. a_t, and its output predicts the answer after t actions. a_0 is the separator, and a_t
the separator plus the projected action, so that the pretrained model finds the token after which it answers. The keys
and values of image and question are computed once and serve all candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swm_core.errors import ModelError
from swm_core.models.gemma_tokens import GemmaTokens, Past, Words, run_gemma
from swm_core.models.interface import Answers
from swm_core.models.lora import LoraSettings
from swm_core.models.paligemma_settings import PaliGemmaSettings


@dataclass(frozen=True)
class SeenImage:
    """One frame: its tokens, and in `causal_readout` their keys and values."""

    features: Tensor  # (1, N, width)
    past: Past


@dataclass(frozen=True)
class ReadQuestions:
    """K questions about a frame: their words, and in `causal_readout` the keys and values of image and question."""

    image: SeenImage
    words: Words
    past: Past


class PaliGemmaWorldModel(nn.Module):
    """Answers questions about the future of a frame, see `swm_core.models.interface.WorldModel`.

    Args:
        vlm: a Hugging Face `PaliGemmaForConditionalGeneration`.
        processor: its `PaliGemmaProcessor`.
        settings: actions, frames and layout.

    Attributes:
        base: (checkpoint, revision) that `vlm` was read from and that it still equals but for adapters; None else.
        lora: the adapters in `vlm`, or None.

    Raises:
        ModelError: a tokenizer in which the answers or the separator cannot be told.
    """

    def __init__(self, vlm: Any, processor: Any, settings: PaliGemmaSettings) -> None:
        super().__init__()
        self.vlm, self.processor, self.settings = vlm, processor, settings
        self.action_dim, self.horizon = len(settings.action_scale), settings.horizon
        self.image_shape = settings.image_shape
        self.base: tuple[str, str | None] | None = None
        self.lora: LoraSettings | None = None
        self.tokens = GemmaTokens(processor.tokenizer, settings.yes, settings.no, settings.longest_question)
        table = vlm.get_input_embeddings()
        self.project = nn.Linear(self.action_dim, table.weight.shape[1], bias=False, dtype=table.weight.dtype)
        with torch.no_grad():  # an action is as loud as a word, whatever the checkpoint's scale
            some = torch.linspace(0, table.num_embeddings - 1, 1000).long()
            self.project.weight.normal_(std=float(table(some).std()))
        self.action_scale: Tensor
        self.register_buffer("action_scale", torch.tensor(settings.action_scale), persistent=False)

    @classmethod
    def load(
        cls,
        source: str | Path,
        revision: str | None = None,
        settings: PaliGemmaSettings | None = None,
        *,
        base: str | Path | None = None,
        offline: bool = False,
    ) -> PaliGemmaWorldModel:
        """Read a model, frozen; see `swm_core.models.paligemma_files.load_paligemma` for arguments and errors."""
        from swm_core.models.paligemma_files import load_paligemma

        return load_paligemma(source, revision, settings, base=base, offline=offline)

    # The world model's interface --------------------------------------------------------------------------------------

    def pixels(self, images: Sequence[np.ndarray]) -> Tensor:
        """B frames (H, W, 3) uint8 RGB to (B, 3, S, S) float32 as the vision tower takes them, on the CPU.

        Raises:
            ModelError: another shape or type.
        """
        for image in images:
            if image.shape != self.image_shape or image.dtype != np.uint8:
                raise ModelError(f"frame is {image.dtype} {image.shape}; the model takes uint8 {self.image_shape}")
        process = self.processor.image_processor
        return process(images=list(images), input_data_format="channels_last", return_tensors="pt")["pixel_values"]

    def observe(self, image: np.ndarray) -> SeenImage:
        """Encode one frame; see `WorldModel.observe`."""
        pixels = self.pixels([image])
        with torch.no_grad():
            features = self.image_features(pixels)
            if self.settings.layout == "prefix_lm":
                return SeenImage(features, ())
            length = features.shape[1]
            places = torch.arange(1, length + 1, device=features.device)[None]  # PaliGemma counts from 1
            _, past = run_gemma(self.vlm, features, places, places.new_ones(1, length, length).bool(), (), keep=True)
        return SeenImage(features, past)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """None: its tokenizer takes any word apart."""
        return ()

    def read(self, observation: SeenImage, questions: Sequence[str]) -> ReadQuestions:
        """Read questions about a frame; see `WorldModel.read`.

        Raises:
            QuestionError: no questions, or one is empty, too long or holds special tokens.
        """
        words = self.tokens.encode(questions).to(self.project.weight.device)
        if self.settings.layout == "prefix_lm":
            return ReadQuestions(observation, words, ())
        count, image_length = len(words.ids), observation.features.shape[1]
        places = image_length + words.seen.cumsum(1)
        allowed = torch.cat([words.seen.new_ones(count, image_length), words.seen], 1)
        with torch.no_grad():
            embedded = self.embed(words.ids)
            past = tuple((k.expand(count, -1, -1, -1), v.expand(count, -1, -1, -1)) for k, v in observation.past)
            allowed = allowed[:, None].expand(-1, embedded.shape[1], -1)
            _, past = run_gemma(self.vlm, embedded, places, allowed, past, keep=True)
        return ReadQuestions(observation, words, past)

    def answer(self, prefix: ReadQuestions, actions: Tensor) -> Answers:
        """Answer after every prefix of the actions; see `WorldModel.answer`. Positions are not predicted.

        Raises:
            ModelError: actions of a wrong shape, or more of them than the horizon.
        """
        if actions.ndim != 3 or actions.shape[2] != self.action_dim or actions.shape[1] > self.horizon:
            raise ModelError(
                f"actions are {tuple(actions.shape)}; the model takes (C, h, {self.action_dim}), h <= {self.horizon}"
            )
        if self.settings.layout == "prefix_lm":
            out = self._answer_prefix(prefix, actions)
        else:
            out = self._answer_causal(prefix, actions)
        head = self.vlm.lm_head.weight[[self.tokens.no, self.tokens.yes]]
        logits = self.soft_cap(nn.functional.linear(out, head))
        no, yes = (logits if logits.dtype == torch.float64 else logits.float()).unbind(-1)
        return Answers((yes - no).sigmoid().to(actions.device), None)

    def _answer_causal(self, prefix: ReadQuestions, actions: Tensor) -> Tensor:
        """(C, K, h + 1, width) outputs, all candidates and questions in one pass over the action tokens."""
        candidates, (count, words_length) = len(actions), prefix.words.ids.shape
        readouts = self.readouts(actions)
        steps, image_length = readouts.shape[1], prefix.image.features.shape[1]
        tokens = readouts[:, None].expand(-1, count, -1, -1).flatten(0, 1)  # (C * K, h + 1, width)
        past = tuple((k.repeat(candidates, 1, 1, 1), v.repeat(candidates, 1, 1, 1)) for k, v in prefix.past)
        begin = image_length + prefix.words.seen.sum(1, keepdim=True)
        places = (begin + torch.arange(1, steps + 1, device=begin.device)).repeat(candidates, 1)
        earlier = torch.cat([prefix.words.seen.new_ones(count, image_length), prefix.words.seen], 1)
        allowed = torch.ones(steps, image_length + words_length + steps, dtype=torch.bool, device=begin.device)
        allowed = allowed.tril(image_length + words_length).repeat(count, 1, 1)
        allowed[:, :, : image_length + words_length] &= earlier[:, None]
        out, _ = run_gemma(self.vlm, tokens, places, allowed.repeat(candidates, 1, 1), past)
        return out.unflatten(0, (candidates, count))

    def _answer_prefix(self, prefix: ReadQuestions, actions: Tensor) -> Tensor:
        """(C, K, h + 1, width) outputs, one pass per horizon."""
        candidates, count = len(actions), len(prefix.words.ids)
        features = prefix.image.features.expand(candidates * count, -1, -1)
        words = Words(prefix.words.ids.repeat(candidates, 1), prefix.words.seen.repeat(candidates, 1))
        tokens = self.project_actions(actions)[:, None].expand(-1, count, -1, -1).flatten(0, 1)
        outs = []
        for horizon in range(actions.shape[1] + 1):
            given = words.seen.new_ones(candidates * count, horizon)
            outs.append(self.last_of_prefix(features, tokens[:, :horizon], given, words))
        return torch.stack(outs, 1).unflatten(0, (candidates, count))

    # Tokens -----------------------------------------------------------------------------------------------------------

    def image_features(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) pixels to (B, N, width) image tokens."""
        found = self.vlm.get_image_features(pixels.to(self.project.weight))
        return found if isinstance(found, Tensor) else found.pooler_output

    def embed(self, ids: Tensor) -> Tensor:
        """(...,) token numbers to (..., width)."""
        return self.vlm.get_input_embeddings()(ids)

    def project_actions(self, actions: Tensor) -> Tensor:
        """(B, h, A) actions in the environment's unit to (B, h, width) tokens."""
        weight = self.project.weight
        return self.project(actions.to(weight.device, weight.dtype) / self.action_scale.to(weight.dtype))

    def readouts(self, actions: Tensor) -> Tensor:
        """(B, h, A) actions to (B, h + 1, width): the separator, and the separator plus each action."""
        separator = self.embed(torch.tensor(self.tokens.separator, device=self.project.weight.device))
        return separator + nn.functional.pad(self.project_actions(actions), (0, 0, 1, 0))

    def soft_cap(self, logits: Tensor) -> Tensor:
        """Limit logits as the checkpoint's configuration says (PaliGemma 2), or not at all (PaliGemma)."""
        limit = getattr(self.vlm.config.get_text_config(), "final_logit_softcapping", None)
        return logits if limit is None else limit * torch.tanh(logits / limit)

    # Whole sequences --------------------------------------------------------------------------------------------------

    def forward(self, pixels: Tensor, ids: Tensor, seen: Tensor, actions: Tensor, horizons: Tensor) -> Tensor:
        """Training pass: K questions on each of B frames, answered at Z horizons of the frame's one action sequence.

        Args:
            pixels: (B, 3, S, S) from `pixels`.
            ids: (B, K, L) token numbers of the questions, without separator.
            seen: (B, K, L) bool, False for padding.
            actions: (B, h, A) in the environment's unit.
            horizons: (B, Z) int64 in 0..h.

        Returns:
            (B, K, Z, V) logits over the vocabulary of the token that begins the answer.
        """
        features = self.image_features(pixels)
        if self.settings.layout == "causal_readout":
            out = self.packed_readouts(features, Words(ids, seen), actions)
            at = horizons[:, None, :, None].expand(-1, ids.shape[1], -1, out.shape[-1])
            return self.soft_cap(self.vlm.lm_head(out.gather(2, at)))
        (_, questions, _), asked = ids.shape, horizons.shape[1]
        given = torch.arange(actions.shape[1], device=horizons.device) < horizons[..., None]  # (B, Z, h)
        tokens = self.project_actions(actions)
        out = self.last_of_prefix(
            features.repeat_interleave(questions * asked, 0),
            tokens.repeat_interleave(questions * asked, 0),
            given[:, None].expand(-1, questions, -1, -1).flatten(0, 2),
            Words(ids.flatten(0, 1).repeat_interleave(asked, 0), seen.flatten(0, 1).repeat_interleave(asked, 0)),
        )
        return self.soft_cap(self.vlm.lm_head(out)).view(len(ids), questions, asked, -1)

    def packed_readouts(self, features: Tensor, words: Words, actions: Tensor) -> Tensor:
        """`causal_readout` in one pass without cache: image | question 1, a_0 .. a_h | question 2, a_0 .. a_h | ...

        A question and its actions see the image and themselves, not the other questions, and begin at the same place;
        so the answers are those of each question alone.

        Args:
            features: (B, N, width) image tokens.
            words: of K questions per image, (B, K, L).
            actions: (B, h, A), those of all K questions.

        Returns:
            (B, K, h + 1, width) outputs of the action tokens.
        """
        readouts, (batch, questions, length) = self.readouts(actions), words.ids.shape
        steps, image_length, device = readouts.shape[1], features.shape[1], features.device
        blocks = torch.cat([self.embed(words.ids), readouts[:, None].expand(-1, questions, -1, -1)], 2)
        present = torch.cat([words.seen, words.seen.new_ones(batch, questions, steps)], 2)
        seen = torch.cat([words.seen.new_ones(batch, image_length), present.flatten(1)], 1)
        count = torch.arange(1, image_length + 1, device=device).expand(batch, -1)
        places = torch.cat([count, (image_length + present.cumsum(2)).flatten(1)], 1)
        block = torch.arange(1, questions + 1, device=device).repeat_interleave(length + steps)
        stage = torch.cat([torch.ones(length, device=device), torch.arange(2, 2 + steps, device=device)])
        block = nn.functional.pad(block, (image_length, 0))
        stage = nn.functional.pad(stage.repeat(questions), (image_length, 0))
        allowed = ((block == 0) | (block == block[:, None])) & (stage <= stage[:, None])  # (T, T): row sees column
        sequence = torch.cat([features, blocks.flatten(1, 2)], 1)
        out, _ = run_gemma(self.vlm, sequence, places, allowed & seen[:, None])
        return out[:, image_length:].unflatten(1, (questions, length + steps))[:, :, length:]

    def last_of_prefix(self, features: Tensor, tokens: Tensor, given: Tensor, words: Words) -> Tensor:
        """`prefix_lm`: image | actions | question | separator, all seeing each other.

        Args:
            features: (M, N, width) image tokens.
            tokens: (M, h, width) projected actions.
            given: (M, h) bool, which of them are there.
            words: of M questions, (M, L).

        Returns:
            (M, width) output of the separator.
        """
        separator = self.embed(words.ids.new_full((len(features), 1), self.tokens.separator))
        sequence = torch.cat([features, tokens, self.embed(words.ids), separator], 1)
        ones = given.new_ones(len(features), features.shape[1])
        seen = torch.cat([ones, given, words.seen, ones[:, :1]], 1)
        allowed = seen[:, None].expand(-1, sequence.shape[1], -1)
        out, _ = run_gemma(self.vlm, sequence, seen.cumsum(1), allowed)
        return out[:, -1]
