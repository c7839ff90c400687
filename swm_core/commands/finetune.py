# SPDX-License-Identifier: Apache-2.0
"""`semworld finetune`: fine-tune a PaliGemma to a world model as a configuration file says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.train import parse_overrides


@click.command("finetune")
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="YAML file."
)
@click.option("--set", "settings", multiple=True, help="Replace a top-level setting: NAME=VALUE (repeatable).")
@json_option
def finetune_command(config: Path, settings: tuple[str, ...], json_file: Path | None) -> None:
    """Fine-tune a PaliGemma; run again to go on from the last checkpoint.

    The same command under `accelerate launch` trains on several processes or GPUs;
    configs/accelerate/ has its settings for DDP and FSDP.
    """
    from swm_core.training.finetune import Finetuner
    from swm_core.training.finetune_config import load_finetune_config

    loaded = load_finetune_config(config, parse_overrides(settings))
    finetuner = Finetuner(loaded)
    measures = finetuner.run()
    if finetuner.accelerator.is_main_process:
        write_json(json_file, {"config": asdict(loaded), "measures": measures})
