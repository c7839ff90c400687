# SPDX-License-Identifier: Apache-2.0
"""Checks of a trajectory file: all that training relies on, with the row and the reason when it does not hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from swm_core.data.frames import decode_png
from swm_core.data.schema import Episode
from swm_core.data.storage import read_episode, read_table
from swm_core.errors import DataError

BOUND_SLACK = 1e-6  # float32 rounding of the bounds, in the action's unit


def _refuse(path: Path, row: int, reason: str) -> None:
    raise DataError(f"{path}: row {row}: {reason}")


def _check_steps(path: Path, episode_id: str) -> None:
    """Rows are the states 0..T of one episode, in order."""
    table, _ = read_table(path, ("episode_id", "t"))
    steps = table.column("t").to_numpy()
    wrong = np.flatnonzero(steps != np.arange(len(steps)))
    if len(wrong):
        _refuse(path, int(wrong[0]), f"step {steps[wrong[0]]}, expected {wrong[0]}: steps are missing or out of order")
    for row, found in enumerate(table.column("episode_id").to_pylist()):
        if found != episode_id:
            _refuse(path, row, f"belongs to episode {found!r}, the file to {episode_id!r}")


def _check_numbers(path: Path, episode: Episode) -> None:
    """Scenes and actions are finite, actions inside the bounds, contacts symmetric."""
    scenes, spec = episode.scenes, episode.metadata.spec
    arrays = {name: getattr(scenes, name) for name in ("positions", "yaws", "effector", "gripper", "fingers")}
    taken = {"action": episode.actions}
    if episode.expert_actions is not None:
        taken["expert action"] = episode.expert_actions
    for name, values in (arrays | taken).items():
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(-1))
        if len(bad):
            _refuse(path, int(bad[0]), f"{name} is not finite: {values[bad[0]].tolist()}")
    low, high = np.asarray(spec.action_low) - BOUND_SLACK, np.asarray(spec.action_high) + BOUND_SLACK
    for name, actions in taken.items():
        outside = np.flatnonzero(((actions < low) | (actions > high)).any(-1))
        if len(outside):
            limits = f"{spec.action_low} to {spec.action_high}"
            _refuse(path, int(outside[0]), f"{name} {actions[outside[0]].tolist()} is outside {limits}")
    lopsided = np.flatnonzero((scenes.contacts != scenes.contacts.swapaxes(-1, -2)).any((-1, -2)))
    if len(lopsided):
        _refuse(path, int(lopsided[0]), "contacts are not symmetric")


def _check_images(path: Path, episode: Episode) -> None:
    """Frames decode and have the camera's size; the first state has one."""
    camera = episode.metadata.spec.camera
    if episode.images[0] is None:
        _refuse(path, 0, "the first state has no frame")
    for row, data in enumerate(episode.images):
        if data is None:
            continue
        try:
            shape = decode_png(data).shape
        except DataError as error:
            raise DataError(f"{path}: row {row}: {error}") from error
        if shape != (camera.height, camera.width, 3):
            _refuse(path, row, f"frame is {shape}, the camera's are {(camera.height, camera.width, 3)}")


def validate_episode(path: Path) -> Episode:
    """Check a trajectory file in full.

    Args:
        path: the file.

    Returns:
        the episode, with its frames.

    Raises:
        DataError: the first thing that is wrong; the message names the file, the row and the reason.
    """
    episode = read_episode(path)
    _check_steps(path, episode.metadata.episode_id)
    _check_numbers(path, episode)
    _check_images(path, episode)
    return episode
