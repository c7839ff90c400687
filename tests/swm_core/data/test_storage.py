# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swm_core.data import storage
from swm_core.data.schema import METADATA_KEY, Episode, EpisodeMetadata, spec_from_dict, spec_to_dict
from swm_core.data.storage import list_episodes, read_episode, read_image, write_episode
from swm_core.data.trajectories import load_trajectory
from swm_core.data.validation import validate_episode
from swm_core.errors import DataError


@pytest.fixture
def episode(folder: Path) -> Episode:
    return read_episode(folder / "chase" / "00000-000.parquet")


def rewrite(path: Path, out: Path, change: dict[str, pa.Array]) -> Path:
    """A copy of a trajectory file with other columns."""
    table = pq.read_table(path)
    for name, values in change.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), values.cast(table.schema.field(at).type))
    pq.write_table(table, out)
    return out


def test_round_trip_is_exact(episode: Episode, tmp_path: Path) -> None:
    images = [image if t % 3 == 0 else None for t, image in enumerate(episode.images)]
    stored = replace(episode, images=images)
    write_episode(tmp_path / "e.parquet", stored)
    found = read_episode(tmp_path / "e.parquet")
    for name in ("positions", "yaws", "effector", "contacts", "gripper"):
        np.testing.assert_array_equal(getattr(found.scenes, name), getattr(stored.scenes, name))
    np.testing.assert_array_equal(found.actions, stored.actions)
    assert found.actions.dtype == np.float32
    assert found.images == images
    assert found.metadata == stored.metadata
    assert [read_image(tmp_path / "e.parquet", t) for t in range(len(images))] == images


def test_what_a_gripper_feels_is_kept(episode: Episode, tmp_path: Path) -> None:
    states, count = len(episode) + 1, len(episode.scenes.names)
    random = np.random.default_rng(0)
    gaps = random.uniform(0, 0.1, (states, count))
    gaps[2, 1] = np.nan
    felt = replace(episode.scenes, fingers=random.normal(size=(states, 2, count, 3)), gaps=gaps)
    metadata = replace(episode.metadata, spec=replace(episode.metadata.spec, fingers=2))
    write_episode(tmp_path / "e.parquet", Episode(felt, episode.actions, episode.images, metadata))
    for found in (read_episode(tmp_path / "e.parquet"), read_episode(tmp_path / "e.parquet", images=False)):
        np.testing.assert_array_equal(found.scenes.fingers, felt.fingers)
        np.testing.assert_array_equal(found.scenes.gaps, felt.gaps)
    assert "fingers" not in pq.read_schema(_written(episode, tmp_path)).names
    with pytest.raises(DataError, match="2 fingers"):
        Episode(felt, episode.actions, episode.images, episode.metadata)


def test_what_the_expert_wanted_is_kept_where_it_was_told(episode: Episode, tmp_path: Path) -> None:
    wanted = (episode.actions * 0.5).astype(np.float32)
    write_episode(tmp_path / "e.parquet", replace(episode, expert_actions=wanted))
    for found in (read_episode(tmp_path / "e.parquet"), validate_episode(tmp_path / "e.parquet")):
        np.testing.assert_array_equal(found.expert_actions, wanted)
        np.testing.assert_array_equal(found.actions, episode.actions)
    assert load_trajectory(list_episodes(tmp_path)[0]).expert_actions is not None
    plain = _written(episode, tmp_path)
    assert "expert_action" not in pq.read_schema(plain).names
    assert read_episode(plain).expert_actions is None
    with pytest.raises(DataError, match=r"expert actions \(3, 2\)"):
        replace(episode, expert_actions=wanted[:3])
    write_episode(tmp_path / "far.parquet", replace(episode, expert_actions=wanted + 1))
    with pytest.raises(DataError, match="row 0: expert action"):
        validate_episode(tmp_path / "far.parquet")


def _written(episode: Episode, folder: Path) -> Path:
    write_episode(folder / "without.parquet", episode)
    return folder / "without.parquet"


def test_spec_survives_json(episode: Episode) -> None:
    spec = episode.metadata.spec
    assert spec_from_dict(spec_to_dict(spec)) == spec
    with pytest.raises(DataError, match="malformed environment spec"):
        spec_from_dict({"name": "x"})


def test_killed_writer_leaves_no_episode(episode: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short(table: pa.Table, path: Path, **options: object) -> None:
        path.write_bytes(b"PAR1 half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.pq, "write_table", cut_short)
    with pytest.raises(KeyboardInterrupt):
        write_episode(tmp_path / "e.parquet", episode)
    assert list(tmp_path.iterdir()) == []


def test_only_old_partial_files_are_removed(tmp_path: Path) -> None:
    young, old = tmp_path / "a.parquet.1.partial", tmp_path / "b.parquet.2.partial"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    storage.remove_partial(tmp_path)
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_truncated_file_is_refused_by_name(folder: Path, tmp_path: Path, keep: float) -> None:
    data = (folder / "chase" / "00000-000.parquet").read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match=r"cut\.parquet: cannot be read"):
        read_episode(cut)
    with pytest.raises(DataError, match=r"cut\.parquet"):
        list_episodes(tmp_path)


def test_other_schema_version_is_refused(folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "chase" / "00000-000.parquet")
    text = table.schema.metadata[METADATA_KEY].replace(b'"schema_version": 1', b'"schema_version": 99')
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text}), tmp_path / "v.parquet")
    with pytest.raises(DataError, match=r"v\.parquet: schema version 99"):
        read_episode(tmp_path / "v.parquet")


def test_foreign_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "f.parquet")
    with pytest.raises(DataError, match="not a trajectory file"):
        read_episode(tmp_path / "f.parquet")


def test_empty_folder_says_what_makes_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="semworld collect"):
        list_episodes(tmp_path)


def test_valid_file_passes(folder: Path) -> None:
    assert len(validate_episode(folder / "wander" / "00030-000.parquet")) == 30


def test_validation_names_file_row_and_reason(folder: Path, tmp_path: Path) -> None:
    path = folder / "wander" / "00030-000.parquet"
    table = pq.read_table(path)
    steps = table.column("t").to_pylist()
    actions = table.column("action").to_pylist()
    effector = table.column("effector").to_pylist()
    images = table.column("image").to_pylist()
    large = [[0.5, 0.0] if t == 7 else a for t, a in enumerate(actions)]
    lost = [[float("nan"), 0.0, 0.0] if t == 4 else e for t, e in enumerate(effector)]
    cut = [image[:50] if t == 3 else image for t, image in enumerate(images)]
    cases = {
        r"row 5: step 6, expected 5": {"t": pa.array([*steps[:5], *(s + 1 for s in steps[5:])])},
        r"row 7: action \[0\.5, 0\.0\] is outside": {"action": pa.array(large)},
        r"row 4: effector is not finite": {"effector": pa.array(lost)},
        r"row 3: frame of 50 bytes does not decode": {"image": pa.array(cut, pa.binary())},
        r"row 2: belongs to episode 'other'": {
            "episode_id": pa.array([*table.column("episode_id").to_pylist()[:2], *["other"] * (len(steps) - 2)])
        },
    }
    for reason, change in cases.items():
        bad = rewrite(path, tmp_path / "bad.parquet", change)
        with pytest.raises(DataError, match=rf"bad\.parquet: {reason}"):
            validate_episode(bad)


def test_frame_of_other_size_is_refused(episode: Episode, tmp_path: Path) -> None:
    camera = replace(episode.metadata.spec.camera, width=80)
    other = replace(episode.metadata, spec=replace(episode.metadata.spec, camera=camera))
    write_episode(tmp_path / "w.parquet", replace(episode, metadata=other))
    with pytest.raises(DataError, match=r"w\.parquet: row 0: frame is \(48, 64, 3\)"):
        validate_episode(tmp_path / "w.parquet")


def test_index_reads_footers_fast(episode: Episode, tmp_path: Path) -> None:
    short = replace(episode, images=[None] * len(episode.images))
    for seed in range(200):
        write_episode(tmp_path / f"{seed}.parquet", replace(short, metadata=replace(episode.metadata, seed=seed)))
    begin = time.process_time()
    found = list_episodes(tmp_path)
    assert time.process_time() - begin < 2.0  # 10 ms a file; about 1 ms measured
    assert {entry.metadata.seed for entry in found} == set(range(200))
    assert all(entry.steps == len(episode) for entry in found)


def test_metadata_rejects_garbage() -> None:
    with pytest.raises(DataError, match="malformed episode metadata"):
        EpisodeMetadata.from_json(b"{")
