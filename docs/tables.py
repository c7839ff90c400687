# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of the pages from what they tell of: `python docs/tables.py`, `--check` to compare only.

Those of results.md and faults.md are made from the JSON files in results/, that of new_environment.md from the files of
the project.

A table stands between `<!-- KIND` with its rows, `-->` and `<!-- end -->`. A row is `label | file | what the paper
has`, the last part optional. Kinds: tasks (success rates), speed (milliseconds a plan), answers (accuracies of
answers), types (accuracies per question type; one row, one file), grid (the first row is the header; in the others,
what ends in .json becomes that file's success rate), foretold (what plans foresaw beside what happened), faults (when
the robot stood still; one row, one file), compared (two ways of planning on the same layouts; one row, one file), soak
(how a stack bore a long time; one row, one file), lines (as grid, with patterns of paths, which become numbers of files
and lines).
"""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from swm_core.evaluation.statistics import wilson_interval

HERE = Path(__file__).resolve().parent
PAGES = ("results.md", "faults.md", "new_environment.md")
KINDS = "tasks|speed|answers|types|grid|foretold|faults|compared|soak|lines"
TABLE = re.compile(rf"<!-- ({KINDS})\n(.*?)-->\n(.*?)<!-- end -->", re.DOTALL)


def percent(share: float) -> str:
    """0.9286 as "93"."""
    return f"{100 * share:.0f}"


def task_cells(found: dict[str, Any]) -> list[str]:
    """Success with its interval, and the median number of steps of the successes."""
    low, high = found["interval"]
    steps = found["steps_to_success"]["p50"] if "steps_to_success" in found else found["median_steps_of_successes"]
    success = f"{found['successes']} of {found['n']} ({percent(low)}-{percent(high)} %)"
    return [success, "" if steps is None else f"{steps:.0f}"]


def answer_cells(found: dict[str, Any]) -> list[str]:
    """Balanced accuracy with its interval, calibration error, number of questions."""
    low, high = found["interval"]
    accuracy = f"{100 * found['balanced_accuracy']:.1f} % ({100 * low:.1f}-{100 * high:.1f})"
    return [accuracy, f"{found['ece']:.3f}", str(found["n"])]


# Tests of tests/swm_ros/test_fault_times.py that are of one fault alone; the others are one test's, by name.
FAULT_TESTS = {
    "disk full while recording": "test_with_a_full_disk_the_recording_ends_and_nothing_else",
    "guard killed": "test_without_a_guard_the_robot_stands_still",
}
HEADERS = {
    "tasks": ["", "success", "median steps"],
    "answers": ["", "balanced accuracy", "calibration error", "questions"],
    "speed": ["one plan", "median ms", "p95 ms", "of ours"],
    "types": ["question type", "no", "yes", "balanced"],
    "faults": ["fault", "stands still after", "moves again after", "how it recovers", "test"],
    "compared": ["", "success", "median s of those that both reached"],
    "soak": ["", "measured"],
}


def listed(kind: str, rows: list[list[str]]) -> list[list[str]]:
    """Cells of a table whose rows are files."""
    cells = task_cells if kind == "tasks" else answer_cells
    papers = any(len(row) > 2 for row in rows)
    table = [[*HEADERS[kind], *(["paper"] if papers else []), "file"]]
    for label, file, *paper in rows:
        found = load(file)
        extra = [paper[0] if paper else ""] if papers else []
        table.append([label, *cells(found), *extra, f"[json](results/{file})"])
    return table


def load(file: str) -> dict[str, Any]:
    """A result file."""
    found: dict[str, Any] = json.loads((HERE / "results" / file).read_text())
    return found


def grid(rows: list[list[str]]) -> list[list[str]]:
    """Cells of a table that compares methods: success rates of the files that are named, everything else as it is."""
    return [[grid_cell(part) for part in row] for row in rows]


def grid_cell(part: str) -> str:
    """Success of a file, or of several together, as a share with its interval."""
    if not part.endswith(".json"):
        return part
    files = part.split()
    found = [load(file) for file in files]
    successes, n = sum(one["successes"] for one in found), sum(one["n"] for one in found)
    low, high = wilson_interval(successes, n)
    share = f"{percent(successes / n)} % ({percent(low)}-{percent(high)})"
    return f"[{share}](results/{files[0]})" if len(files) == 1 else share


def foretold(rows: list[list[str]]) -> list[list[str]]:
    """Cells of a table of the gap between what plans foresaw and what happened."""
    table = [["", "question", "n", "foreseen", "happened", "calibration error"]]
    for label, file in rows:
        for kind, found in load(file)["foretold"].items():
            shares = [f"{percent(found[name])} %" for name in ("foreseen", "happened")]
            table.append([label, kind, str(found["n"]), *shares, f"{found['ece']:.3f}"])
    return table


def counted(rows: list[list[str]]) -> list[list[str]]:
    """Cells of a table of how much there is: what names files becomes their number and that of their lines."""
    header, *others = rows
    width = len(header)
    return [header, *([row[0], *map(count, row[1:]), *[""] * (width - len(row))] for row in others)]


def count(patterns: str) -> str:
    """Files and lines of some patterns of paths; nothing for none."""
    found = {path for pattern in patterns.split() for path in HERE.parent.glob(pattern)}
    lines = sum(len(path.read_text().splitlines()) for path in found)
    return f"{len(found)} file{'' if len(found) == 1 else 's'}, {lines} lines" if found else ""


def fault_cells(found: dict[str, Any]) -> list[str]:
    """What one fault did to the robot."""
    stopped = "goes on" if found["stopped_after"] is None else f"{found['stopped_after']:.2f} s"
    stopped += "" if found["must_stop"] or found["stopped_after"] is None else ", for a moment; it need not"
    moving = f"{found['moving_after']:.1f} s" if found["moving_after"] else ""
    test = FAULT_TESTS.get(found["name"], f"stands_still_in_time[{found['name']}]")
    return [found["name"], stopped, moving, found["recovery"], f"`{test}`"]


def compared_cells(found: dict[str, Any]) -> list[list[str]]:
    """Two ways of planning, and the paired tests."""
    test = found["compared"]
    pairs = test["pairs"]
    rows = [
        [f"{way} planning", task_cells(found[way])[0], f"{test[f'median_seconds_{way}']:.1f}"]
        for way in ("asynchronous", "synchronous")
    ]
    faster = f"asynchronous the faster in {test['asynchronous_faster']} of {test['of']}"
    return [
        *rows,
        ["p-value", f"{pairs['p_value']:.2f} (McNemar)", f"{test['faster_p_value']:.1g} (sign test; {faster})"],
    ]


def soak_rows(found: dict[str, Any]) -> list[list[str]]:
    """How a stack bore a long time."""
    rhythm, memory = found["rhythm"], found["memory"]
    intervals = ", ".join(f"{name} {1e3 * rhythm[name]:.1f}" for name in ("p50", "p99", "longest"))
    used = [f"{node} {memory[node][-1][1]:.0f} MiB, {100 * share:+.2f} %" for node, share in found["growth"].items()]
    warned = [f"{count} times {text}" for text, count in found["warnings"].items()]
    return [
        ["time, goals", f"{found['seconds']:.0f} s, {found['goals']}"],
        ["plans, of them late", f"{found['plans']}, {found['late_plans']}"],
        ["commands, missing", f"{rhythm['commands']}, {rhythm['missing']}"],
        ["interval between commands, ms", intervals],
        ["memory in the end, growth after the first tenth", "; ".join(used)],
        ["nodes replaced", ", ".join(found["replaced"]) or "none"],
        ["warnings", "; ".join(warned) or "none"],
    ]


def one_file(kind: str, file: str) -> list[list[str]]:
    """Cells of a table that shows one file."""
    found = load(file)
    if kind == "faults":
        rows = [fault_cells(one) for one in found["faults"]]
    elif kind == "compared":
        rows = compared_cells(found)
    elif kind == "soak":
        rows = soak_rows(found)
    elif kind == "types":
        types = found["types"].items()
        parts = ((name, t["no"]["accuracy"], t["yes"]["accuracy"], t["balanced"]) for name, t in types)
        rows = [[name, *(f"{100 * share:.1f} %" for share in shares)] for name, *shares in parts]
    else:
        ours = next(iter(found["plans"].values()))["median_ms"]
        plans = found["plans"].items()
        rows = [[n, f"{p['median_ms']:.0f}", f"{p['p95_ms']:.0f}", f"{p['median_ms'] / ours:.1f}"] for n, p in plans]
    return [HEADERS[kind], *rows]


def table(match: re.Match[str]) -> str:
    """A marked table with its contents made anew."""
    kind, definition = match[1], match[2]
    rows = [[part.strip() for part in line.split("|")] for line in definition.strip().splitlines()]
    makers = {"tasks": partial(listed, kind), "answers": partial(listed, kind), "grid": grid, "foretold": foretold}
    makers["lines"] = counted
    cells = makers[kind](rows) if kind in makers else one_file(kind, rows[0][1])
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    lines.insert(1, "|" + "---|" * len(cells[0]))
    return f"<!-- {kind}\n{definition}-->\n\n" + "\n".join(lines) + "\n\n<!-- end -->"


def main() -> None:
    """Rewrite the tables, or with --check exit with 1 where they differ from the files."""
    for path in (HERE / page for page in PAGES):
        text = path.read_text()
        new = TABLE.sub(table, text)
        if new == text:
            continue
        if "--check" in sys.argv:
            sys.exit(f"docs/{path.name} is not what docs/tables.py makes; run it")
        path.write_text(new)


if __name__ == "__main__":
    main()
