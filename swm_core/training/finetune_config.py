# SPDX-License-Identifier: Apache-2.0
"""Settings of the fine-tuning of a PaliGemma, from YAML; unknown keys are errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swm_core.data.saqa import HORIZONS, SaqaSettings
from swm_core.errors import ConfigError
from swm_core.models.lora import LoraSettings
from swm_core.models.paligemma_settings import LAYOUTS
from swm_core.training.config import read_settings


@dataclass(frozen=True)
class FinetuneConfig:
    """One run. The defaults are the paper's (A.1, for Language-Table).

    Attributes:
        environment: name of the environment that the data come from.
        data: data set folders.
        out: folder of the run: checkpoint, best and last model, losses.
        base: PaliGemma to start from: a folder, or a name on the Hugging Face hub.
        revision: commit of a hub name.
        layout: "prefix_lm" (the paper's) or "causal_readout".
        lora: adapters to train instead of all weights; none by default.
        gradient_checkpointing: compute activations twice instead of keeping them.
        saqa: how samples are drawn; four horizons per question.
        validation_every: episodes whose environment seed is a multiple of this are kept for validation.
        validation_samples: states per validation.
        steps: optimiser steps.
        batch: answers (states x questions x horizons) per optimiser step, over all processes.
        states: states per forward pass and process.
        rate: learning rate of AdamW at the start; it falls linearly to 0.
        decay: weight decay.
        clip: largest gradient norm.
        validate_every: steps between validations and checkpoints.
        workers: loader processes.
        precision: "bf16" or "float32".
        seed: of new weights and samples.
    """

    environment: str
    data: tuple[str, ...]
    out: str
    base: str
    revision: str = ""
    layout: str = "prefix_lm"
    lora: LoraSettings | None = None
    gradient_checkpointing: bool = True
    saqa: SaqaSettings = field(default_factory=lambda: SaqaSettings(questions=1, locate_share=0.0))
    validation_every: int = 20
    validation_samples: int = 256
    steps: int = 24_000
    batch: int = 96
    states: int = 1
    rate: float = 1e-5
    decay: float = 0.0
    clip: float = 1.0
    validate_every: int = 500
    workers: int = 1
    precision: str = "bf16"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout {self.layout!r} is none of {', '.join(LAYOUTS)}")
        if min(self.steps, self.batch, self.states, self.validate_every, self.validation_every) < 1 or self.workers < 0:
            raise ConfigError("steps, batch, states and intervals must be at least 1, workers at least 0")
        if not self.rate > 0 or not self.clip > 0 or self.decay < 0:
            raise ConfigError(
                f"rate and clip must be above 0, decay at least 0: {self.rate}, {self.clip}, {self.decay}"
            )
        if self.precision not in ("bf16", "float32"):
            raise ConfigError(f"precision {self.precision!r} is none of bf16, float32")
        if self.saqa.locate_share:
            raise ConfigError("a PaliGemma answers yes or no; saqa.locate_share must be 0")
        self.accumulation(1)

    def accumulation(self, processes: int) -> int:
        """Forward passes per optimiser step on each of so many processes.

        Raises:
            ConfigError: the batch cannot be split so.
        """
        each = self.states * self.saqa.questions * HORIZONS * processes
        if self.batch % each:
            raise ConfigError(
                f"batch {self.batch} must be a multiple of {each}: {self.states} states x {self.saqa.questions} "
                f"questions x {HORIZONS} horizons x {processes} processes"
            )
        return self.batch // each


def load_finetune_config(path: Path, overrides: dict[str, Any] | None = None) -> FinetuneConfig:
    """Read a run's settings; see `swm_core.training.config.read_settings`."""
    return read_settings(path, FinetuneConfig, overrides)
