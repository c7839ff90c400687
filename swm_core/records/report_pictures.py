# SPDX-License-Identifier: Apache-2.0
"""The pictures of a report: film, curves over time, and how single plans came about."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from swm_core.environment import EnvironmentSpec, free_path
from swm_core.evaluation.planners import Chosen
from swm_core.evaluation.videos import EpisodeFilm
from swm_core.records.messages import nanoseconds, positions
from swm_core.records.names import COMMAND_SAFE, PLAN, PLAN_STATS
from swm_core.records.reader import RecordedFrame, Recording

LEFT, RIGHT = 0.08, 0.985  # of the curves, as shares of the width; the page's cursor moves between them
SCALE = 2


def film(recording: Recording, spec: EnvironmentSpec, frames: Iterable[RecordedFrame]) -> tuple[bytes, list[float]]:
    """The frames with the plan that was newest at each.

    Returns:
        MP4 file, and the time of each of its frames since the recording began, s.
    """
    plans, at, times = recording.of(PLAN), -1, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with EpisodeFilm(spec, path) as made:
            for frame in frames:
                while at + 1 < len(plans) and plans[at + 1].received <= frame.received:
                    at += 1
                chosen, executed = Chosen(np.zeros((0, spec.action_dim), np.float32)), 0
                if at >= 0:
                    plan = plans[at].message
                    path_ = positions(plan.path)
                    age = (frame.stamp - nanoseconds(plan.observation_stamp)) / 1e9
                    executed = int(np.clip(round(age / plan.control_period), 0, max(len(path_) - 1, 0)))
                    chosen = Chosen(chosen.actions, path_, plan.completion, plan.value)
                made.add(frame.image, chosen, executed)
                times.append((frame.received - recording.begin) / 1e9)
        return path.read_bytes(), times


def curves(recording: Recording, begin: float, end: float) -> str:
    """Probabilities, values, speed and latency over time, as SVG.

    Args:
        recording: of the stack.
        begin: left end of the time axis since the recording began, s.
        end: right end, s.
    """
    plans = [((logged.received - recording.begin) / 1e9, logged.message) for logged in recording.of(PLAN)]
    figure = Figure(figsize=(11, 7.5))
    parts: Any = figure.subplots(4, 1, sharex=True)
    figure.subplots_adjust(left=LEFT, right=RIGHT, top=0.985, bottom=0.065, hspace=0.12)
    now, value, speed, latency = parts
    for question in dict.fromkeys(q for _, plan in plans for q in plan.questions):
        points = [
            (t, plan.now[list(plan.questions).index(question)]) for t, plan in plans if question in plan.questions
        ]
        now.plot(*zip(*points, strict=True), label=question)
    times = [t for t, _ in plans]
    now.plot(times, [plan.completion for _, plan in plans], "k:", label="complete")
    now.set(ylabel="p(wanted) now", ylim=(-0.02, 1.02))
    value.plot(times, [plan.values[0] for _, plan in plans], label="best proposal")
    value.plot(times, [plan.value for _, plan in plans], label="chosen chunk")
    value.set(ylabel="value (Eq. 2)")
    commands = [((logged.received - recording.begin) / 1e9, logged.message.twist.twist.linear)
                for logged in recording.of(COMMAND_SAFE)]  # fmt: skip
    speed.plot(
        [t for t, _ in commands], [1000 * float(np.hypot(v.x, v.y)) for _, v in commands], label="sent to the robot"
    )
    speed.set(ylabel="speed, mm/s")
    stats = [((logged.received - recording.begin) / 1e9, logged.message) for logged in recording.of(PLAN_STATS)]
    latency.plot([t for t, _ in stats], [1000 * s.latency for _, s in stats], label="frame to plan")
    latency.set(ylabel="latency, ms", xlabel="time since the recording began, s", xlim=(begin, end), ylim=(0, None))
    for axes in parts:
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8, loc="upper left")
    text = io.StringIO()
    FigureCanvasSVG(figure).print_svg(text)
    return text.getvalue()[text.getvalue().index("<svg") :]


def plan_picture(image: np.ndarray, spec: EnvironmentSpec, plan: Any, explanation: Any = None) -> bytes:
    """PNG of a frame with all last candidates, bright is better, the proposal in pink and the chosen path, thick.

    Args:
        image: (H, W, 3) uint8 RGB.
        spec: of the environment.
        plan: swm_msgs/Plan.
        explanation: swm_msgs/Explanation of it, which knows the proposal; None where there is none.
    """
    canvas = Image.fromarray(image).resize((image.shape[1] * SCALE, image.shape[0] * SCALE))
    draw = ImageDraw.Draw(canvas)
    if plan.path:
        start = np.array([plan.path[0].x, plan.path[0].y, plan.path[0].z])
        values = np.asarray(plan.candidate_values)
        candidates = np.asarray(plan.candidates).reshape(plan.candidate_count, plan.horizon, plan.action_dim)
        spread = max(float(np.ptp(values)), 1e-9) if len(values) else 1.0
        for number in np.argsort(values):
            colour = colormaps["viridis"]((values[number] - values.min()) / spread)
            _line(draw, spec, free_path(start, candidates[number], spec), colour, 1)
        if explanation is not None and explanation.first_path:
            _line(draw, spec, positions(explanation.first_path), (1.0, 0.5, 0.67), 2)
        _line(draw, spec, positions(plan.path), (1.0, 0.53, 0.0), 3)
    return _png(canvas)


def attention_pictures(image: np.ndarray, explanation: Any) -> list[bytes]:
    """Where each question looks: PNGs of the frame, dark except where it matches what the question names.

    Args:
        image: (H, W, 3) uint8 RGB.
        explanation: swm_msgs/Explanation; without attention there are no pictures.
    """
    if not explanation.rows:
        return []
    maps = np.asarray(explanation.attention).reshape(-1, explanation.rows, explanation.columns)
    height, width = image.shape[:2]
    found = []
    for weights in maps / np.maximum(maps.max((1, 2), keepdims=True), 1e-9):
        cells = weights.repeat(explanation.cell, 0).repeat(explanation.cell, 1)
        light = np.zeros((height, width, 1))
        light[: cells.shape[0], : cells.shape[1], 0] = cells[:height, :width]
        found.append(_png(Image.fromarray((image * (0.35 + 0.65 * light)).astype(np.uint8))))
    return found


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _line(draw: ImageDraw.ImageDraw, spec: EnvironmentSpec, path: np.ndarray, colour: Any, width: int) -> None:
    points = [(float(u) * SCALE, float(v) * SCALE) for u, v in spec.camera.project(path)]
    red, green, blue = (round(255 * c) for c in colour[:3])
    draw.line(points, fill=(red, green, blue), width=width)
