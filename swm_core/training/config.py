# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run, from YAML; unknown keys are errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from swm_core.data.saqa import SaqaSettings
from swm_core.errors import ConfigError
from swm_core.models.compact_config import CompactConfig
from swm_core.settings import Settings, structured


@dataclass(frozen=True)
class ModelSettings:
    """Sizes of the compact model; see `swm_core.models.compact.CompactConfig`."""

    width: int = 192
    layers: int = 3
    action_layers: int = 2
    heads: int = 6
    fine_width: int = 128
    dilations: tuple[int, ...] = CompactConfig.dilations


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Attributes:
        environment: name of the environment that the data come from.
        data: data set folders.
        behaviours: only episodes of these; empty for all.
        out: folder of the run: checkpoint, best model, curves.
        start_from: folder of a model to start from instead of random weights; empty for none.
        model: sizes.
        saqa: how samples are drawn.
        validation_every: episodes whose environment seed is a multiple of this are kept for validation.
        validation_samples: images per validation.
        steps: optimiser steps.
        batch: images per step and process.
        accumulate: batches per step.
        rate: largest learning rate (AdamW).
        warmup: steps until it is reached; afterwards it falls as a half cosine to a hundredth.
        decay: weight decay.
        clip: largest gradient norm.
        answer_weight: of the yes/no loss.
        position_weight: of the position loss.
        grounding_weight: of the loss of names: which cell, or none.
        word_weight: of the loss of their words: which cells.
        grip_weight: of the loss of how far the gripper is closed; nothing where there is none.
        place_weight: of the loss of where names are found; needed where things are above the table.
        validate_every: steps between validations and checkpoints.
        workers: loader processes.
        precision: "auto" (bfloat16 where it is faster here), "bf16" or "float32".
        seed: of weights and samples.
    """

    environment: str
    data: tuple[str, ...]
    out: str
    behaviours: tuple[str, ...] = ()
    start_from: str = ""
    model: ModelSettings = ModelSettings()
    saqa: SaqaSettings = field(default_factory=SaqaSettings)
    validation_every: int = 20
    validation_samples: int = 256
    steps: int = 10_000
    batch: int = 12
    accumulate: int = 1
    rate: float = 6e-4
    warmup: int = 300
    decay: float = 0.02
    clip: float = 1.0
    answer_weight: float = 1.0
    position_weight: float = 1.0
    grounding_weight: float = 1.0
    word_weight: float = 0.5
    place_weight: float = 0.0
    grip_weight: float = 1.0
    validate_every: int = 500
    workers: int = 1
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        counts = (self.steps, self.batch, self.accumulate, self.validate_every, self.validation_every)
        if min(counts) < 1 or min(self.warmup, self.workers) < 0:
            raise ConfigError(
                "steps, batch, accumulate and validation intervals must be at least 1, warmup and workers at least 0"
            )
        if not self.rate > 0 or not self.clip > 0:
            raise ConfigError(f"rate and clip must be above 0, got {self.rate} and {self.clip}")
        if self.precision not in ("auto", "bf16", "float32"):
            raise ConfigError(f"precision {self.precision!r} is none of auto, bf16, float32")


def read_settings(path: Path, kind: type[Settings], overrides: dict[str, Any] | None = None) -> Settings:
    """Read settings of a kind of run.

    Args:
        path: YAML file.
        kind: dataclass of the settings.
        overrides: top-level settings that replace those of the file.

    Raises:
        ConfigError: unreadable, not YAML, an unknown key, or a value of a wrong type or range.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # no text, impossible dates, endless nesting
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of settings")
    return structured({**data, **(overrides or {})}, kind, str(path))


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> TrainingConfig:
    """Read the settings of a run of the compact model; see `read_settings`."""
    return read_settings(path, TrainingConfig, overrides)
