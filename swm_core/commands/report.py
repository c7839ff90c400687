# SPDX-License-Identifier: Apache-2.0
"""`semworld report`: a page about a recording."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The page; by default beside the recording."
)
@click.option("--env", "environment", help="Environment; by default the one recorded.")
@click.option("--plans", type=click.IntRange(0), default=12, help="How many plans are explained, evenly over time.")
def report_command(recording: Path, out: Path | None, environment: str | None, plans: int) -> None:
    """Make one HTML page of a RECORDING (MCAP): film, curves, plans, events and faults.

    The page carries everything that it shows and loads nothing.

    Example: semworld report run.mcap
    """
    from swm_core.records.reader import environment_entry, read_recording
    from swm_core.records.report import make_report, write_report

    read = read_recording(recording)
    path = out or read.path.with_suffix(".html")
    write_report(path, make_report(read, environment_entry(read, environment).spec, plans))
    click.echo(f"written: {path}")
