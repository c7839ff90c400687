# SPDX-License-Identifier: Apache-2.0
"""Settings of the training of a base policy, from YAML; unknown keys are errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swm_core.errors import ConfigError
from swm_core.policies.network import PolicySizes
from swm_core.training.config import read_settings


@dataclass(frozen=True)
class PolicyTrainingConfig:
    """One run. Batch, epochs, padding and the sizes' horizon, frames and steps are the paper's (Table 15).

    Attributes:
        environment: name of the environment that the data come from.
        data: data set folders.
        out: folder of the run: checkpoint, best and last policy, curves.
        model: folder of the world model whose features are used; empty for the shipped one.
        cache: folder in which features are kept between runs.
        behaviours: whose episodes are demonstrations.
        task: goal text; only demonstrations of this task are used (the paper's policies know one each); empty for all.
        demonstrations: how many of them are used, validation included; 0 for all.
        sizes: of the network and the schedule.
        mirror: whether episodes are shown with left and right changed too.
        padding: how many of a chunk's actions may lie behind an episode's end, where nothing moves.
        most_disturbed: of a disturbed expert, moments are left out in whose chunk what was done adds up to more than
            what he wanted, by this share of the largest action.
        longest_age: the earlier frame is at most so many actions old.
        position_noise: standard deviation added to positions in training, m.
        validation_every: episodes whose environment seed is a multiple of this are kept for validation.
        epochs: passes over the unmirrored moments.
        batch: moments per step.
        rate: largest learning rate (AdamW).
        warmup: steps until it is reached; afterwards it falls as half a cosine to a hundredth.
        decay: weight decay.
        clip: largest gradient norm.
        average: share of the averaged weights that is kept in a step; these are what is saved and used.
        validate_every: epochs between validations and checkpoints.
        seed: of weights and draws.
    """

    environment: str
    data: tuple[str, ...]
    out: str
    model: str = ""
    cache: str = "runs/features"
    behaviours: tuple[str, ...] = ("expert_push", "expert_reach", "expert_separate", "disturbed_push")
    task: str = ""
    demonstrations: int = 0
    sizes: PolicySizes = field(default_factory=PolicySizes)
    mirror: bool = True
    padding: int = 12
    most_disturbed: float = 0.5
    longest_age: int = 8
    position_noise: float = 0.002
    validation_every: int = 20
    epochs: int = 100
    batch: int = 128
    rate: float = 5e-4
    warmup: int = 200
    decay: float = 0.01
    clip: float = 1.0
    average: float = 0.999
    validate_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if min(self.epochs, self.batch, self.validate_every, self.longest_age) < 1 or self.validation_every < 2:
            raise ConfigError("epochs, batch, validate_every and longest_age must be at least 1, validation_every 2")
        if min(self.demonstrations, self.warmup, self.position_noise, self.decay) < 0 or not self.behaviours:
            raise ConfigError(
                "demonstrations, warmup, position_noise and decay must be at least 0, behaviours be named"
            )
        if not 0 <= self.padding < self.sizes.horizon:
            raise ConfigError(f"padding {self.padding} must be within 0 and the horizon {self.sizes.horizon}")
        if not (self.rate > 0 and self.clip > 0 and self.most_disturbed > 0 and 0 <= self.average < 1):
            raise ConfigError("rate, clip and most_disturbed must be above 0, average within 0 and 1")


def load_policy_config(path: Path, overrides: dict[str, Any] | None = None) -> PolicyTrainingConfig:
    """Read a run's settings; see `swm_core.training.config.read_settings`."""
    return read_settings(path, PolicyTrainingConfig, overrides)
