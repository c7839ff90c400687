# SPDX-License-Identifier: Apache-2.0
"""State of a fine-tuning on disk: trained parameters, optimiser and progress in safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from swm_core.errors import ModelError
from swm_core.training.checkpoint import CHECKPOINT

SLOTS = ("exp_avg", "exp_avg_sq", "step")  # of AdamW


def save_state(
    folder: Path, parameters: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, progress: Mapping[str, float]
) -> None:
    """Write the state; an interruption leaves the previous one.

    Args:
        folder: the run's folder.
        parameters: those of the optimiser, by name.
        optimiser: AdamW.
        progress: numbers to keep.
    """
    tensors = {f"model.{name}": value for name, value in parameters.items()}
    for name, value in parameters.items():
        tensors |= {f"{slot}.{name}": kept for slot, kept in optimiser.state[value].items()}
    partial = folder / f".{CHECKPOINT}"
    on_disk = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(on_disk, partial, {"progress": json.dumps(dict(progress))})
    partial.replace(folder / CHECKPOINT)


def load_state(
    folder: Path, parameters: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> dict[str, float] | None:
    """Restore a run.

    Returns:
        The numbers kept, or None where there is no state.

    Raises:
        ModelError: damaged, or of a run that trained other parameters.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            progress: dict[str, float] = json.loads((file.metadata() or {}).get("progress", "{}"))
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(tensors.pop(f"model.{name}"))
                slots = {slot: tensors.pop(f"{slot}.{name}") for slot in SLOTS}
                optimiser.state[value] = {
                    slot: kept if slot == "step" else kept.to(value.device) for slot, kept in slots.items()
                }
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path} does not fit this run: {error}; remove it to start again") from error
    if tensors:
        raise ModelError(f"{path} holds more than this run trains, as {min(tensors)}; remove it to start again")
    return progress
