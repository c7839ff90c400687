# SPDX-License-Identifier: Apache-2.0
"""`semworld eval paper`: the tasks of the paper's tables, one result file a row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from swm_core.cli import write_json
from swm_core.commands.evaluate_tasks import read_result
from swm_core.commands.method import method_options, read_method
from swm_core.commands.table import text_table
from swm_core.data.collection import choose_objects
from swm_core.environment import load_environment


@click.command("paper")
@click.argument("rows")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of results.")
@click.option("--label", required=True, help="Of the method: results are called ROW_LABEL.json.")
@method_options
@click.option("--first-seed", type=click.IntRange(0), default=6000, help="First environment seed.")
@click.option("--count", type=click.IntRange(1), help="Seeds a row; as many as the paper's when not given.")
@click.option("--compare", help="Label of a method whose results are there: paired test of each row.")
@click.option(
    "--failures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a PNG of each episode that fails, in a folder a row.",
)
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 evaluates in this one.")
def paper_command(
    rows: str,
    out: Path,
    label: str,
    first_seed: int,
    count: int | None,
    compare: str | None,
    failures: Path | None,
    workers: int,
    **method: Any,
) -> None:
    """Evaluate one method on ROWS of the paper's tables.

    ROWS: of Language-Table reach, separate, push, novel, multistep, anyorder (the same pairs, the model picks which
    comes next), ablation (the three pushes of A.5.2 and Table 8); of OGBench og_reach, stack, background; or single
    rows, separated by commas.
    Finished episodes are kept beside the results (.jsonl): run again to go on.
    """
    from swm_core.evaluation.paper import choose_rows
    from swm_core.evaluation.task_reports import paired_result, summary_cells, task_result
    from swm_core.evaluation.task_runs import RunOptions, evaluate_task

    table, header = [], [""]
    for row in choose_rows(rows):
        spec, chosen = load_environment(row.environment).spec, read_method(row.environment, **method)
        objects, steps = choose_objects(spec, row.objects), row.steps or spec.episode_steps
        evaluation = chosen.evaluation(row.environment, objects, row.task, steps)
        options = RunOptions(chosen.model, workers, progress=True, policy=chosen.policy)
        seeds = range(first_seed, first_seed + (count or row.seeds))
        path = out / f"{row.name}_{label}.json"
        drawn = failures / f"{row.name}_{label}" if failures else None
        records = evaluate_task(evaluation, seeds, replace(options, log=path.with_suffix(".jsonl"), failures=drawn))
        result = task_result(evaluation, records)
        if compare is not None:
            result["paired"] = paired_result(result, read_result(out / f"{row.name}_{compare}.json"))
        write_json(path, result)
        header, cells = summary_cells(result)
        table.append(cells)
        click.echo(text_table(header, [cells]))
    click.echo(text_table(header, table))
