# SPDX-License-Identifier: Apache-2.0
"""What the PaliGemma world model needs of its parts: questions as tokens, and the language model under any mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from swm_core.errors import ModelError, QuestionError

Past = tuple[tuple[Tensor, Tensor], ...]  # per layer: keys and values (B, heads, P, width / heads)
SEPARATOR = "\n"  # PaliGemma's prompts end with it, and the answer follows


@dataclass(frozen=True)
class Words:
    """Questions as token numbers.

    Attributes:
        ids: (..., L) int64, 0 for padding.
        seen: (..., L) bool, False for padding, which is at the end.
    """

    ids: Tensor
    seen: Tensor

    def to(self, device: torch.device) -> Words:
        """The same on a device."""
        return Words(self.ids.to(device), self.seen.to(device))


class GemmaTokens:
    """Questions in the words of a checkpoint's tokenizer.

    Args:
        tokenizer: of a `PaliGemmaProcessor`.
        yes: answer yes.
        no: answer no.
        longest: largest number of tokens of a question.

    Attributes:
        yes: first token of the answer yes.
        no: first token of the answer no.
        separator: the token between question and answer.

    Raises:
        ModelError: the answers begin with the same token or an unknown one, or the separator is not one token.
    """

    def __init__(self, tokenizer: Any, yes: str, no: str, longest: int) -> None:
        self.tokenizer, self.longest = tokenizer, longest
        first = [self.numbers(text)[:1] for text in (yes, no)]
        unknown = [tokenizer.unk_token_id]
        if first[0] == first[1] or any(ids in ([], unknown) for ids in first):
            raise ModelError(f"this tokenizer cannot tell the answers {yes!r} and {no!r} by their first token")
        separator = self.numbers(SEPARATOR)
        if len(separator) != 1 or separator == unknown:
            raise ModelError("this tokenizer has no token for a line's end, which ends a PaliGemma question")
        self.yes, self.no, self.separator = first[0][0], first[1][0], separator[0]

    def numbers(self, text: str) -> list[int]:
        """Token numbers of a text, nothing added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode(self, questions: Sequence[str]) -> Words:
        """K questions as PaliGemma's prompts without the separator at their end.

        Returns:
            words, (K, L).

        Raises:
            QuestionError: no questions, or one is empty, too long or holds special tokens.
        """
        if not questions:
            raise QuestionError("no questions to read")
        special = set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        found = []
        for text in questions:
            ids = self.numbers(text.strip() + SEPARATOR)
            if not 1 < len(ids) <= self.longest + 1 or ids[-1] != self.separator or special & set(ids):
                raise QuestionError(
                    f"{text!r} cannot be read: a question has 1 to {self.longest} tokens, none of them special"
                )
            found.append([self.tokenizer.bos_token_id, *ids[:-1]])
        length = max(map(len, found))
        padded = torch.tensor([row + [0] * (length - len(row)) for row in found])
        return Words(padded, torch.tensor([[i < len(row) for i in range(length)] for row in found]))


def run_gemma(
    vlm: Any, embeddings: Tensor, places: Tensor, allowed: Tensor, past: Past = (), keep: bool = False
) -> tuple[Tensor, Past]:
    """Run the language model of a PaliGemma on tokens of any kind under any attention mask.

    Args:
        vlm: `PaliGemmaForConditionalGeneration`.
        embeddings: (B, T, width).
        places: (B, T) int64 positions.
        allowed: (B, T, P + T) bool, True where a token (row) sees another (column); P are the earlier tokens.
        past: keys and values of earlier tokens, of the same batch.
        keep: whether to return those of earlier and present tokens.

    Returns:
        (B, T, width) normalised outputs, and keys and values, empty unless kept.
    """
    model = vlm.model.language_model
    mask: Any = allowed[:, None]
    if model.config._attn_implementation == "eager":  # adds the mask to scores; others take it as it is
        mask = embeddings.new_zeros(mask.shape).masked_fill(~mask, torch.finfo(embeddings.dtype).min)
    if getattr(model.config, "sliding_window", None) is not None:  # PaliGemma 2; our sequences are within its window
        mask = {"full_attention": mask, "sliding_attention": mask}
    cache: Any = DynamicCache(past) if past or keep else None
    out = model(
        inputs_embeds=embeddings,
        attention_mask=mask,
        position_ids=places,
        past_key_values=cache,
        use_cache=cache is not None,
    )
    kept = () if not keep or cache is None else tuple((layer.keys, layer.values) for layer in cache.layers)
    return out.last_hidden_state, kept
