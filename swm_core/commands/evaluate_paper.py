# SPDX-License-Identifier: Apache-2.0
"""`semworld eval paper`: the tasks of the paper's tables, one result file a row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from swm_core.cli import write_json
from swm_core.commands.evaluate_tasks import read_result
from swm_core.commands.table import text_table
from swm_core.data.collection import choose_objects
from swm_core.environment import load_environment
from swm_core.errors import ConfigError


@click.command("paper")
@click.argument("rows")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of results.")
@click.option("--label", required=True, help="Of the method: results are called ROW_LABEL.json.")
@click.option("--planner", type=click.Choice(["gradient", "mppi", "policy", "none", "random"]), default="gradient")
@click.option("--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; else the shipped one.")
@click.option(
    "--policy", type=click.Path(file_okay=False, path_type=Path), help="Base policy: proposes, or acts alone."
)
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default", help="Settings to start from.")
@click.option("--set", "settings", multiple=True, help="planner.NAME=VALUE (repeatable).")
@click.option("--phrasing", type=click.IntRange(0), default=0, help="Wording of the questions; 0 is the paper's.")
@click.option("--held-out", is_flag=True, help="Take one of the wordings that training never used (Table 8).")
@click.option("--unweighted", is_flag=True, help="Equal weights for all questions (Table 7).")
@click.option("--first-seed", type=click.IntRange(0), default=6000, help="First environment seed.")
@click.option("--count", type=click.IntRange(1), help="Seeds a row; as many as the paper's when not given.")
@click.option("--compare", help="Label of a method whose results are there: paired test of each row.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 evaluates in this one.")
def paper_command(
    rows: str,
    out: Path,
    label: str,
    planner: str,
    model: Path | None,
    policy: Path | None,
    preset: str,
    settings: tuple[str, ...],
    phrasing: int,
    held_out: bool,
    unweighted: bool,
    first_seed: int,
    count: int | None,
    compare: str | None,
    workers: int,
) -> None:
    """Evaluate one method on ROWS of the paper's tables: reach, separate, push, novel, multistep, or single rows.

    Finished episodes are kept beside the results (.jsonl): run again to go on.
    """
    from swm_core.evaluation.paper import choose_rows
    from swm_core.evaluation.planners import WITHOUT_MODEL, planner_config
    from swm_core.evaluation.task_reports import paired_result, summary_cells, task_result
    from swm_core.evaluation.task_runs import RunOptions, evaluate_task
    from swm_core.evaluation.tasks import TaskEvaluation
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash

    spec = load_environment("langtable").spec
    config = planner_config(planner, preset, settings, policy is not None)
    if config.needs_policy and policy is None:
        raise ConfigError("these planner settings need a base policy: give its folder with --policy")
    folder = None if planner in WITHOUT_MODEL else model or shipped_model("langtable")
    policy = policy if config.needs_policy else None
    hashes = weights_hash(folder) if folder else None, weights_hash(policy) if policy else None
    options, table, header = RunOptions(folder, workers, progress=True, policy=policy), [], [""]
    for row in choose_rows(rows):
        objects = choose_objects(spec, row.objects)
        evaluation = TaskEvaluation(
            "langtable", objects, row.task, row.steps, config, *hashes, phrasing, held_out, not unweighted
        )
        seeds = range(first_seed, first_seed + (count or row.seeds))
        path = out / f"{row.name}_{label}.json"
        result = task_result(
            evaluation, evaluate_task(evaluation, seeds, replace(options, log=path.with_suffix(".jsonl")))
        )
        if compare is not None:
            result["paired"] = paired_result(result, read_result(out / f"{row.name}_{compare}.json"))
        write_json(path, result)
        header, cells = summary_cells(result)
        table.append(cells)
        click.echo(text_table(header, [cells]))
    click.echo(text_table(header, table))
