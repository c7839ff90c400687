# SPDX-License-Identifier: Apache-2.0
"""Recorded pursuits as a LeRobotDataset (format v3.0): one table of all frames, one film, facts and statistics.

Written with pyarrow alone, as the library's own writer would bring a hundred packages; a test reads it with the library
where that is installed. State is the effector's position, the image is the observation as the model saw it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from swm_core.environment import EnvironmentSpec
from swm_core.errors import RecordingError
from swm_core.records.pursuits import Pursuit, pursuits
from swm_core.records.reader import Recording

VERSION = "v3.0"
CAMERA, STATE, ACTION, SUCCESS = "observation.images.camera", "observation.state", "action", "next.success"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"  # everything is in the first one
FIRST = FILE.format(chunk_index=0, file_index=0)
QUALITY = 6  # of the film, 0 to 10


@dataclass
class _Sums:
    """Statistics of a stream of arrays, per element of the last axis."""

    count: int = 0
    low: Any = None
    high: Any = None
    total: Any = 0.0
    squares: Any = 0.0

    def add(self, rows: np.ndarray) -> None:
        """(R, D) more rows."""
        self.low = rows.min(0) if self.low is None else np.minimum(self.low, rows.min(0))
        self.high = rows.max(0) if self.high is None else np.maximum(self.high, rows.max(0))
        self.total, self.squares = self.total + rows.sum(0), self.squares + (rows**2).sum(0)
        self.count += len(rows)

    def told(self, count: int, image: bool = False) -> dict[str, Any]:
        """As stats.json has them; those of images have the shape (channels, 1, 1)."""
        mean = self.total / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0.0))
        found = {"min": self.low, "max": self.high, "mean": mean, "std": std}
        shaped = {
            k: np.asarray(v, float).reshape(-1, 1, 1) if image else np.asarray(v, float) for k, v in found.items()
        }
        return {k: v.tolist() for k, v in shaped.items()} | {"count": [count]}


def write_lerobot(recordings: list[Recording], spec: EnvironmentSpec, folder: Path) -> int:
    """Write a data set; each pursuit is an episode, its goal the task.

    Args:
        recordings: of the same environment.
        spec: of it.
        folder: must not exist or be empty.

    Returns:
        Number of episodes.

    Raises:
        RecordingError: the folder is not empty, or a recording has no goals, frames or effector positions.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RecordingError(f"{folder} is not empty; a LeRobot data set needs a folder of its own")
    found = [(recording, pursuit) for recording in recordings for pursuit in pursuits(recording, spec)]
    tasks = list(dict.fromkeys(pursuit.goal.task.name for _, pursuit in found))
    writer, sums = _Film(folder, spec), {name: _Sums() for name in (STATE, ACTION, CAMERA)}
    rows: dict[str, list[Any]] = {name: [] for name in _table_schema(spec).names}
    episodes: list[dict[str, Any]] = []
    with writer:
        for number, (recording, pursuit) in enumerate(found):
            first = len(rows["index"])
            _add_rows(rows, pursuit, number, tasks.index(pursuit.goal.task.name), spec, recording)
            for image in _images(recording, pursuit):
                writer.add(image)
                sums[CAMERA].add(image[::8, ::8].reshape(-1, 3) / 255.0)
            episodes.append(_episode(number, pursuit, first, len(rows["index"]), spec))
    for name in (STATE, ACTION):
        sums[name].add(np.asarray(rows[name], float))
    _write_table(folder / f"data/{FIRST}.parquet", pa.table(rows, _table_schema(spec)))
    _write_table(folder / f"meta/episodes/{FIRST}.parquet", pa.Table.from_pylist(episodes))
    _write_table(folder / "meta/tasks.parquet", _task_table(tasks))
    total = len(rows["index"])
    stats = {name: made.told(total, name == CAMERA) for name, made in sums.items()}
    (folder / "meta/stats.json").write_text(json.dumps(stats, indent=4) + "\n")
    info = _info(spec, len(episodes), total, len(tasks))
    (folder / "meta/info.json").write_text(json.dumps(info, indent=4) + "\n")
    return len(episodes)


def _add_rows(
    rows: dict[str, list[Any]], pursuit: Pursuit, number: int, task: int, spec: EnvironmentSpec, recording: Recording
) -> None:
    """One row for each action; the state after the last one is left out, as a row needs an action."""
    if not np.isfinite(pursuit.effector).all():
        raise RecordingError(f"{recording.path}: the effector's position is not known at every frame")
    steps = len(pursuit.actions)
    first = len(rows["index"])
    rows[STATE] += pursuit.effector[:-1].astype(np.float32).tolist()
    rows[ACTION] += pursuit.actions.tolist()
    rows[SUCCESS] += [pursuit.success and i == steps - 1 for i in range(steps)]
    rows["timestamp"] += [np.float32(i * spec.control_period) for i in range(steps)]
    rows["frame_index"] += range(steps)
    rows["episode_index"] += [number] * steps
    rows["index"] += range(first, first + steps)
    rows["task_index"] += [task] * steps


def _images(recording: Recording, pursuit: Pursuit) -> Iterator[np.ndarray]:
    wanted = set(pursuit.stamps[:-1])
    return (frame.image for frame in recording.frames() if frame.stamp in wanted)


def _episode(number: int, pursuit: Pursuit, first: int, after: int, spec: EnvironmentSpec) -> dict[str, Any]:
    return {
        "episode_index": number,
        "tasks": [pursuit.goal.task.name],
        "length": after - first,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": first,
        "dataset_to_index": after,
        f"videos/{CAMERA}/chunk_index": 0,
        f"videos/{CAMERA}/file_index": 0,
        f"videos/{CAMERA}/from_timestamp": first * spec.control_period,
        f"videos/{CAMERA}/to_timestamp": after * spec.control_period,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }


def _table_schema(spec: EnvironmentSpec) -> pa.Schema:
    return pa.schema(
        [
            (STATE, pa.list_(pa.float32(), 3)),
            (ACTION, pa.list_(pa.float32(), spec.action_dim)),
            (SUCCESS, pa.bool_()),
            ("timestamp", pa.float32()),
            ("frame_index", pa.int64()),
            ("episode_index", pa.int64()),
            ("index", pa.int64()),
            ("task_index", pa.int64()),
        ]
    )


def _task_table(tasks: list[str]) -> pa.Table:
    """Tasks, with the remark by which pandas makes the text the index; readers look tasks up there."""
    columns = [("task", "unicode", "object"), ("task_index", "int64", "int64")]
    described = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": stored, "metadata": None}
        for name, kind, stored in columns
    ]
    remark = {"index_columns": ["task"], "column_indexes": [], "columns": described, "pandas_version": "2.0.0"}
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": tasks})
    return table.replace_schema_metadata({b"pandas": json.dumps(remark).encode()})


def _write_table(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy")


def _info(spec: EnvironmentSpec, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
    def plain(kind: str) -> dict[str, Any]:
        return {"dtype": kind, "shape": [1], "names": None}

    fps = round(1 / spec.control_period)
    height, width = spec.camera.height, spec.camera.width
    seen = {"video.height": height, "video.width": width, "video.channels": 3, "video.fps": fps, "video.codec": "h264"}
    seen |= {"video.pix_fmt": "yuv420p", "video.is_depth_map": False, "has_audio": False}
    features: dict[str, Any] = {
        CAMERA: {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": seen},
        STATE: {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]},
        ACTION: {"dtype": "float32", "shape": [spec.action_dim], "names": list(spec.action_names)},
        SUCCESS: plain("bool"),
        "timestamp": plain("float32"),
    }
    features |= {name: plain("int64") for name in ("frame_index", "episode_index", "index", "task_index")}
    return {
        "codebase_version": VERSION,
        "robot_type": spec.name,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": f"data/{FILE}.parquet",
        "video_path": f"videos/{{video_key}}/{FILE}.mp4",
        "features": features,
    }


class _Film:
    """The one video file; every frame of every episode, one after the other."""

    def __init__(self, folder: Path, spec: EnvironmentSpec) -> None:
        self.path, self.spec = folder / f"videos/{CAMERA}/{FIRST}.mp4", spec

    def __enter__(self) -> _Film:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        size = (self.spec.camera.width, self.spec.camera.height)
        self._writer = imageio_ffmpeg.write_frames(
            str(self.path), size, fps=round(1 / self.spec.control_period), codec="libx264", pix_fmt_out="yuv420p",
            quality=QUALITY, macro_block_size=2, ffmpeg_log_level="error",
        )  # fmt: skip
        self._writer.send(None)
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def add(self, image: np.ndarray) -> None:
        """(H, W, 3) uint8 RGB."""
        self._writer.send(np.ascontiguousarray(image).tobytes())
