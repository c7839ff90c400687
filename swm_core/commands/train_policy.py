# SPDX-License-Identifier: Apache-2.0
"""`semworld train-policy`: train a base policy on expert episodes, on top of a world model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.train import parse_overrides


@click.command("train-policy")
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="YAML file."
)
@click.option("--demonstrations", type=click.IntRange(1), help="Use only so many episodes; all when not given.")
@click.option(
    "--per-task",
    "task",
    help='Use only demonstrations of this task ("push red moon to green star"), as the paper does.',
)
@click.option("--set", "settings", multiple=True, help="Replace a top-level setting: NAME=VALUE (repeatable).")
@json_option
def train_policy_command(
    config: Path, demonstrations: int | None, task: str | None, settings: tuple[str, ...], json_file: Path | None
) -> None:
    """Train a diffusion policy that proposes actions to planners; run again to go on from the last checkpoint.

    The world model's features of all episodes are computed first and kept, by the hash of its weights.
    """
    from swm_core.training.policy import PolicyTrainer, gather
    from swm_core.training.policy_config import load_policy_config

    overrides = parse_overrides(settings)
    if demonstrations is not None:
        overrides["demonstrations"] = demonstrations
    if task is not None:
        overrides["task"] = task
    loaded = load_policy_config(config, overrides)
    trainer = PolicyTrainer(loaded, *gather(loaded))
    click.echo(f"{len(trainer.training)} moments to learn from, {len(trainer.validation)} to validate")
    write_json(json_file, {"config": asdict(loaded), "measures": trainer.run()})
