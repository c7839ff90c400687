# SPDX-License-Identifier: Apache-2.0
"""`semworld eval tasks`: how often a planner reaches a goal in a simulated environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.data.collection import choose_objects, parse_range
from swm_core.environment import load_environment
from swm_core.errors import ConfigError, DataError


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
@click.option("--env", "environment", default="langtable", help="Environment.")
@click.option(
    "--task",
    required=True,
    help='"reach", "push", "separate", "stack" (objects by seed) or "push red moon to green star".',
)
@click.option("--planner", type=click.Choice(["gradient", "mppi", "policy", "none", "random"]), default="gradient")
@click.option("--seeds", default="6000:6050", help="Environment seeds FIRST:END.")
@click.option("--steps", type=click.IntRange(1), help="Most actions; the environment's own number when not given.")
@click.option("--objects", help="Object set or 'a,b,...'; the environment's first set when not given.")
@click.option(
    "--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; the shipped one if not given."
)
@click.option(
    "--policy",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of a base policy (semworld train-policy): it proposes to the planner, or acts alone (planner policy).",
)
@click.option(
    "--preset", type=click.Choice(["default", "paper"]), default="default", help="Planner settings to start from."
)
@click.option("--set", "settings", multiple=True, help="planner.NAME=VALUE, planner.gradient.NAME=VALUE (repeatable).")
@click.option("--phrasing", type=click.IntRange(0), default=0, help="Wording of the questions; 0 is the paper's.")
@click.option("--held-out", is_flag=True, help="Take one of the wordings that training never used (Table 8).")
@click.option("--unweighted", is_flag=True, help="Equal weights for all questions (Table 7).")
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 evaluates in this one.")
@click.option("--cluster", help="Address of a Dask scheduler whose workers play (tcp://host:8786).")
@click.option("--videos", type=click.Path(file_okay=False, path_type=Path), help="Folder for films of episodes.")
@click.option("--video-episodes", type=click.IntRange(1), default=3, help="How many are filmed: the first seeds.")
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
    planner: str,
    seeds: str,
    steps: int | None,
    objects: str | None,
    model: Path | None,
    policy: Path | None,
    preset: str,
    settings: tuple[str, ...],
    phrasing: int,
    held_out: bool,
    unweighted: bool,
    workers: int,
    cluster: str | None,
    videos: Path | None,
    video_episodes: int,
    markdown: Path | None,
    picture: Path | None,
    compare: Path | None,
    json_file: Path | None,
) -> None:
    """Play one episode of a task for each seed and count how often the goal is reached.

    Success is the truth of the simulator, with the limits of the paper's A.3.1. The layout is redrawn until the goal
    does not hold at the start. With --json, finished episodes are kept beside it (.jsonl): run again to go on.
    """
    from swm_core.evaluation.planners import WITHOUT_MODEL, planner_config
    from swm_core.evaluation.task_reports import draw_result, paired_result, summary_cells, task_result, write_markdown
    from swm_core.evaluation.task_runs import RunOptions, evaluate_task
    from swm_core.evaluation.tasks import TaskEvaluation
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash

    spec = load_environment(environment).spec
    names = choose_objects(spec, objects or next(iter(spec.object_sets)))
    config = planner_config(planner, preset, settings, policy is not None)
    if config.needs_policy and policy is None:
        raise ConfigError("these planner settings need a base policy: give its folder with --policy")
    folder = None if planner in WITHOUT_MODEL else model or shipped_model(environment)
    weights = weights_hash(folder) if folder else None
    policy = policy if config.needs_policy else None
    drawn = weights_hash(policy) if policy else None
    most, asked = steps or spec.episode_steps, (phrasing, held_out, not unweighted)
    evaluation = TaskEvaluation(environment, names, task, most, config, weights, drawn, *asked)
    log = json_file.with_suffix(".jsonl") if json_file else None
    options = RunOptions(folder, workers, cluster, log, videos, video_episodes, progress=True, policy=policy)
    records = evaluate_task(evaluation, parse_range(seeds), options)
    result = task_result(evaluation, records)
    if compare is not None:
        result["paired"] = paired_result(result, read_result(compare))
    header, cells = summary_cells(result)
    click.echo(text_table(header, [cells]))
    if compare is not None:
        click.echo(f"paired with {compare}: {result['paired']}")
    write_json(json_file, result)
    if markdown is not None:
        write_markdown(result, markdown)
    if picture is not None:
        draw_result(result, records, picture)
