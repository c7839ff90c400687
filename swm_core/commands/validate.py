# SPDX-License-Identifier: Apache-2.0
"""`semworld validate`: check trajectory files, and draw an episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from swm_core.cli import json_option, write_json
from swm_core.data.pictures import draw_episode
from swm_core.data.storage import episode_files
from swm_core.data.validation import validate_episode
from swm_core.errors import DataError


@click.command("validate")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw an episode to this PNG file.")
@click.option("--episode", type=click.IntRange(0), default=0, help="Which one to draw, in the order of the file names.")
@json_option
def validate_command(path: Path, picture: Path | None, episode: int, json_file: Path | None) -> None:
    """Check a trajectory file, or all below a folder; list what is wrong and exit with 1 if anything is."""
    files = list(episode_files(path))
    if not files:
        raise DataError(f"{path}: no trajectory files (*.parquet)")
    if picture is not None and episode >= len(files):
        raise DataError(f"{path}: no episode {episode}; there are {len(files)}")
    wrong: list[str] = []
    steps = frames = 0
    for number, file in enumerate(tqdm(files, unit="episode", disable=len(files) == 1)):
        try:
            found = validate_episode(file)
        except DataError as error:
            wrong.append(str(error))
            continue
        steps += len(found)
        frames += sum(image is not None for image in found.images)
        if picture is not None and number == episode:
            draw_episode(found, picture)
    for line in wrong:
        click.echo(line, err=True)
    click.echo(f"{len(files) - len(wrong)} of {len(files)} episodes are valid: {steps} steps, {frames} frames")
    result: dict[str, Any] = {"episodes": len(files), "steps": steps, "frames": frames, "errors": wrong}
    write_json(json_file, result)
    if wrong:
        raise DataError(f"{len(wrong)} of {len(files)} files are not valid")
