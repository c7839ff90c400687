# SPDX-License-Identifier: Apache-2.0
"""Episodes on disk: one Parquet file each, written under a temporary name and renamed when whole.

A killed writer therefore leaves no half-valid episode, and any number of writers can share a folder without locks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from swm_core.data.schema import METADATA_KEY, Episode, EpisodeMetadata, arrow_schema
from swm_core.errors import DataError, SceneError
from swm_core.scene import SceneState

ROW_GROUP = 8  # states per row group, so that one frame is read without its whole episode
SCENE_COLUMNS = (
    "episode_id",
    "t",
    "action",
    "expert_action",
    "effector",
    "positions",
    "yaws",
    "contacts",
    "gripper",
    "fingers",
    "gaps",
)
TEMPORARY_SUFFIX = ".partial"


@dataclass(frozen=True)
class EpisodeFile:
    """An entry of a data set's index.

    Attributes:
        path: the file.
        metadata: as stored in its footer.
        steps: number of actions T.
    """

    path: Path
    metadata: EpisodeMetadata
    steps: int


def episode_path(folder: Path, behaviour: str, seed: int, repeat: int) -> Path:
    """Where an episode lies in a data set folder."""
    return folder / behaviour / f"{seed:05d}-{repeat:03d}.parquet"


def _fixed(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """(R, ...) array as a column of fixed-size lists."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel(), kind), flat.shape[1])


def _there(columns: Sequence[str], schema: pa.Schema) -> list[str]:
    """Those of the columns that a file has."""
    return [name for name in columns if name in schema.names]


def _table(episode: Episode) -> pa.Table:
    """Arrow table of an episode, metadata included."""
    scenes, steps = episode.scenes, len(episode)
    spec = episode.metadata.spec
    taken = [episode.actions] if episode.expert_actions is None else [episode.actions, episode.expert_actions]
    schema = arrow_schema(len(scenes.names), spec.action_dim, spec.fingers, expert=len(taken) > 1)
    gripping = [_fixed(getattr(scenes, name), pa.float64()) for name in ("fingers", "gaps")] if spec.fingers else []
    columns = [
        pa.array([episode.metadata.episode_id] * (steps + 1)),
        pa.array(np.arange(steps + 1, dtype=np.int32)),
        *(pa.array([*rows.astype(np.float32), None], schema.field("action").type) for rows in taken),
        *(_fixed(getattr(scenes, name), pa.float64()) for name in ("effector", "positions", "yaws")),
        _fixed(scenes.contacts, pa.bool_()),
        pa.array(np.asarray(scenes.gripper, np.float64)),
        *gripping,
        pa.array(episode.images, pa.binary()),
    ]
    return pa.Table.from_arrays(columns, schema=schema.with_metadata({METADATA_KEY: episode.metadata.to_json()}))


def write_episode(path: Path, episode: Episode) -> None:
    """Write an episode; the file appears under its name only when it is whole.

    Args:
        path: where to; folders are made.
        episode: what.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    table = _table(episode)
    try:
        pq.write_table(
            table,
            temporary,
            row_group_size=ROW_GROUP,
            compression=dict.fromkeys(_there(SCENE_COLUMNS, table.schema), "ZSTD"),  # frames are PNG already
            use_dictionary=["episode_id"],
            write_statistics=False,
        )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: Path, age: float = 600.0) -> None:
    """Delete what killed writers left behind.

    Args:
        folder: the data set.
        age: s; younger files may belong to a living writer, whose write takes far less.
    """
    for path in folder.rglob(f"*{TEMPORARY_SUFFIX}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > age:
                path.unlink()


def open_parquet(path: Path) -> tuple[pq.ParquetFile, EpisodeMetadata]:
    """Open a trajectory file and read its footer.

    Raises:
        DataError: missing, truncated, not Parquet, or without our metadata; the message names the file.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    stored = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise DataError(f"{path}: not a trajectory file (no {METADATA_KEY.decode()!r} metadata)")
    try:
        return file, EpisodeMetadata.from_json(stored)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _column(table: pa.Table, name: str) -> np.ndarray:
    """A fixed-size list column as (R, length)."""
    column = table.column(name).combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)


def read_table(path: Path, columns: Sequence[str] | None = None) -> tuple[pa.Table, EpisodeMetadata]:
    """All rows of a trajectory file as stored, of all columns or some that it has.

    Raises:
        DataError: unreadable, or its columns are not those of the schema.
    """
    file, metadata = open_parquet(path)
    spec, found = metadata.spec, file.schema_arrow
    expert = "expert_action" in found.names
    expected = arrow_schema(len(metadata.objects), spec.action_dim, spec.fingers, expert=expert)
    if not found.equals(expected, check_metadata=False):
        raise DataError(f"{path}: columns are {found.names} of unexpected types; expected\n{expected}")
    try:
        return file.read(None if columns is None else _there(columns, expected)), metadata
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: damaged: {error}") from error


def read_episode(path: Path, images: bool = True) -> Episode:
    """Read an episode.

    Args:
        path: the file.
        images: whether to read the frames; without them all are None.

    Raises:
        DataError: missing, damaged or of another schema; the message names the file.
    """
    table, metadata = read_table(path, None if images else SCENE_COLUMNS)
    rows, n, fingers = len(table), len(metadata.objects), metadata.spec.fingers
    if rows < 1:
        raise DataError(f"{path}: no states")
    taken = _there(("action", "expert_action"), table.schema)
    if any(table.column(name).slice(0, rows - 1).null_count for name in taken):
        raise DataError(f"{path}: a state before the last has no action")
    try:
        gripping: dict[str, np.ndarray] = {}
        if fingers:
            gripping["fingers"] = _column(table, "fingers").reshape(rows, fingers, n, 3)
            gripping["gaps"] = _column(table, "gaps")
        scenes = SceneState(
            metadata.objects,
            _column(table, "positions").reshape(rows, n, 3),
            _column(table, "yaws"),
            _column(table, "effector"),
            _column(table, "contacts").reshape(rows, n + 1, n + 1),
            table.column("gripper").to_numpy(),
            **gripping,
        )
        before = table.slice(0, rows - 1)
        actions, *expert = (_column(before, name).reshape(rows - 1, metadata.spec.action_dim) for name in taken)
        frames = table.column("image").to_pylist() if images else [None] * rows
        return Episode(scenes, actions, frames, metadata, *expert)
    except (ValueError, SceneError, DataError) as error:
        raise DataError(f"{path}: {error}") from error


def read_image(path: Path, t: int) -> bytes | None:
    """The PNG file of one state, read without the rest of its episode.

    Raises:
        DataError: the file is unreadable or has no such state.
    """
    file, _ = open_parquet(path)
    if not 0 <= t < file.metadata.num_rows:
        raise DataError(f"{path}: no state {t}; it has {file.metadata.num_rows}")
    column = file.read_row_group(t // ROW_GROUP, columns=["image"]).column(0)
    return column[t % ROW_GROUP].as_py()


def episode_files(folder: Path) -> Iterator[Path]:
    """Trajectory files below a folder (or the file itself), in a stable order."""
    if folder.is_file():
        yield folder
    else:
        yield from sorted(folder.rglob("*.parquet"))


def list_episodes(folder: Path) -> list[EpisodeFile]:
    """Index of a data set, from the files' footers alone.

    Raises:
        DataError: there is no episode below the folder, or a file is not one.
    """

    def entry(path: Path) -> EpisodeFile:
        file, metadata = open_parquet(path)
        return EpisodeFile(path, metadata, file.metadata.num_rows - 1)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(entry, episode_files(folder)))
    if not found:
        raise DataError(f"{folder}: no trajectory files (*.parquet); `semworld collect` makes them")
    return found
