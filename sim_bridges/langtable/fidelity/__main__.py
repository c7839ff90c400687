# SPDX-License-Identifier: Apache-2.0
"""`python -m sim_bridges.langtable.fidelity`: prints ours, the original's and the tolerance, check by check."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sim_bridges.langtable.env import LangTableEnv
from sim_bridges.langtable.fidelity import Measurement, appearance, motion, statistics
from sim_bridges.langtable.fidelity.staging import stage_world


def measure(fast: bool) -> list[Measurement]:
    """All checks; `fast` leaves out the statistics over many episodes."""
    stage, env = stage_world(), LangTableEnv(images=False)
    rows = [*appearance.projection(), *appearance.board(stage), *motion.step_response(stage), *appearance.footprints()]
    rows += [*appearance.block_views(stage), *appearance.peg(stage)]
    rows += [*motion.straight_pushes(stage), *motion.random_pushes(stage), *statistics.golden_layouts(env)]
    if not fast:
        rows += [*statistics.layout_statistics(env), *statistics.rest_drift(env)]
        rows += [*statistics.label_rates(env), *statistics.expert(env)]
    stage.close()
    env.close()
    return rows


def table(rows: list[Measurement]) -> str:
    """The measurements as text, one a line."""
    lines = [f"{'check':5}  {'quantity':58}  {'ours':>9}  {'original':>9}  passes"]
    for row in rows:
        there = "" if row.original is None else f"{row.original:.4g}"
        limits = f"[{row.low:.4g}, {row.high:.4g}]"
        lines.append(
            f"{row.check:5}  {row.quantity:58}  {row.ours:9.4g}  {there:>9}  {limits}{'' if row.passed else '  MISSED'}"
        )
    return "\n".join([*lines, f"{sum(row.passed for row in rows)} of {len(rows)} within the limits"])


@click.command(help=__doc__)
@click.option("--fast", is_flag=True, help="Leave out the statistics over many episodes (minutes).")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the measurements to this file.")
def main(fast: bool, json_path: Path | None) -> None:
    """Run the checks and end with status 1 if one misses its limits."""
    rows = measure(fast)
    click.echo(table(rows))
    if json_path is not None:
        json_path.write_text(json.dumps([{**vars(row), "passed": row.passed} for row in rows], indent=1) + "\n")
    raise SystemExit(0 if all(row.passed for row in rows) else 1)


if __name__ == "__main__":
    main()
