# SPDX-License-Identifier: Apache-2.0
"""One HTML page about a recording: film, curves, how plans came about, faults. It needs nothing but itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from swm_core.environment import EnvironmentSpec
from swm_core.errors import RecordingError
from swm_core.records.events import events
from swm_core.records.messages import nanoseconds
from swm_core.records.names import OBSERVATION, PLAN
from swm_core.records.pursuits import pursuits
from swm_core.records.reader import Logged, Recording
from swm_core.records.report_pictures import LEFT, RIGHT, curves, film, plan_picture

TEMPLATE = "report.html"


@dataclass(frozen=True)
class PlanExplanation:
    """How one plan came about, for the page.

    Attributes:
        time: since the recording began, s.
        task: name of the task.
        first: value of the best proposal.
        best: value of the chosen chunk.
        iterations: refinement steps.
        questions: text, probability of the wanted answer at the end of the proposal and of the chosen chunk.
        picture: PNG as base64.
    """

    time: float
    task: str
    first: float
    best: float
    iterations: int
    questions: list[tuple[str, float, float]]
    picture: str


def explain(logged: Logged, recording: Recording, spec: EnvironmentSpec, image: np.ndarray) -> PlanExplanation:
    """What refinement gained for each question."""
    plan = logged.message
    probabilities = np.asarray(plan.probabilities).reshape(plan.iterations + 1, len(plan.questions), plan.sub_chunks)
    gained = [
        (q, float(probabilities[0, k, -1]), float(probabilities[-1, k, -1])) for k, q in enumerate(plan.questions)
    ]
    time = (logged.received - recording.begin) / 1e9
    picture = base64.b64encode(plan_picture(image, spec, plan)).decode()
    return PlanExplanation(time, plan.task, plan.values[0], plan.value, plan.iterations, gained, picture)


def make_report(recording: Recording, spec: EnvironmentSpec, plans: int = 12) -> str:
    """The page.

    Args:
        recording: of the stack.
        spec: of its environment.
        plans: how many plans are explained, evenly over time.

    Raises:
        RecordingError: no frames, or the library `jinja2` is missing.
    """
    try:
        from jinja2 import Environment, PackageLoader
    except ImportError as error:
        raise RecordingError(f"reports need pip install 'swm_ros[records]': {error}") from error
    made = recording.of(PLAN)
    chosen = [made[i] for i in np.unique(np.linspace(0, len(made) - 1, plans).round().astype(int))] if made else []
    video, times = film(recording, spec, recording.frames())
    if not times:
        raise RecordingError(f"{recording.path}: no frames on {OBSERVATION}")
    page = Environment(loader=PackageLoader("swm_core.records", "."), autoescape=True).get_template(TEMPLATE)
    return page.render(
        name=recording.path.name,
        facts=_facts(recording, times),
        video=base64.b64encode(video).decode(),
        times=json.dumps([round(t, 3) for t in times]),
        period=spec.control_period,
        curves=curves(recording, times[0], times[-1]),
        left=100 * LEFT,
        width=100 * (RIGHT - LEFT),
        pursuits=_outcomes(recording, spec),
        plans=_explanations(recording, spec, chosen),
        planned=len(made),
        events=events(recording),
        parameters=recording.parameters,
    )


def _facts(recording: Recording, times: Sequence[float]) -> dict[str, str]:
    began = datetime.fromtimestamp(recording.begin / 1e9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = {"recorded": f"{began}, {times[-1]:.1f} s, {len(times)} frames"}
    facts |= {"environment": recording.environment or "not recorded", "model": recording.model or "not recorded"}
    return (
        facts
        if recording.whole
        else facts | {"file": "its end is missing: the recorder was killed or the disk ran full"}
    )


def _outcomes(recording: Recording, spec: EnvironmentSpec) -> list[dict[str, Any]]:
    try:
        found = pursuits(recording, spec)
    except RecordingError:  # nothing was pursued: the page still shows what there is
        return []
    return [
        {
            "task": p.goal.task.name,
            "begin": (p.begin - recording.begin) / 1e9,
            "seconds": (p.end - p.begin) / 1e9,
            "success": p.success,
            "judge": "true scene" if p.scenes is not None else "planner's belief",
            "seed": p.seed,
        }
        for p in found
    ]


def _explanations(recording: Recording, spec: EnvironmentSpec, chosen: Sequence[Logged]) -> list[PlanExplanation]:
    wanted = {nanoseconds(logged.message.observation_stamp): logged for logged in chosen}
    return [
        explain(wanted[frame.stamp], recording, spec, frame.image)
        for frame in recording.frames()
        if frame.stamp in wanted
    ]


def write_report(path: Path, page: str) -> None:
    """Write the page; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
