# SPDX-License-Identifier: Apache-2.0
"""`semworld convert`: recordings to episodes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("convert")
@click.argument("recordings", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to", "kind", type=click.Choice(["trajectories", "lerobot"]), required=True,
    help="This project's episodes, or a LeRobotDataset v3.0.",
)  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the data set.")
@click.option("--env", "environment", help="Environment; by default the one recorded.")
def convert_command(recordings: tuple[Path, ...], kind: str, out: Path, environment: str | None) -> None:
    """Make an episode of each goal that was pursued in RECORDINGS (MCAP).

    Trajectories need the true scenes that a simulator tells, and can then be asked about and trained on (semworld saqa,
    train). LeRobot data sets hold frames, effector position and action, with the goal as the task.

    Example: semworld convert runs/*.mcap --to lerobot --out data/lerobot
    """
    from swm_core.errors import RecordingError
    from swm_core.records.lerobot import write_lerobot
    from swm_core.records.reader import environment_entry, read_recording
    from swm_core.records.trajectories import write_trajectories

    read = [read_recording(path) for path in recordings]
    specs = {entry.spec.name: entry.spec for entry in (environment_entry(recording, environment) for recording in read)}
    if len(specs) != 1:
        raise RecordingError(f"recordings of different environments ({', '.join(specs)}) make no common data set")
    spec = next(iter(specs.values()))
    count = write_lerobot(read, spec, out) if kind == "lerobot" else len(write_trajectories(read, spec, out))
    click.echo(f"{count} episodes in {out}")
