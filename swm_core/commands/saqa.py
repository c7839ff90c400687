# SPDX-License-Identifier: Apache-2.0
"""`semworld saqa`: show, count and export question-answer samples of a data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.data.balance import balance_report
from swm_core.data.pictures import draw_samples, sample_lines
from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import Sample, SaqaDataset, SaqaSettings
from swm_core.data.trajectories import Trajectories
from swm_core.environment import load_environment


def export(dataset: SaqaDataset, samples: list[Sample], path: Path) -> int:
    """Write samples as tuples, a row per question and horizon; returns the number of rows.

    Frames are not copied: `file` and `t` say where they are.
    """
    rows = [
        {
            "file": str(dataset.data.episodes[sample.source[0]].file.path),
            "t": sample.source[1],
            "horizon": int(horizon),
            "actions": sample.actions[: int(horizon)].tolist(),
            "type": dataset.catalogue.type_names[kind],
            "question": text,
            "answer": bool(answer),
        }
        for sample in samples
        for kind, text, answers in zip(sample.types, sample.texts, sample.answers, strict=True)
        for horizon, answer in zip(sample.horizons, answers, strict=True)
        if answer >= 0
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, compression="ZSTD")
    return len(rows)


@click.command("saqa")
@click.argument("data", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option("--behaviour", multiple=True, help="Only episodes of this behaviour; may be given several times.")
@click.option("--seed", type=int, default=0, help="Seed of the draws.")
@click.option("--samples", type=click.IntRange(1), default=1000, help="Samples for --report and --write.")
@click.option("--show", type=click.IntRange(0), default=0, help="Print this many samples.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the shown samples to this PNG file."
)
@click.option("--report", is_flag=True, help="Print the balance over types and answers.")
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Export tuples to this Parquet file.")
@json_option
def saqa_command(
    data: tuple[Path, ...],
    behaviour: tuple[str, ...],
    seed: int,
    samples: int,
    show: int,
    picture: Path | None,
    report: bool,
    write: Path | None,
    json_file: Path | None,
) -> None:
    """Draw question-answer samples from the data set folders DATA, as training does."""
    trajectories = Trajectories.load(data, behaviour)
    entry = load_environment(trajectories.spec.name)
    catalogue = QuestionCatalogue.of(entry)
    dataset = SaqaDataset(trajectories, catalogue, SaqaSettings(), seed)
    result: dict[str, Any] = {"episodes": len(trajectories), "states": len(dataset.states)}
    shown = [dataset[i] for i in range(show or (1 if picture else 0))]
    for sample in shown[:show]:
        file = trajectories.episodes[sample.source[0]].file
        click.echo("\n".join([f"{file.metadata.episode_id}, t = {sample.source[1]}", *sample_lines(sample)]))
    if picture is not None:
        draw_samples(shown, trajectories.spec.camera, picture)
    if report or write is not None or json_file is not None:
        begin = time.process_time()
        drawn = [dataset[i] for i in range(samples)]
        result["ms_per_sample"] = 1000.0 * (time.process_time() - begin) / samples
        counted = balance_report(drawn, catalogue.type_names)
        result |= {"balance": counted.rows(), "horizons": counted.horizons.tolist()}
        if report:
            cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()] for row in counted.rows()]
            click.echo(text_table(list(counted.rows()[0]), cells))
            click.echo(f"horizons 0..20: {' '.join(map(str, counted.horizons))}")
            click.echo(f"{samples} samples, {result['ms_per_sample']:.2f} ms of CPU time each")
        if write is not None:
            click.echo(f"{export(dataset, drawn, write)} tuples written to {write}")
    write_json(json_file, result)
