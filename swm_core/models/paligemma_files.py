# SPDX-License-Identifier: Apache-2.0
"""PaliGemma world models on disk and from the Hugging Face hub; safetensors only, nothing in them is executed.

A saved folder holds `config.json` (settings, adapters, where the checkpoint comes from), `model.safetensors` (the
action projection and adapters) and, unless the checkpoint is unchanged, `vlm/` (it and its processor).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from cattrs import Converter
from cattrs.errors import ClassValidationError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoProcessor, PaliGemmaForConditionalGeneration, PaliGemmaProcessor

from swm_core.errors import ConfigError, ModelError
from swm_core.models.folders import CONFIG, WEIGHTS, read_weights
from swm_core.models.lora import LoraSettings, add_lora, lora_parameters
from swm_core.models.paligemma import PaliGemmaWorldModel
from swm_core.models.paligemma_settings import PaliGemmaSettings, is_paligemma

FORMAT = "swm-paligemma/1"
CHECKPOINT = "vlm"
FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "tokenizer.model"]  # no pickle, no code
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
_CONVERTER = Converter(forbid_extra_keys=True)


def find_checkpoint(source: str | Path, revision: str | None = None, offline: bool = False) -> Path:
    """Folder of a checkpoint, fetched from the hub if it is named as there.

    Args:
        source: a folder, or a hub name such as "google/paligemma-3b-pt-224".
        revision: commit of a hub name, 40 hexadecimal digits, so that a model stays what it was.
        offline: whether to use only what was fetched before.

    Raises:
        ModelError: no such folder, a hub name without commit, or neither fetched nor to be had.
    """
    if Path(source).is_dir():
        return Path(source)
    name = str(source)
    if not HUB_NAME.fullmatch(name):
        raise ModelError(f"{name} is neither a folder nor a name on the Hugging Face hub (owner/name)")
    if revision is None or not COMMIT.fullmatch(revision):
        raise ModelError(f"{name} needs a pinned revision, a commit of 40 hexadecimal digits; got {revision!r}")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES, local_files_only=offline))
    except Exception as error:  # the hub's client raises its own, its HTTP library's and the system's errors
        raise ModelError(
            f"{name} at {revision[:8]} is not on this machine and cannot be fetched ({type(error).__name__}). Where "
            f"there is a network, accept the model's licence on its page, run `hf download {name} --revision {revision}"
            " --local-dir DIR`, and give DIR instead of the name"
        ) from error


def read_checkpoint(folder: Path) -> tuple[Any, Any]:
    """A PaliGemma and its processor, in float32.

    Raises:
        ModelError: missing, damaged, incomplete, of another kind, or not in safetensors.
    """
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} holds no *.safetensors; other formats are not read, because they can execute code")
    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        loaded: Any = PaliGemmaForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        vlm, report = loaded
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, SafetensorError, StrictDataclassError) as error:
        raise ModelError(f"{folder} is not a usable PaliGemma checkpoint: {error}") from error
    if not isinstance(processor, PaliGemmaProcessor):
        raise ModelError(f"{folder} has a {type(processor).__name__} where a PaliGemmaProcessor is needed")
    wrong = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if wrong:
        raise ModelError(f"{folder} lacks weights or has them in other sizes; first: {wrong[0]}")
    return vlm, processor


def save_paligemma(
    folder: Path,
    model: PaliGemmaWorldModel,
    notes: dict[str, Any] | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a world model; the configuration is written last, so that a folder with one is complete.

    Args:
        folder: made if missing.
        model: the model.
        notes: JSON-ready facts kept beside the configuration.
        parameters: whole, by name, where the model's own are shards: all, or those that its checkpoint lacks.
    """
    parameters = dict(model.named_parameters()) if parameters is None else parameters
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    if model.base is None:
        prefix = "vlm."
        state = {name.removeprefix(prefix): v.detach() for name, v in parameters.items() if name.startswith(prefix)}
        model.vlm.save_pretrained(folder / CHECKPOINT, state_dict=state)
        model.processor.save_pretrained(folder / CHECKPOINT)
    names = ("project.weight", *lora_parameters(model))
    partial = folder / f".{WEIGHTS}"
    save_file({name: parameters[name].detach().cpu().contiguous() for name in names}, partial)
    partial.replace(folder / WEIGHTS)
    source, revision = model.base or (None, None)
    data = {
        "format": FORMAT,
        "model": asdict(model.settings),
        "base": source,
        "revision": revision,
        "lora": model.lora and asdict(model.lora),
        "notes": notes or {},
    }
    partial = folder / f".{CONFIG}"
    partial.write_text(json.dumps(data, indent=1) + "\n")
    partial.replace(folder / CONFIG)


def load_paligemma(
    source: str | Path,
    revision: str | None = None,
    settings: PaliGemmaSettings | None = None,
    *,
    base: str | Path | None = None,
    offline: bool = False,
) -> PaliGemmaWorldModel:
    """Read a saved world model, or begin one from a bare checkpoint; in float32, frozen, ready to answer.

    Args:
        source: folder of a saved world model or of a checkpoint, or a checkpoint's name on the hub.
        revision: commit of a hub name.
        settings: of a world model that begins from a bare checkpoint; saved models bring their own.
        base: folder with the checkpoint of saved adapters, where it is not at the place that was saved.
        offline: whether to use only what was fetched from the hub before.

    Raises:
        ModelError: missing, damaged or inconsistent files, a checkpoint that cannot be had, or missing settings.
    """
    if is_paligemma(Path(source)):
        model = _load_saved(Path(source), base, offline)
    elif settings is None:
        raise ModelError(f"{source} is no saved world model; to begin one from a bare checkpoint, give settings")
    else:
        model = PaliGemmaWorldModel(*read_checkpoint(find_checkpoint(source, revision, offline)), settings)
        model.base = (str(Path(source).resolve() if Path(source).is_dir() else source), revision)
    return model.eval().requires_grad_(False)


def _load_saved(folder: Path, base: str | Path | None, offline: bool) -> PaliGemmaWorldModel:
    data = json.loads((folder / CONFIG).read_text())
    if data["format"] != FORMAT:
        raise ModelError(f"{folder / CONFIG} has format {data['format']!r}; this version reads {FORMAT!r}")
    try:
        settings = _CONVERTER.structure(data["model"], PaliGemmaSettings)
        lora = None if data["lora"] is None else _CONVERTER.structure(data["lora"], LoraSettings)
        source, revision = data["base"], data["revision"]
    except (ClassValidationError, ConfigError, KeyError) as error:
        raise ModelError(f"{folder / CONFIG} does not describe a PaliGemma world model: {error}") from error
    checkpoint = folder / CHECKPOINT if source is None else find_checkpoint(base or source, revision, offline)
    model = PaliGemmaWorldModel(*read_checkpoint(checkpoint), settings)
    model.base, model.lora = source and (source, revision), lora
    if lora is not None:
        add_lora(model.vlm, lora)
    expected = {"project.weight": model.project.weight, **lora_parameters(model)}
    state = read_weights(folder, expected)
    with torch.no_grad():
        for name, value in expected.items():
            value.copy_(state[name])
    return model
