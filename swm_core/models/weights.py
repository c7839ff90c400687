# SPDX-License-Identifier: Apache-2.0
"""Models on disk: a folder with `config.json` and `model.safetensors`; nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from cattrs import Converter
from cattrs.errors import ClassValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from swm_core.errors import ConfigError, ModelError
from swm_core.models.compact import CompactConfig, CompactWorldModel

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = "swm-compact/2"
_CONVERTER = Converter(forbid_extra_keys=True)


def save_model(folder: Path, model: CompactWorldModel, notes: dict[str, Any] | None = None, half: bool = False) -> None:
    """Write a model; the files appear whole or not at all.

    Args:
        folder: made if missing.
        model: the model.
        notes: JSON-ready facts kept beside the configuration (training step, data, seed).
        half: store weights as float16, half the size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().to(torch.float16 if half else v.dtype).contiguous() for k, v in model.state_dict().items()}
    partial = folder / f".{WEIGHTS}"
    save_file(state, partial)
    partial.replace(folder / WEIGHTS)
    text = json.dumps({"format": FORMAT, "model": asdict(model.config), "notes": notes or {}}, indent=1)
    partial = folder / f".{CONFIG}"
    partial.write_text(text + "\n")
    partial.replace(folder / CONFIG)


def read_config(folder: Path) -> tuple[CompactConfig, dict[str, Any]]:
    """Configuration and notes of a saved model.

    Raises:
        ModelError: missing, not JSON, of another format, or with wrong fields.
    """
    path = folder / CONFIG
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise ModelError(f"no model in {folder}: {path.name} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise ModelError(f"{path} has format {found!r}; this version reads {FORMAT!r}")
    try:
        return _CONVERTER.structure(data["model"], CompactConfig), data.get("notes", {})
    except (ClassValidationError, KeyError, ConfigError) as error:
        known = ", ".join(f.name for f in fields(CompactConfig))
        raise ModelError(f"{path} does not describe a compact model (fields: {known})") from error


def load_model(folder: Path) -> CompactWorldModel:
    """Read a model, in float32, frozen, ready to answer.

    Raises:
        ModelError: a file is missing or truncated, or weights and configuration do not belong together.
    """
    config, _ = read_config(folder)
    model = CompactWorldModel(config)
    path = folder / WEIGHTS
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is missing or damaged: {error}") from error
    expected = model.state_dict()
    wrong = sorted(set(expected) ^ set(state)) or [k for k, v in expected.items() if v.shape != state[k].shape]
    if wrong:
        raise ModelError(f"{path} is of another architecture than {CONFIG} says; first difference: {wrong[0]}")
    if not all(bool(v.isfinite().all()) for v in state.values()):
        raise ModelError(f"{path} holds values that are not finite")
    model.load_state_dict({k: v.float() for k, v in state.items()})
    return model.eval().requires_grad_(False)


def weights_hash(folder: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a model's weights, for result files.

    Raises:
        ModelError: there are none.
    """
    try:
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ModelError(f"no model in {folder}: {WEIGHTS} cannot be read ({error.strerror})") from error
