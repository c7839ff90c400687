# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters in the language model of a PaliGemma, by peft (the extra `paligemma`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor, nn

from swm_core.errors import ConfigError, ModelError

LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True)
class LoraSettings:
    """Size of adapters.

    Attributes:
        rank: of each update.
        alpha: its scale is alpha / rank.
    """

    rank: int = 16
    alpha: int = 32

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.rank < 1 or not self.alpha > 0:
            raise ConfigError(f"rank must be at least 1 and alpha above 0, got {asdict(self)}")


def add_lora(vlm: nn.Module, settings: LoraSettings) -> None:
    """Put adapters into every linear map of the language model, in place; at first they change nothing.

    Raises:
        ModelError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ModelError("adapters need peft: pip install 'swm_ros[paligemma]'") from error
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0, target_modules=LAYERS)
    inject_adapter_in_model(config, vlm)


def lora_parameters(model: nn.Module) -> dict[str, Tensor]:
    """The adapters' parameters by name."""
    return {name: value for name, value in model.named_parameters() if ".lora_" in name}
