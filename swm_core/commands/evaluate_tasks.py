# SPDX-License-Identifier: Apache-2.0
"""`semworld eval tasks`: how often a planner reaches a goal in a simulated environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.method import method_options, read_method
from swm_core.commands.table import text_table
from swm_core.data.collection import choose_objects, parse_range
from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import DataError


def read_result(path: Path) -> dict[str, Any]:
    """A result file of an earlier run.

    Raises:
        DataError: not JSON of an object.
    """
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is no result file: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} is no result file")
    return found


@click.command("tasks")
@click.option("--env", "environment", default=DEFAULT_ENVIRONMENT, help="Environment.")
@click.option(
    "--task",
    required=True,
    help='"reach", "push", "separate", "stack" (objects by seed) or "push red moon to green star".',
)
@click.option("--seeds", default="6000:6050", help="Environment seeds FIRST:END.")
@click.option("--steps", type=click.IntRange(1), help="Most actions; the environment's own number when not given.")
@click.option("--objects", help="Object set or 'a,b,...'; the environment's first set when not given.")
@method_options
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 evaluates in this one.")
@click.option("--cluster", help="Address of a Dask scheduler whose workers play (tcp://host:8786).")
@click.option("--videos", type=click.Path(file_okay=False, path_type=Path), help="Folder for films of episodes.")
@click.option("--video-episodes", type=click.IntRange(1), default=3, help="How many are filmed: the first seeds.")
@click.option(
    "--failures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a PNG of each episode that fails: what was seen, planned, foreseen, and what happened.",
)
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Also write tables here.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Also draw the result as PNG here.")
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON of an earlier run: paired test.",
)
@json_option
def tasks_command(
    environment: str,
    task: str,
    seeds: str,
    steps: int | None,
    objects: str | None,
    workers: int,
    cluster: str | None,
    videos: Path | None,
    video_episodes: int,
    failures: Path | None,
    markdown: Path | None,
    picture: Path | None,
    compare: Path | None,
    json_file: Path | None,
    **method: Any,
) -> None:
    """Play one episode of a task for each seed and count how often the goal is reached.

    Success is the truth of the simulator, with the limits of the paper's A.3.1. The layout is redrawn until the goal
    does not hold at the start. With --json, finished episodes are kept beside it (.jsonl): run again to go on.
    """
    from swm_core.evaluation.task_reports import (
        causes_text,
        draw_result,
        paired_result,
        summary_cells,
        task_result,
        write_markdown,
    )
    from swm_core.evaluation.task_runs import RunOptions, evaluate_task

    spec = load_environment(environment).spec
    names = choose_objects(spec, objects or next(iter(spec.object_sets)))
    chosen = read_method(environment, **method)
    evaluation = chosen.evaluation(environment, names, task, steps or spec.episode_steps)
    log = json_file.with_suffix(".jsonl") if json_file else None
    options = RunOptions(chosen.model, workers, cluster, log, videos, video_episodes, True, chosen.policy, failures)
    records = evaluate_task(evaluation, parse_range(seeds), options)
    result = task_result(evaluation, records)
    if compare is not None:
        result["paired"] = paired_result(result, read_result(compare))
    header, cells = summary_cells(result)
    click.echo(text_table(header, [cells]))
    click.echo(causes_text(result), nl=False)
    if compare is not None:
        click.echo(f"paired with {compare}: {result['paired']}")
    write_json(json_file, result)
    if markdown is not None:
        write_markdown(result, markdown)
    if picture is not None:
        draw_result(result, records, picture)
