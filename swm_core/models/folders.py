# SPDX-License-Identifier: Apache-2.0
"""Networks on disk: a folder with `config.json` and `model.safetensors`; nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from cattrs import Converter
from cattrs.errors import ClassValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from swm_core.errors import ConfigError, ModelError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_CONVERTER = Converter(forbid_extra_keys=True)
Config = TypeVar("Config")


def saved_format(folder: Path) -> str:
    """What the network in a folder says it is; empty where it does not say."""
    try:
        data = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError):
        return ""
    return str(data.get("format", "")) if isinstance(data, dict) else ""


@dataclass(frozen=True)
class Kind(Generic[Config]):
    """One kind of saved network.

    Attributes:
        name: what people call it ("compact model").
        format: what its `config.json` says it is, with the version.
        config: dataclass of everything that its shapes depend on.
    """

    name: str
    format: str
    config: type[Config]

    def read(self, folder: Path) -> tuple[Config, dict[str, Any]]:
        """Configuration and notes of a saved network.

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
        if found != self.format:
            raise ModelError(f"{path} has format {found!r}; this version reads {self.format!r}")
        try:
            return _CONVERTER.structure(data["model"], self.config), data.get("notes", {})
        except (ClassValidationError, KeyError, ConfigError) as error:
            known = ", ".join(f.name for f in fields(self.config))  # type: ignore[arg-type]
            raise ModelError(f"{path} does not describe a {self.name} (fields: {known})") from error

    def write(
        self, folder: Path, config: Config, state: Mapping[str, Tensor], notes: dict[str, Any] | None, half: bool
    ) -> None:
        """Write a network; the files appear whole or not at all.

        Args:
            folder: made if missing.
            config: its configuration.
            state: its weights.
            notes: JSON-ready facts kept beside the configuration (training step, data, seed).
            half: store weights as float16, half the size.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {k: v.detach().to(torch.float16 if half else v.dtype).contiguous() for k, v in state.items()}
        partial = folder / f".{WEIGHTS}"
        save_file(tensors, partial)
        partial.replace(folder / WEIGHTS)
        described = {"format": self.format, "model": asdict(config), "notes": notes or {}}  # type: ignore[call-overload]
        partial = folder / f".{CONFIG}"
        partial.write_text(json.dumps(described, indent=1) + "\n")
        partial.replace(folder / CONFIG)


def read_weights(folder: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Saved weights, as they were stored.

    Args:
        folder: of the network.
        expected: tensors of the names and shapes that they must have.

    Raises:
        ModelError: a file is missing or truncated, or weights and configuration do not belong together.
    """
    path = folder / WEIGHTS
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is missing or damaged: {error}") from error
    wrong = sorted(set(expected) ^ set(state)) or [k for k, v in expected.items() if v.shape != state[k].shape]
    if wrong:
        raise ModelError(
            f"{path} is of another architecture, not what {CONFIG} describes; first difference: {wrong[0]}"
        )
    if not all(bool(v.isfinite().all()) for v in state.values()):
        raise ModelError(f"{path} holds values that are not finite")
    return state


def load_weights(folder: Path, network: nn.Module) -> None:
    """Put saved weights into a network, in float32, and freeze it; errors as in `read_weights`."""
    state = read_weights(folder, network.state_dict())
    network.load_state_dict({k: v.float() for k, v in state.items()})
    network.eval().requires_grad_(False)


def weights_hash(folder: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a network's weights, for result files.

    Raises:
        ModelError: there are none.
    """
    try:
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ModelError(f"no model in {folder}: {WEIGHTS} cannot be read ({error.strerror})") from error
