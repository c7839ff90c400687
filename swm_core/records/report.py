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
from swm_core.records.names import EXPLANATION, OBSERVATION, PLAN
from swm_core.records.pursuits import pursuits
from swm_core.records.reader import Logged, Recording
from swm_core.records.report_pictures import LEFT, RIGHT, attention_pictures, curves, film, plan_picture

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
        questions: text; probability of the wanted answer at the end of the proposal and of the chosen chunk; what each
            iteration gained.
        picture: PNG as base64.
        looking: per question a PNG as base64, where it looks in the frame; empty where that was not recorded.
    """

    time: float
    task: str
    first: float
    best: float
    iterations: int
    questions: list[tuple[str, float, float, list[float]]]
    picture: str
    looking: list[str]


def explain(logged: Logged, recording: Recording, spec: EnvironmentSpec, image: np.ndarray) -> PlanExplanation:
    """What refinement gained for each question in each iteration, and where the questions look."""
    plan = logged.message
    probabilities = np.asarray(plan.probabilities).reshape(plan.iterations + 1, len(plan.questions), plan.sub_chunks)
    courses = probabilities[:, :, -1].T
    gained = [
        (question, float(course[0]), float(course[-1]), np.diff(course).tolist())
        for question, course in zip(plan.questions, courses, strict=True)
    ]
    why = next((e.message for e in recording.of(EXPLANATION) if e.message.plan_id == plan.plan_id), None)
    time = (logged.received - recording.begin) / 1e9
    picture, looking = plan_picture(image, spec, plan, why), [] if why is None else attention_pictures(image, why)
    encoded = [base64.b64encode(png).decode() for png in (picture, *looking)]
    return PlanExplanation(
        time, plan.task, plan.values[0], plan.value, plan.iterations, gained, encoded[0], encoded[1:]
    )


def _evenly(made: Sequence[Logged], recording: Recording, count: int) -> list[Logged]:
    """So many of the plans, evenly over time, from those whose attention was recorded where there are such."""
    looked = {logged.message.plan_id for logged in recording.of(EXPLANATION) if logged.message.rows}
    kept = [logged for logged in made if logged.message.plan_id in looked] or made
    return [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, count).round().astype(int))] if kept else []


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
    chosen = _evenly(made, recording, plans)
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
