# SPDX-License-Identifier: Apache-2.0
"""A failed episode on one page: what was seen and planned, and what was foreseen beside what happened."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.environment import EnvironmentEntry
from swm_core.evaluation.failures import PATH, THING, spread
from swm_core.evaluation.traces import Moment, Trace, guess_cause

if TYPE_CHECKING:
    from swm_core.evaluation.tasks import EpisodeRecord

FRAMES = 5  # the start, some on the way, the last
SEEN = "#ff40ff"
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")


def failure_name(record: EpisodeRecord) -> str:
    """Name of an episode's picture, without ending; the guess comes first, so that a folder is sorted by it."""
    return f"{record.cause or 'unknown'}_{record.seed}"


def _frame(axes: Any, image: np.ndarray, trace: Trace, moment: Moment, entry: EnvironmentEntry, t: int) -> None:
    """A frame; where named things are and are seen; the path that was chosen there, none in the last frame."""
    camera, scene = entry.spec.camera, trace.scenes[t]
    axes.imshow(image, extent=(0, camera.width, camera.height, 0))
    for spec in trace.specs:
        for name in spec.blocks:
            axes.plot(*camera.project(scene.positions[scene.index(name)]), "o", color=THING, fillstyle="none")
    if moment.step == t:
        for place, _ in trace.seen(entry, moment).values():
            axes.plot(*camera.project(place), "x", color=SEEN, markersize=5)
        if moment.chosen.path is not None:
            pixels = camera.project(moment.chosen.path)
            axes.plot(*pixels.T, ".-", color=PATH, markersize=3, linewidth=1.2)
            axes.plot(*pixels[-1], "o", color=PATH, markersize=6, fillstyle="none")
    axes.set(xlim=(0, camera.width), ylim=(camera.height, 0), xticks=[], yticks=[])
    axes.set_title("start" if t == 0 else f"after {t} actions", fontsize=9)


def _draw_frames(places: Any, trace: Trace, entry: EnvironmentEntry) -> None:
    """Frames of some plans, evenly from the first on, and the last frame."""
    moments = [moment for moment in trace.moments if moment.image is not None]
    shown = spread(range(len(moments)), FRAMES - 1)
    for axes, number in zip(places, shown, strict=False):
        moment = moments[number]
        if moment.image is not None:
            _frame(axes, moment.image, trace, moment, entry, moment.step)
    if trace.last is not None:
        _frame(places[len(shown)], trace.last, trace, trace.moments[-1], entry, len(trace.scenes) - 1)
    for axes in places[len(shown) + 1 :]:
        axes.axis("off")


def _draw_value(axes: Any, moments: list[Moment], trace: Trace) -> None:
    """Value of the chosen chunks and belief in completion; a line where the subgoal changes."""
    steps = [moment.step for moment in moments]
    axes.plot(steps, [moment.chosen.value for moment in moments], ".-", color="black", label="value of the plan")
    believed = [np.nan if m.chosen.completion is None else m.chosen.completion for m in moments]
    axes.plot(steps, believed, ":", color="tab:gray", label="held for reached")
    for before, after in pairwise(moments):
        if before.chosen.subgoal != after.chosen.subgoal:
            axes.axvline(after.step, color="tab:gray", linewidth=0.8)
    axes.set(xlabel="actions", xlim=(0, len(trace.scenes) - 1), title="value")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _draw_question(axes: Any, moments: list[Moment], trace: Trace, entry: EnvironmentEntry, k: int) -> None:
    """What was foreseen of one question's wanted answer after the executed actions and the whole chunk, and the truth.

    Each probability stands at the time that it is about.
    """
    last, colour = len(trace.scenes) - 1, COLOURS[k % len(COLOURS)]
    soon: list[tuple[int, float]] = []
    late: list[tuple[int, float]] = []
    true: list[tuple[int, bool]] = []
    texts = dict[str, None]()
    for moment in moments:
        questions, foreseen = trace.task.subgoals[moment.chosen.subgoal].questions, moment.chosen.foreseen
        if foreseen is None or k >= len(questions):
            continue
        texts[f"{questions[k].text} {'yes' if questions[k].desired else 'no'}"] = None
        end = min(moment.step + len(moment.chosen.actions), last)
        soon.append((end, float(foreseen[k, min(end - moment.step, foreseen.shape[1] - 1)])))
        late.append((moment.step + foreseen.shape[1] - 1, float(foreseen[k, -1])))
        happened = trace.happened(entry, moment, end)[k]
        true += [] if happened is None else [(end, happened)]
    axes.plot(*zip(*late, strict=True), "--", color=colour, alpha=0.6, linewidth=1, label="foreseen, whole chunk")
    axes.plot(*zip(*soon, strict=True), ".-", color=colour, label="foreseen, executed actions")
    if true:
        axes.plot(*zip(*true, strict=True), "o", color="black", fillstyle="none", markersize=4, label="happened")
    axes.set(xlabel="actions", xlim=(0, last), ylim=(-0.06, 1.06))
    axes.set_title("\n".join(texts), fontsize=8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def draw_failure(record: EpisodeRecord, trace: Trace, entry: EnvironmentEntry, path: Path) -> None:
    """Draw frames with the chosen paths, and below value and probabilities over time, foreseen against happened.

    Args:
        record: of the episode.
        trace: what happened in it.
        entry: registration of its environment.
        path: PNG file; folders are made.
    """
    moments = [moment for moment, _ in trace.foresights()]
    asked = max((len(trace.task.subgoals[m.chosen.subgoal].questions) for m in moments), default=0)
    figure = Figure(figsize=(3.4 * FRAMES, 5.4 if moments else 2.4), layout="constrained")
    parts: Any = figure.subfigures(2 if moments else 1, 1, squeeze=False)
    _draw_frames(parts[0, 0].subplots(1, FRAMES), trace, entry)
    if moments:
        value, *questions = parts[1, 0].subplots(1, 1 + asked, squeeze=False)[0]
        _draw_value(value, moments, trace)
        for k, axes in enumerate(questions):
            _draw_question(axes, moments, trace, entry, k)
    cause = guess_cause(trace, entry)
    figure.suptitle(
        f"{record.task}, seed {record.seed}: not reached in {record.steps} actions; {cause.word or 'unknown'}: "
        f"{cause.reason}\nblue: where named things are; pink: where they are seen; orange: the chosen path",
        fontsize=10,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
