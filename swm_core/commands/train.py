# SPDX-License-Identifier: Apache-2.0
"""`semworld train`: train a world model as a configuration file says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml

from swm_core.cli import json_option, write_json
from swm_core.errors import ConfigError
from swm_core.training.config import load_config


def parse_overrides(settings: tuple[str, ...]) -> dict[str, Any]:
    """Top-level settings given as NAME=VALUE, the value in YAML.

    Raises:
        ConfigError: a setting has no "=" or its value is not YAML.
    """
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE, got {setting!r}")
        try:
            parsed[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting!r}: {error}") from error
    return parsed


@click.command("train")
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="YAML file."
)
@click.option("--set", "settings", multiple=True, help="Replace a top-level setting: NAME=VALUE (repeatable).")
@json_option
def train_command(config: Path, settings: tuple[str, ...], json_file: Path | None) -> None:
    """Train a world model; run again to go on from the last checkpoint.

    The same command under `accelerate launch` trains on several processes or GPUs.
    """
    from swm_core.training.trainer import Trainer

    loaded = load_config(config, parse_overrides(settings))
    measures = Trainer(loaded).run()
    write_json(json_file, {"config": asdict(loaded), "measures": measures})
