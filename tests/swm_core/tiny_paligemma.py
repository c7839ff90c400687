# SPDX-License-Identifier: Apache-2.0
"""A PaliGemma checkpoint of a few thousand random weights, with a real tokenizer and image processor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    AutoImageProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
)

WORDS = ("is", "the", "red", "moon", "blue", "cube", "green", "star", "robotic", "peg", "touching", "near", "to", "?")
SPECIAL = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
SIDE, PATCH = 16, 8  # px; four image tokens


def make_tokenizer(words: Iterable[str], line_end: bool = True) -> PreTrainedTokenizerFast:
    """A tokenizer that knows whole words, and lines' ends if asked to."""
    known = [*SPECIAL.values(), *(["\n"] if line_end else []), "yes", "no"]
    known += sorted(set(words) - set(known))
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unk>"))  # noqa: S106, a word
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Split(Regex(r"\n|[?.,]"), "isolated")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def make_processor(words: Iterable[str], folder: Path) -> PaliGemmaProcessor:
    """A processor whose image processor was read from a file, as that of a checkpoint is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preprocessor_config.json").write_text(
        f'{{"image_processor_type": "SiglipImageProcessor", "size": {{"height": {SIDE}, "width": {SIDE}}},'
        ' "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],'
        f' "image_seq_length": {(SIDE // PATCH) ** 2}}}'
    )
    return PaliGemmaProcessor(AutoImageProcessor.from_pretrained(folder), make_tokenizer(words))


def write_checkpoint(
    folder: Path, words: Iterable[str] = WORDS, layers: int = 2, family: str = "gemma", spread: float = 0.3
) -> Path:
    """Write a checkpoint with random weights, the same each time.

    Args:
        folder: made.
        words: that its tokenizer knows.
        layers: of the language model.
        family: "gemma" (PaliGemma) or "gemma2" (PaliGemma 2).
        spread: standard deviation of the weights; large enough that everything matters.
    """
    processor = make_processor(words, folder)
    text = {
        "model_type": family,
        "vocab_size": len(processor.tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "initializer_range": spread,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": PATCH,
        "vision_use_head": False,
    }
    config = PaliGemmaConfig(
        vision_config=vision,
        text_config=text,
        projection_dim=32,
        hidden_size=32,
        image_token_index=processor.image_token_id,
        vocab_size=len(processor.tokenizer),
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        vlm = PaliGemmaForConditionalGeneration(config)
    vlm.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
