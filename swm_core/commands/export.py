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
    """Copy MODEL (a run's `best` or `last`) to OUT with weights in half precision and the facts of its training."""
    from swm_core.models.weights import WEIGHTS, load_model, read_config, save_model, weights_hash

    _, notes = read_config(model)
    save_model(out, load_model(model), notes, half=True)
    size, digest = (out / WEIGHTS).stat().st_size, weights_hash(out)
    click.echo(f"{out}: {size / 1e6:.1f} MB, hash {digest}")
    write_json(json_file, {"model": str(out), "weights_hash": digest, "bytes": size})
