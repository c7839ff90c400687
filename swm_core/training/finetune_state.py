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
from swm_core.training.finetune_processes import part

MOMENTS = ("exp_avg", "exp_avg_sq")  # of AdamW, shaped like the parameter
COUNT = "step"
MODEL = "model"


def moments(parameters: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What AdamW keeps of each parameter, by "<kind>.<parameter>"; shards where the parameters are."""
    states = ((name, optimiser.state[value]) for name, value in parameters.items())
    return {f"{slot}.{name}": kept[slot] for name, kept in states for slot in (*MOMENTS, COUNT)}


def save_state(
    folder: Path, parameters: Mapping[str, Tensor], moments: Mapping[str, Tensor], progress: Mapping[str, float]
) -> None:
    """Write the state; an interruption leaves the previous one.

    Args:
        folder: the run's folder.
        parameters: those that are trained, whole, by name.
        moments: from `moments`, whole.
        progress: numbers to keep.
    """
    partial = folder / f".{CHECKPOINT}"
    tensors = {f"{MODEL}.{name}": value for name, value in parameters.items()} | dict(moments)
    save_file(tensors, partial, {"progress": json.dumps(dict(progress))})
    partial.replace(folder / CHECKPOINT)


def load_state(
    folder: Path, parameters: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> dict[str, float] | None:
    """Restore a run; a process whose parameters are shards reads one whole tensor at a time.

    Returns:
        The numbers kept, or None where there is no state.

    Raises:
        ModelError: damaged, or of a run that trained other parameters.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file, torch.no_grad():
            kinds = (MODEL, *MOMENTS, COUNT)
            wrong = sorted(set(file.keys()) ^ {f"{kind}.{name}" for kind in kinds for name in parameters})
            if wrong:
                raise ModelError(f"{path} does not fit this run, first in {wrong[0]}; remove it to start again")
            for name, value in parameters.items():
                value.copy_(part(file.get_tensor(f"{MODEL}.{name}"), value))
                kept = {slot: part(file.get_tensor(f"{slot}.{name}"), value) for slot in MOMENTS}
                optimiser.state[value] = {**kept, COUNT: file.get_tensor(f"{COUNT}.{name}")}
            progress: dict[str, float] = json.loads((file.metadata() or {}).get("progress", "{}"))
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path} does not fit this run: {error}; remove it to start again") from error
    return progress
