# SPDX-License-Identifier: Apache-2.0
"""A run's state on disk, in safetensors: model, optimiser and place in the sample stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from swm_core.errors import ConfigError, ModelError

CHECKPOINT = "checkpoint.safetensors"
SETTINGS = "config.json"
# settings that may change when a run goes on
FREE = ("out", "cache", "steps", "epochs", "validate_every", "workers", "precision", "states", "gradient_checkpointing")


def check_settings(folder: Path, settings: Mapping[str, object]) -> None:
    """See that a run that goes on has the settings that it began with.

    Args:
        folder: the run's folder.
        settings: by name.

    Raises:
        ConfigError: the checkpoint in the folder is of a run with others.
    """
    path = folder / SETTINGS
    if not ((folder / CHECKPOINT).exists() and path.exists()):
        return
    before, now = json.loads(path.read_text()), json.loads(json.dumps(settings))
    other = sorted(name for name in before.keys() & now.keys() - set(FREE) if before[name] != now[name])
    if other:
        raise ConfigError(
            f"{folder} holds a run with other settings ({', '.join(other)}); give another --set out=FOLDER, or remove "
            f"{folder / CHECKPOINT} to start again"
        )


def write_settings(folder: Path, settings: Mapping[str, object]) -> None:
    """Write a run's settings, as JSON, into its folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{SETTINGS}"
    partial.write_text(json.dumps(settings, indent=1))
    partial.replace(folder / SETTINGS)  # at once: other processes of the run may be reading it


def save_checkpoint(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: dict[str, float]
) -> None:
    """Write the state; an interruption leaves the previous one.

    Args:
        folder: the run's folder.
        model: whose parameters, in order, are those of the optimiser.
        optimiser: AdamW.
        progress: numbers to keep ("step", "best").
    """
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    names = [name for name, _ in model.named_parameters()]
    for index, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{slot}.{names[index]}": torch.as_tensor(value) for slot, value in slots.items()}
    partial = folder / f".{CHECKPOINT}"
    save_file({k: v.contiguous() for k, v in tensors.items()}, partial, {"progress": json.dumps(progress)})
    partial.replace(folder / CHECKPOINT)


def load_checkpoint(folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, float] | None:
    """Restore a run.

    Returns:
        The numbers kept, or None where there is no checkpoint.

    Raises:
        ModelError: damaged, or of a model of other sizes.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            progress = json.loads((file.metadata() or {}).get("progress", "{}"))
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path} does not fit this run: {error}; remove it to start again") from error
    state: dict[int, dict[str, torch.Tensor]] = {}
    for index, (name, _) in enumerate(model.named_parameters()):
        slots = {
            k.split(".", 2)[1]: v
            for k, v in tensors.items()
            if k.startswith("optimiser.") and k.split(".", 2)[2] == name
        }
        if slots:
            state[index] = slots
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return progress
