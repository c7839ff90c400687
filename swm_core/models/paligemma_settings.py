# SPDX-License-Identifier: Apache-2.0
"""Settings of a PaliGemma world model; reading them needs no model library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swm_core.errors import ConfigError
from swm_core.models.folders import saved_format

LAYOUTS = ("causal_readout", "prefix_lm")


@dataclass(frozen=True)
class PaliGemmaSettings:
    """What a world model adds to a PaliGemma checkpoint.

    Attributes:
        action_scale: per action dimension, the largest action (inputs are divided by it).
        image_shape: (H, W, 3) of the frames; the checkpoint's image processor resizes them.
        horizon: largest number of actions.
        layout: "causal_readout" or "prefix_lm".
        yes: the answer yes; its first token is what is predicted.
        no: the answer no.
        longest_question: largest number of tokens of a question.
    """

    action_scale: tuple[float, ...]
    image_shape: tuple[int, int, int]
    horizon: int = 20
    layout: str = "causal_readout"
    yes: str = "yes"
    no: str = "no"
    longest_question: int = 64

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: an unknown layout, or sizes or scales out of range.
        """
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout {self.layout!r} is none of {', '.join(LAYOUTS)}")
        if not self.action_scale or not min(self.action_scale) > 0:
            raise ConfigError(f"action_scale needs one entry above 0 per action dimension, got {self.action_scale}")
        if len(self.image_shape) != 3 or self.image_shape[2] != 3 or min(self.image_shape) < 1:
            raise ConfigError(f"image_shape must be (H, W, 3), got {self.image_shape}")
        if min(self.horizon, self.longest_question) < 1:
            raise ConfigError("horizon and longest_question must be at least 1")


def is_paligemma(folder: Path) -> bool:
    """Whether a folder is that of a saved PaliGemma world model, and not of a bare checkpoint or another model."""
    return saved_format(folder).startswith("swm-paligemma/")
