# SPDX-License-Identifier: Apache-2.0
"""Recorded pursuits as episodes of the project's trajectory schema, to be asked about and trained on."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from swm_core.data.collecting import code_version
from swm_core.data.frames import encode_png
from swm_core.data.schema import Episode, EpisodeMetadata
from swm_core.data.storage import episode_path, write_episode
from swm_core.environment import EnvironmentSpec
from swm_core.errors import RecordingError
from swm_core.records.pursuits import Pursuit, pursuits
from swm_core.records.reader import Recording

BEHAVIOUR = "recorded"


def episode_of(recording: Recording, pursuit: Pursuit, spec: EnvironmentSpec) -> Episode:
    """One pursuit as an episode.

    Raises:
        RecordingError: there are no true scenes, or they lack what the environment's grippers need.
    """
    if pursuit.scenes is None:
        raise RecordingError(
            f"{recording.path}: no true scenes in it, so no question about it can be answered for training; "
            "--to lerobot needs none"
        )
    if spec.fingers:
        raise RecordingError(f"scenes of {spec.name} are recorded without finger contacts; collect them instead")
    wanted = dict.fromkeys(pursuit.stamps)
    images = {frame.stamp: encode_png(frame.image) for frame in recording.frames() if frame.stamp in wanted}
    metadata = EpisodeMetadata(
        spec, pursuit.scenes.names, BEHAVIOUR, pursuit.goal.task.name, max(pursuit.seed, 0), 0, pursuit.success,
        code_version(),
    )  # fmt: skip
    return Episode(pursuit.scenes, pursuit.actions, [images[stamp] for stamp in pursuit.stamps], metadata)


def write_trajectories(recordings: list[Recording], spec: EnvironmentSpec, folder: Path) -> list[Path]:
    """Write every pursuit as one file; those of earlier runs in the folder are kept.

    Returns:
        The files written.

    Raises:
        RecordingError: a recording has no goals, frames or true scenes.
    """
    written = []
    for recording in recordings:
        for pursuit in pursuits(recording, spec):
            episode = episode_of(recording, pursuit, spec)
            seed = episode.metadata.seed
            path = (episode_path(folder, BEHAVIOUR, seed, repeat) for repeat in count())
            repeat, free = next((i, p) for i, p in enumerate(path) if not p.exists())
            write_episode(free, replace(episode, metadata=replace(episode.metadata, repeat=repeat)))
            written.append(free)
    return written
