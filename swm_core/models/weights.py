# SPDX-License-Identifier: Apache-2.0
"""Compact models on disk; see `swm_core.models.folders`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swm_core.models.compact import CompactWorldModel
from swm_core.models.compact_config import CompactConfig
from swm_core.models.folders import CONFIG, WEIGHTS, Kind, load_weights, weights_hash

__all__ = ["CONFIG", "FORMAT", "WEIGHTS", "load_model", "read_config", "save_model", "weights_hash"]

FORMAT = "swm-compact/4"
_KIND = Kind("compact model", FORMAT, CompactConfig)


def save_model(folder: Path, model: CompactWorldModel, notes: dict[str, Any] | None = None, half: bool = False) -> None:
    """Write a model; the files appear whole or not at all.

    Args:
        folder: made if missing.
        model: the model.
        notes: JSON-ready facts kept beside the configuration (training step, data, seed).
        half: store weights as float16, half the size.
    """
    _KIND.write(folder, model.config, model.state_dict(), notes, half)


def read_config(folder: Path) -> tuple[CompactConfig, dict[str, Any]]:
    """Configuration and notes of a saved model.

    Raises:
        ModelError: missing, not JSON, of another format, or with wrong fields.
    """
    return _KIND.read(folder)


def load_model(folder: Path) -> CompactWorldModel:
    """Read a model, in float32, frozen, ready to answer.

    Raises:
        ModelError: a file is missing or truncated, or weights and configuration do not belong together.
    """
    model = CompactWorldModel(read_config(folder)[0])
    load_weights(folder, model)
    return model
