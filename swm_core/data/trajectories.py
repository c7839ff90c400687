# SPDX-License-Identifier: Apache-2.0
"""Many episodes in memory: scenes and actions always, frames as the PNG bytes that they are on disk.

Scenes are small (a few hundred bytes a state). Frames are kept too while they fit in the memory limit; beyond it they
are read from the files when they are asked for, about a millisecond each, and the operating system keeps the warm ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from swm_core.data.frames import decode_png
from swm_core.data.storage import EpisodeFile, list_episodes, read_episode, read_image, read_table
from swm_core.environment import EnvironmentSpec
from swm_core.errors import DataError
from swm_core.scene import SceneState

MEMORY_LIMIT = 6 << 30  # bytes of trajectory files whose frames are kept in memory


@dataclass(frozen=True)
class Trajectory:
    """One episode in memory.

    Attributes:
        file: where it lies and where it comes from.
        scenes: batch shape (T + 1,).
        actions: (T, A) float32.
        framed: (T + 1,) bool, states that have a frame.
        frames: the T + 1 PNG files, or None where they stay on disk.
        expert_actions: (T, A) float32, what an expert would have done in each state; None where nobody told.
    """

    file: EpisodeFile
    scenes: SceneState
    actions: np.ndarray
    framed: np.ndarray
    frames: pa.Array | None
    expert_actions: np.ndarray | None = None

    def __len__(self) -> int:
        """Number of actions T."""
        return len(self.actions)

    def frame(self, t: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB frame of state t.

        Raises:
            DataError: the state has none, or it does not decode.
        """
        data = self.frames[t].as_py() if self.frames is not None else read_image(self.file.path, t)
        if data is None:
            raise DataError(f"{self.file.path}: state {t} has no frame")
        try:
            return decode_png(data)
        except DataError as error:
            raise DataError(f"{self.file.path}: row {t}: {error}") from error


def load_trajectory(file: EpisodeFile, frames: bool = True) -> Trajectory:
    """Read one episode into memory.

    Raises:
        DataError: damaged or of another schema.
    """
    episode = read_episode(file.path, images=False)
    column = read_table(file.path, columns=("image",))[0].column("image").combine_chunks()
    framed = column.is_valid().to_numpy(zero_copy_only=False)
    kept = column if frames else None
    return Trajectory(file, episode.scenes, episode.actions, framed, kept, episode.expert_actions)


def find_episodes(folders: Iterable[Path], behaviours: Iterable[str] = ()) -> list[EpisodeFile]:
    """Episodes of data sets.

    Args:
        folders: the data sets.
        behaviours: only episodes of these; all by default.

    Raises:
        DataError: there are none.
    """
    wanted = set(behaviours)
    found = [file for folder in folders for file in list_episodes(folder)]
    files = [file for file in found if not wanted or file.metadata.behaviour in wanted]
    if not files:
        known = ", ".join(sorted({file.metadata.behaviour for file in found}))
        raise DataError(f"no episodes of {', '.join(sorted(wanted)) or 'any kind'}; the data has {known}")
    return files


class Trajectories:
    """A data set in memory.

    Args:
        files: the episodes.
        memory_limit: bytes of files up to which the frames are kept in memory.

    Raises:
        DataError: no files, a damaged one, or episodes of different cameras or actions.
    """

    def __init__(self, files: Sequence[EpisodeFile], memory_limit: int = MEMORY_LIMIT) -> None:
        """See the class."""
        if not files:
            raise DataError("no episodes")
        self.spec: EnvironmentSpec = files[0].metadata.spec
        for file in files:
            spec = file.metadata.spec
            if (spec.camera, spec.action_names) != (self.spec.camera, self.spec.action_names):
                raise DataError(f"{file.path}: another camera or other actions than {files[0].path}")
        keep = sum(file.path.stat().st_size for file in files) <= memory_limit
        with ThreadPoolExecutor(2) as pool:
            self.episodes = list(pool.map(lambda file: load_trajectory(file, keep), files))

    @staticmethod
    def load(
        folders: Path | Iterable[Path], behaviours: Iterable[str] = (), memory_limit: int = MEMORY_LIMIT
    ) -> Trajectories:
        """Read data set folders.

        Args:
            folders: one or several.
            behaviours: take only episodes of these; all by default.
            memory_limit: see the class.

        Raises:
            DataError: no such episodes, or damaged ones.
        """
        return Trajectories(
            find_episodes([folders] if isinstance(folders, Path) else folders, behaviours), memory_limit
        )

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.episodes)

    def states(self, least: int = 0) -> np.ndarray:
        """(S, 2) int64: episode number and t of all states with a frame and at least `least` actions after them."""
        rows = []
        for number, episode in enumerate(self.episodes):
            t = np.flatnonzero(episode.framed[: max(len(episode) + 1 - least, 0)])
            rows.append(np.stack([np.full_like(t, number), t], -1))
        return np.concatenate(rows).astype(np.int64)


def held_out(file: EpisodeFile, validation_every: int) -> bool:
    """Whether an episode is for validation: by environment seed, so that no layout is on both sides."""
    return file.metadata.seed % validation_every == 0


def load_split(
    folders: Iterable[str], validation_every: int, spec: EnvironmentSpec, behaviours: Iterable[str] = ()
) -> tuple[Trajectories, Trajectories]:
    """Episodes for training and for validation, by environment seed, so that no layout is in both.

    Args:
        folders: data sets.
        validation_every: seeds that are multiples of this are for validation.
        spec: the environment's; symmetry is a fact of the world, not of the recording.
        behaviours: only episodes of these; all by default.

    Raises:
        DataError: one of the two is empty, or a file is damaged.
    """
    files = find_episodes(map(Path, folders), behaviours)
    held = [held_out(file, validation_every) for file in files]
    parts = [[f for f, h in zip(files, held, strict=True) if h is wanted] for wanted in (False, True)]
    if not all(parts):
        raise DataError(f"no episodes for {'training' if parts[1] else 'validation'} in {', '.join(folders)}")
    training, validation = (Trajectories(part) for part in parts)
    for part in (training, validation):
        part.spec = replace(part.spec, mirror_symmetric=spec.mirror_symmetric)
    return training, validation
