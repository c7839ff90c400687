# SPDX-License-Identifier: Apache-2.0
"""A task evaluation as JSON, as a Markdown table and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.errors import DataError
from swm_core.evaluation.provenance import provenance
from swm_core.evaluation.statistics import pair_outcomes, reliability, wilson_interval
from swm_core.evaluation.task_runs import configuration_hash
from swm_core.evaluation.tasks import EpisodeRecord, TaskEvaluation

REDRAW_RULE = "the seed's first layout in which the goal's first step does not hold; earlier ones are passed over"


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Median and 95th percentile, None without values."""
    if not len(values):
        return {"p50": None, "p95": None}
    return {"p50": round(float(np.percentile(values, 50)), 2), "p95": round(float(np.percentile(values, 95)), 2)}


def _episode_row(record: EpisodeRecord) -> dict[str, Any]:
    return {
        "seed": record.seed,
        "task": record.task,
        "success": record.success,
        "steps": record.steps,
        "subgoals_done": record.subgoals_done,
        "redraws": record.redraws,
        "plans": len(record.plan_ms),
        "plan_ms": percentiles(record.plan_ms),
        "cause": record.cause,
        "seconds": record.seconds,
        "commit": record.commit,
    }


def foretold_result(records: Sequence[EpisodeRecord]) -> dict[str, dict[str, float]]:
    """How far what plans foresaw of their executed actions was from what happened, by type of question.

    Returns:
        per type: "n", "foreseen" (mean probability of the wanted answer), "happened" (share that came true), "ece".
    """
    rows = [row for record in records for row in record.foretold]
    found = {}
    for kind in sorted({kind for kind, _, _ in rows}):
        p, happened = np.array([(p, true) for name, p, true in rows if name == kind]).T
        error = reliability(p, happened > 0).expected_error
        means = {"foreseen": p.mean(), "happened": happened.mean(), "ece": error}
        found[kind] = {"n": len(p)} | {name: round(float(value), 4) for name, value in means.items()}
    return found


def failure_causes(records: Sequence[EpisodeRecord]) -> dict[str, int]:
    """How many failed episodes have each guessed cause, the most frequent first; "" where there is no guess."""
    return dict(Counter(record.cause for record in records if not record.success).most_common())


def task_result(evaluation: TaskEvaluation, records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """All that `--json` writes.

    Returns:
        "success_rate", "n", "interval" (Wilson 95 %), "steps_to_success" and "plan_ms" (median and 95th percentile),
        "redraws", "causes" (guesses why episodes failed, counted), "episodes", "configuration" with its hash, the
        rules, and provenance.
    """
    successes = sum(record.success for record in records)
    return {
        "success_rate": successes / len(records),
        "n": len(records),
        "successes": successes,
        "interval": list(wilson_interval(successes, len(records))),
        "steps_to_success": percentiles([r.steps for r in records if r.success]),
        "plan_ms": percentiles([ms for r in records for ms in r.plan_ms]),
        "redraws": sum(r.redraws for r in records),
        "causes": failure_causes(records),
        "foretold": foretold_result(records),
        "environment": evaluation.environment,
        "task": evaluation.task,
        "planner": evaluation.planner.planner,
        "weights": evaluation.weights,
        "seeds": [r.seed for r in records],
        "start_rule": REDRAW_RULE,
        "success_rule": "the simulator's scene after every action, limits of the paper's A.3.1",
        "configuration_hash": configuration_hash(evaluation),
        "configuration": evaluation.description(),
        **provenance(),
        "episodes": [_episode_row(r) for r in records],
    }


def paired_result(result: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Compare with another result on the seeds and tasks that both have.

    Args:
        result: from `task_result`.
        other: another one, from a JSON file.

    Raises:
        DataError: the other holds no episodes, or none of the same seed and task.
    """
    try:
        first, second = ({(e["seed"], e["task"]): bool(e["success"]) for e in r["episodes"]} for r in (result, other))
    except (KeyError, TypeError) as error:
        raise DataError(f"the result to compare with has no episodes ({error})") from error
    paired = pair_outcomes(first, second)
    counted = {name: getattr(paired, name) for name in ("both", "only_first", "only_second", "neither")}
    if not sum(counted.values()):
        raise DataError("the two results share no episode of the same seed and task")
    return {
        "other": other.get("planner"),
        "other_hash": other.get("configuration_hash"),
        **counted,
        "p_value": paired.p_value,
    }


def _milliseconds(times: dict[str, float | None]) -> str:
    return " / ".join("-" if v is None else f"{v:.0f}" for v in times.values())


def summary_cells(result: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Header and cells of the one-line summary."""
    low, high = result["interval"]
    header = ["task", "planner", "n", "success", "95 % interval", "steps p50 / p95", "plan ms p50 / p95"]
    return header, [
        result["task"],
        result["planner"],
        str(result["n"]),
        f"{result['success_rate']:.1%}",
        f"{low:.1%} to {high:.1%}",
        _milliseconds(result["steps_to_success"]),
        _milliseconds(result["plan_ms"]),
    ]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def causes_text(result: dict[str, Any]) -> str:
    """The guessed causes of failures in a sentence and an empty line; empty without failures."""
    told = ", ".join(f"{number} {word or 'unknown'}" for word, number in result["causes"].items())
    return f"Failures by guessed cause: {told}.\n\n" if told else ""


def write_markdown(result: dict[str, Any], path: Path) -> None:
    """Write the summary and a row for every episode."""
    header, cells = summary_cells(result)
    episodes = [
        [
            str(e["seed"]),
            e["task"],
            "yes" if e["success"] else f"no ({e['cause']})" if e["cause"] else "no",
            str(e["steps"]),
            str(e["redraws"]),
            _milliseconds(e["plan_ms"]),
        ]
        for e in result["episodes"]
    ]
    table = markdown_table(["seed", "task", "success", "steps", "redraws", "plan ms p50 / p95"], episodes)
    made = f"Weights {result['weights'] or '-'}, commit {result['commit'][:12]}, `{result['command']}`."
    rules = f"Start: {result['start_rule']}. Success: {result['success_rule']}."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{markdown_table(header, [cells])}\n\n{causes_text(result)}{rules}\n\n{made}\n\n{table}\n")


def draw_result(result: dict[str, Any], records: Sequence[EpisodeRecord], path: Path) -> None:
    """Draw success by the first object of the task, success over steps, and planning times.

    Args:
        result: from `task_result`.
        records: its episodes.
        path: PNG file.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    tasks, over, times = figure.subplots(1, 3, width_ratios=(1.6, 1.2, 1))
    kinds = sorted({r.task for r in records})
    if len(kinds) > 16:  # a line per pair would not be readable
        kinds = sorted({r.task.partition(" to ")[0].partition(" from ")[0] for r in records})
    groups = [(kind, [r.success for r in records if r.task.startswith(kind)]) for kind in kinds]
    groups.append(("all", [r.success for r in records]))
    for row, (_, outcomes) in enumerate(reversed(groups)):
        share, ends = sum(outcomes) / len(outcomes), wilson_interval(sum(outcomes), len(outcomes))
        tasks.barh(row, share, color="tab:blue" if row else "tab:green", alpha=0.7)
        tasks.plot(ends, (row, row), color="black", linewidth=1)
    tasks.set_yticks(range(len(groups)), [f"{kind} ({len(o)})" for kind, o in reversed(groups)], fontsize=7)
    tasks.set(xlim=(0, 1), title=f"success, {result['planner']}, Wilson 95 %")
    ended = sorted(r.steps for r in records if r.success)
    steps = [0, *ended, result["configuration"]["steps"]]
    shares = [i / len(records) for i in range(len(ended) + 1)]
    over.step(steps, [*shares, shares[-1]], where="post")
    over.set(xlabel="steps", ylabel="share of episodes done", ylim=(0, 1.02), title=f"task: {result['task']}")
    over.grid(alpha=0.3)
    times.hist([ms for r in records for ms in r.plan_ms], bins=40)
    times.set(xlabel="time per plan, ms", ylabel="plans", title=f"p50 / p95: {_milliseconds(result['plan_ms'])} ms")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
