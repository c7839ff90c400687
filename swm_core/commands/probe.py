# SPDX-License-Identifier: Apache-2.0
"""`semworld probe`: what the frozen image tokens say about where things are."""

from __future__ import annotations

from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table


@click.command("probe")
@click.argument("data", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option(
    "--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; the shipped one if not given."
)
@click.option("--behaviour", multiple=True, help="Only episodes of this behaviour; may be given several times.")
@click.option("--frames", type=click.IntRange(2), default=2000, help="Most frames.")
@click.option(
    "--held-out", "share", type=click.FloatRange(0.0, 1.0), default=0.25, help="Part of the layouts to score on."
)
@click.option("--seed", type=int, default=0, help="Seed of the draw of frames and of the split.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Also write the table here.")
@json_option
def probe_command(
    data: tuple[Path, ...],
    model: Path | None,
    behaviour: tuple[str, ...],
    frames: int,
    share: float,
    seed: int,
    markdown: Path | None,
    json_file: Path | None,
) -> None:
    """Locate objects and effector by ridge regression from frozen features, in the data set folders DATA.

    From the pooled image tokens, from the fine map pooled by each word's match, from the frame scaled down (the
    baseline), and from the tokens with shuffled labels (chance). Fitted and scored on different layouts.
    """
    from swm_core.data.trajectories import Trajectories
    from swm_core.evaluation.probing import ProbeSettings, gather, probe, probe_rows
    from swm_core.evaluation.provenance import provenance
    from swm_core.evaluation.task_reports import markdown_table
    from swm_core.models.grounded import GroundedModel
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash

    settings = ProbeSettings(frames, share, seed)
    trajectories = Trajectories.load(data, behaviour)
    folder = model or shipped_model(trajectories.spec.name)
    loaded = GroundedModel.load(folder)
    result = {
        **probe(gather(loaded, trajectories, settings, progress=True), settings),
        "seed": seed,
        "data": [str(path) for path in data],
        "behaviours": sorted({e.file.metadata.behaviour for e in trajectories.episodes}),
        "episodes": len(trajectories),
        "weights": weights_hash(folder),
        **provenance(),
    }
    header, rows = probe_rows(result)
    frames_used = (
        f"fitted on {result['frames']['fit']} frames, scored on {result['frames']['held_out']} of other layouts"
    )
    click.echo(text_table(header, rows))
    click.echo(frames_used)
    write_json(json_file, result)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        code = f"Weights {result['weights']}, commit {result['commit'][:12]}, `{result['command']}`."
        markdown.write_text(f"{markdown_table(header, rows)}\n\nRidge regression {frames_used}. {code}\n")
