# SPDX-License-Identifier: Apache-2.0
"""`semworld export`: put a trained model into the form in which it is shipped."""

from __future__ import annotations

from pathlib import Path

import click

from swm_core.cli import json_option, write_json


@click.command("export")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@json_option
def export_command(model: Path, out: Path, json_file: Path | None) -> None:
    """Copy MODEL (a run's `best` or `last`) to OUT with weights in half precision and the facts of its training.

    MODEL is a compact world model or a diffusion policy.
    """
    from swm_core.models.folders import WEIGHTS, saved_format, weights_hash
    from swm_core.policies import diffusion

    (export_policy if saved_format(model) == diffusion.FORMAT else export_world_model)(model, out)
    size, digest = (out / WEIGHTS).stat().st_size, weights_hash(out)
    click.echo(f"{out}: {size / 1e6:.1f} MB, hash {digest}")
    write_json(json_file, {"model": str(out), "weights_hash": digest, "bytes": size})


def export_world_model(folder: Path, out: Path) -> None:
    """A compact world model in half precision."""
    from swm_core.models.weights import load_model, read_config, save_model

    save_model(out, load_model(folder), read_config(folder)[1], half=True)


def export_policy(folder: Path, out: Path) -> None:
    """A diffusion policy in half precision."""
    from swm_core.models.folders import load_weights
    from swm_core.policies.diffusion import SAVED, save_policy
    from swm_core.policies.network import PolicyNetwork

    config, notes = SAVED.read(folder)
    network = PolicyNetwork(config)
    load_weights(folder, network)
    save_policy(out, network, notes, half=True)
