# SPDX-License-Identifier: Apache-2.0
"""The most frequent kinds of wrong answers, shown: what was seen, done and asked, what was said, and what was true."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.data.evaluation_questions import EvaluationQuestion
from swm_core.data.trajectories import Trajectories
from swm_core.evaluation.answers import AnsweredQuestions

KINDS, EXAMPLES = 6, 6  # pictures, and examples in each
PATH, THING = "#ff8800", "#50dcff"
ANSWER = {True: "yes", False: "no"}


@dataclass(frozen=True)
class FailureKind:
    """Wrong answers to questions of one type with one right answer.

    Attributes:
        type: of the questions.
        truth: their right answer.
        wrong: numbers of the questions, the surest mistakes first.
        asked: how many such questions there were.
    """

    type: str
    truth: bool
    wrong: tuple[int, ...]
    asked: int

    def summary(self) -> dict[str, Any]:
        """JSON-ready: "type", "truth", "wrong" and "asked"."""
        return {"type": self.type, "truth": ANSWER[self.truth], "wrong": len(self.wrong), "asked": self.asked}


def failure_kinds(answered: AnsweredQuestions) -> list[FailureKind]:
    """All kinds of wrong answers, the most frequent first."""
    sure = np.abs(answered.yes - 0.5)
    found = []
    for name in sorted(set(answered.types.tolist())):
        for truth in (True, False):
            of_kind = (answered.types == name) & (answered.truth == truth)
            wrong = np.flatnonzero(of_kind & ~answered.right)
            if len(wrong):
                order = wrong[np.argsort(-sure[wrong], kind="stable")]
                found.append(FailureKind(name, truth, tuple(order.tolist()), int(of_kind.sum())))
    return sorted(found, key=lambda kind: -len(kind.wrong))


def spread(numbers: Sequence[int], most: int) -> list[int]:
    """At most `most` of the numbers, evenly from the first to the last."""
    places = np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def _draw_example(axes: Any, data: Trajectories, question: EvaluationQuestion, yes: float) -> None:
    """The frame with the path of the actions, the true motion of what is named, the words and both answers."""
    episode, camera = data.episodes[question.episode], data.spec.camera
    scenes = episode.scenes[question.t : question.t + question.horizon + 1]
    axes.imshow(episode.frame(question.t), extent=(0, camera.width, camera.height, 0))
    axes.plot(*camera.project(scenes.effector).T, ".-", color=PATH, markersize=3, linewidth=1.2)
    axes.plot(*camera.project(scenes.effector[-1]), "o", color=PATH, markersize=6, fillstyle="none")
    for name in question.question.arguments:
        if name in scenes.names:
            pixels = camera.project(scenes.positions[:, scenes.index(name)])
            axes.plot(*pixels.T, "-", color=THING, linewidth=1.2)
            axes.plot(*pixels[0], "o", color=THING, markersize=8, fillstyle="none")
            axes.plot(*pixels[-1], "x", color=THING, markersize=6)
    axes.set(xlim=(0, camera.width), ylim=(camera.height, 0), xticks=[], yticks=[])
    said = f"after {question.horizon} actions: said {ANSWER[yes > 0.5]} ({yes:.2f}), true: {ANSWER[question.answer]}"
    axes.set_title("\n".join([*textwrap.wrap(question.question.text, 52), said]), fontsize=8)


def draw_failures(
    data: Trajectories,
    questions: Sequence[EvaluationQuestion],
    answered: AnsweredQuestions,
    kinds: Sequence[FailureKind],
    folder: Path,
) -> list[Path]:
    """Draw examples of the most frequent kinds, from the surest mistake of a kind to the least sure.

    Args:
        data: the episodes asked about.
        questions: the N questions.
        answered: their answers, in the same order.
        kinds: from `failure_kinds`.
        folder: a PNG per kind, numbered by rank; made if missing.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for rank, kind in enumerate(kinds[:KINDS], 1):
        shown = spread(kind.wrong, EXAMPLES)
        figure = Figure(figsize=(13.5, 3.0 * -(-len(shown) // 3) + 0.9), layout="constrained")
        places = figure.subplots(-(-len(shown) // 3), 3, squeeze=False).flat
        for axes, number in zip(places, shown, strict=False):
            _draw_example(axes, data, questions[number], float(answered.yes[number]))
        for axes in figure.axes[len(shown) :]:
            axes.axis("off")
        figure.suptitle(
            f"{kind.type}, true answer {ANSWER[kind.truth]}: {len(kind.wrong)} of {kind.asked} wrong\n"
            "orange: path of the actions; blue: what is named, from the circle now to the cross then",
            fontsize=10,
        )
        paths.append(folder / f"{rank:02d}_{kind.type}_is_{ANSWER[kind.truth]}.png")
        FigureCanvasAgg(figure).print_png(str(paths[-1]))
    return paths
