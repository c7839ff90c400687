# SPDX-License-Identifier: Apache-2.0
"""One question about one picture: reading picture and actions, the answer at every horizon, and a drawing of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from swm_core.camera import Camera
from swm_core.data.frames import decode_png
from swm_core.environment import EnvironmentSpec
from swm_core.errors import DataError
from swm_core.models.interface import WorldModel

LARGEST_FILE = 64 << 20  # bytes; more is no frame and no chunk of actions


@dataclass(frozen=True)
class Answer:
    """The answer to one question at horizons 0..h.

    Attributes:
        yes: (h + 1,) float32, probability of yes.
        places: (h + 1, M, 3) float32, predicted positions, world frame, m: the effector, then what the question names.
        unknown: words of the question that the model was not trained on; they have no effect.
    """

    yes: np.ndarray
    places: np.ndarray
    unknown: tuple[str, ...]


def _read(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        DataError: it cannot be read or is too large.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path} has {path.stat().st_size} bytes, more than {LARGEST_FILE}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def read_frame(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB frame from a picture file.

    Raises:
        DataError: unreadable, or no picture.
    """
    try:
        return decode_png(_read(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read_actions(path: Path, spec: EnvironmentSpec, most: int) -> np.ndarray:
    """Actions from a CSV file: a row each, in the environment's unit; a first row of the action names may lead.

    Args:
        path: the file.
        spec: names and bounds of the actions.
        most: the model's horizon.

    Returns:
        (h, A) float32.

    Raises:
        DataError: unreadable, a row of another length, no number, not finite, out of bounds, or too many rows.
    """
    try:
        rows = [row for row in csv.reader(_read(path).decode().splitlines()) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file: {error}") from error
    if rows and tuple(cell.strip() for cell in rows[0]) == spec.action_names:
        rows = rows[1:]
    if len(rows) > most:
        raise DataError(f"{path} has {len(rows)} actions; the model looks {most} ahead")
    actions = np.zeros((len(rows), spec.action_dim), np.float32)
    for number, row in enumerate(rows):
        if len(row) != spec.action_dim or not all(_is_number(cell) for cell in row):
            wanted = f"{spec.action_dim} numbers ({', '.join(spec.action_names)})"
            raise DataError(f"{path}, action {number + 1}: {','.join(row)!r} is not {wanted}")
        actions[number] = [float(cell) for cell in row]
    low, high = np.asarray(spec.action_low) - 1e-6, np.asarray(spec.action_high) + 1e-6
    wrong = np.flatnonzero(~((actions >= low) & (actions <= high)).all(1))
    if len(wrong):
        at = int(wrong[0])
        raise DataError(
            f"{path}, action {at + 1}: {actions[at].tolist()} is outside {spec.action_low} to {spec.action_high} "
            f"({', '.join(spec.action_units)})"
        )
    return actions


def ask_model(model: WorldModel, image: np.ndarray, question: str, actions: np.ndarray) -> Answer:
    """Ask one question about the future of a frame.

    Args:
        model: the model.
        image: (H, W, 3) uint8 RGB.
        question: the words.
        actions: (h, A) float32, in the environment's unit; h may be 0: the question about now.

    Raises:
        ModelError: the frame has another size than the model's.
        QuestionError: the question is empty, too long, or has no word that the model knows.
    """
    with torch.no_grad():
        prefix = model.read(model.observe(image), [question])
        answers = model.answer(prefix, torch.as_tensor(actions, dtype=torch.float32)[None])
    places = torch.zeros(len(actions) + 1, 0, 3) if answers.positions is None else answers.positions[0, 0]
    places = places[:, places.isfinite().all(-1).all(0)]
    return Answer(answers.yes[0, 0].numpy(), places.numpy(), model.unknown_words(question))


def draw_answer(image: np.ndarray, camera: Camera, question: str, answer: Answer, path: Path) -> None:
    """Draw the frame with the predicted paths, and the probability of yes over the horizons.

    Args:
        image: (H, W, 3) uint8 RGB.
        camera: that took it.
        question: the words.
        answer: from `ask_model`.
        path: PNG file; folders are made.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    frame, curve = figure.subplots(1, 2, width_ratios=(1.7, 1))
    frame.imshow(image, extent=(0, camera.width, camera.height, 0))
    names = ("effector", *(f"thing {i} named" for i in range(1, answer.places.shape[1])))
    for place, (name, colour) in enumerate(zip(names, _colours(len(names)), strict=True)):
        if place < answer.places.shape[1]:
            pixels = camera.project(answer.places[:, place])
            frame.plot(*pixels.T, ".-", color=colour, markersize=3, linewidth=1.2, label=f"{name}, predicted")
            frame.plot(*pixels[-1], "o", color=colour, markersize=7, fillstyle="none")
    frame.set(xlim=(0, camera.width), ylim=(camera.height, 0), xticks=[], yticks=[])
    frame.legend(fontsize=7, loc="lower right")
    figure.suptitle(question, fontsize=10)
    curve.plot(range(len(answer.yes)), answer.yes, ".-")
    curve.axhline(0.5, color="gray", linewidth=0.8, linestyle=":")
    curve.set(xlabel="horizon, actions", ylabel="probability of yes", ylim=(-0.02, 1.02))
    curve.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))


def _colours(count: int) -> Sequence[str]:
    return ("#ff8800", "#50dcff", "#ff50c8")[:count]
