# SPDX-License-Identifier: Apache-2.0
"""`semworld collect`: act out scripted behaviours and store the episodes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.data.collecting import CollectionSummary, collect
from swm_core.data.collection import CollectionSettings, choose_objects, parse_counts, parse_range, plan_episodes
from swm_core.environment import load_environment


def summary_table(summary: CollectionSummary) -> str:
    """The run as a text table."""
    rows = [
        (
            name,
            str(c.episodes),
            str(c.steps),
            f"{c.successes / max(c.episodes, 1):.0%}",
            str(c.discarded),
        )
        for name, c in summary.behaviours.items()
    ]
    rate = summary.steps / summary.seconds if summary.seconds else 0.0
    return (
        text_table(("behaviour", "episodes", "steps", "success", "discarded"), rows)
        + f"\n{summary.steps} steps and {summary.frames} frames in {summary.seconds:.1f} s ({rate:.0f} steps/s), "
        f"{summary.skipped} episodes were there already\n"
    )


@click.command("collect")
@click.argument("environment")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the data set.")
@click.option(
    "--behaviour",
    multiple=True,
    required=True,
    help="NAME or NAME:EPISODES, separated by commas (expert_push:300,play).",
)
@click.option("--seeds", default="0:301", help="Environment seeds FIRST:END; 0-300 are for training.")
@click.option("--repeats", type=click.IntRange(1), help="Most layouts per seed; as many as needed when not given.")
@click.option("--steps", type=click.IntRange(1), help="Longest episode; the environment's own length when not given.")
@click.option("--frame-every", type=click.IntRange(1), default=1, help="Store a frame at every n-th state.")
@click.option("--after-success", type=click.IntRange(0), default=10, help="Actions still taken after success.")
@click.option("--objects", help="Object set, 'a,b,...', or 'mixed' for a random subset of --pool in each episode.")
@click.option("--pool", default="", help="For mixed: object set or 'a,b,...'.")
@click.option("--subset", type=click.IntRange(1), default=8, help="For mixed: objects per episode.")
@click.option("--failures", type=click.Choice(["keep", "discard"]), default="keep", help="Episodes without success.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 collects in this one.")
@click.option("--cluster", help="Address of a Dask scheduler whose workers collect (tcp://host:8786).")
@json_option
def collect_command(
    environment: str,
    out: Path,
    behaviour: tuple[str, ...],
    seeds: str,
    repeats: int | None,
    steps: int | None,
    frame_every: int,
    after_success: int,
    objects: str | None,
    pool: str,
    subset: int,
    failures: str,
    workers: int,
    cluster: str | None,
    json_file: Path | None,
) -> None:
    """Collect episodes in ENVIRONMENT; run again to go on where it stopped.

    Each episode is determined by behaviour, seed and repeat, whatever the number of workers.
    """
    spec = load_environment(environment).spec
    settings = CollectionSettings(
        environment=environment,
        objects=choose_objects(spec, objects or next(iter(spec.object_sets)), pool),
        subset=subset if objects == "mixed" else 0,
        steps=steps or spec.episode_steps,
        frame_every=frame_every,
        after_success=after_success,
    )
    jobs = plan_episodes(parse_counts(behaviour), parse_range(seeds), repeats)
    summary = collect(settings, out, jobs, workers, failures == "keep", progress=True, cluster=cluster)
    click.echo(summary_table(summary), nl=False)
    result: dict[str, Any] = {"settings": asdict(settings), **asdict(summary)}
    write_json(json_file, result)
