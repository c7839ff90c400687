# SPDX-License-Identifier: Apache-2.0
"""A recording replayed, reported and converted; the made-up run says what must come out."""

import base64
import json
import re

import imageio.v3 as iio
import numpy as np
import pyarrow.parquet as pq
import pytest
from recordings import BEGIN, GOAL, PERIOD, SPEC, SPEED, STEPS, TASK, Writer, frame, plan, scene, write_run
from std_msgs.msg import String

from swm_core.cli import main
from swm_core.data.frames import decode_png
from swm_core.data.storage import list_episodes, read_episode
from swm_core.errors import RecordingError
from swm_core.records.events import events
from swm_core.records.pursuits import pursuits
from swm_core.records.reader import read_recording

CAMERA = "observation.images.camera"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("recording") / "run.mcap")


def test_a_pursuit_has_the_states_and_the_actions_between_them(run):
    (pursuit,) = pursuits(read_recording(run), SPEC)
    assert pursuit.goal.task == TASK
    assert pursuit.stamps == tuple(BEGIN + step * PERIOD for step in range(STEPS + 1))
    np.testing.assert_allclose(pursuit.actions, np.tile([0.0, SPEED], (STEPS, 1)), atol=1e-7)
    np.testing.assert_allclose(np.diff(pursuit.effector, axis=0)[:, 1], SPEED)
    assert (pursuit.seed, pursuit.success) == (7, True)


def test_success_is_the_truth_where_it_is_known_and_else_the_belief(tmp_path):
    believed = write_run(tmp_path / "unreached.mcap", reached=False)
    assert not pursuits(read_recording(believed), SPEC)[0].success
    robot = write_run(tmp_path / "robot.mcap", simulated=False)
    (pursuit,) = pursuits(read_recording(robot), SPEC)
    assert pursuit.success
    assert pursuit.scenes is None
    np.testing.assert_allclose(pursuit.effector[-1], scene(STEPS).effector)


def test_events_tell_goals_and_faults_once_in_order(run):
    found = events(read_recording(run))
    assert [e.time for e in found] == sorted(e.time for e in found)
    told = [(e.level, e.source) for e in found]
    assert told.count(("error", "guard")) == 1
    assert ("error", "swm.perception") in told
    assert [e.text for e in found if e.source == "goal"] == ["accepted: reach red moon", "succeeded: reach red moon"]


def test_trajectories_are_episodes_of_the_schema(run, tmp_path):
    for _ in range(2):  # a second run adds to the data set
        assert main(["convert", str(run), "--to", "trajectories", "--out", str(tmp_path)]) in (0, None)
    first, second = list_episodes(tmp_path)
    assert first.metadata.episode_id != second.metadata.episode_id
    episode = read_episode(first.path)
    assert (episode.metadata.description, episode.metadata.seed, episode.metadata.success) == (
        "reach red moon",
        7,
        True,
    )
    assert len(episode) == STEPS
    np.testing.assert_allclose(episode.scenes.positions[3], scene(3).positions)
    np.testing.assert_array_equal(decode_png(episode.images[5]), frame(5))


def test_trajectories_of_a_robot_are_refused_with_the_way_out(tmp_path, capsys):
    robot = write_run(tmp_path / "robot.mcap", simulated=False)
    assert main(["convert", str(robot), "--to", "trajectories", "--out", str(tmp_path / "out")]) == 1
    assert "--to lerobot" in capsys.readouterr().err


@pytest.fixture(scope="module")
def lerobot_folder(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lerobot") / "set"
    robot = write_run(run.with_name("robot.mcap"), simulated=False)
    assert main(["convert", str(run), str(robot), "--to", "lerobot", "--out", str(folder)]) in (0, None)
    return folder


def test_a_lerobot_set_has_the_documented_files(lerobot_folder, run):
    info = json.loads((lerobot_folder / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"]) == ("v3.0", 10, 2)
    table = pq.read_table(lerobot_folder / "data/chunk-000/file-000.parquet")
    assert len(table) == info["total_frames"] == 2 * STEPS
    assert set(table.column_names) | {CAMERA} == set(info["features"])
    episodes = pq.read_table(lerobot_folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"]) for e in episodes] == [(0, STEPS), (STEPS, 2 * STEPS)]
    assert episodes[1][f"videos/{CAMERA}/from_timestamp"] == pytest.approx(STEPS / 10)
    stats = json.loads((lerobot_folder / "meta/stats.json").read_text())
    assert stats["action"]["max"] == pytest.approx([0.0, SPEED])
    assert np.shape(stats[CAMERA]["mean"]) == (3, 1, 1)
    assert main(["convert", str(run), "--to", "lerobot", "--out", str(lerobot_folder)]) == 1


def test_the_library_of_lerobot_reads_the_set(lerobot_folder):
    dataset = pytest.importorskip("lerobot.datasets.lerobot_dataset", exc_type=ImportError)
    read = dataset.LeRobotDataset("local/run", root=lerobot_folder, video_backend="pyav")
    assert (read.num_episodes, read.num_frames, read.fps) == (2, 2 * STEPS, 10)
    for index in (0, 5, STEPS + 5):
        item = read[index]
        step = index % STEPS
        assert item["task"] == "reach red moon"
        np.testing.assert_allclose(item["observation.state"], scene(step).effector, atol=1e-6)
        np.testing.assert_allclose(item["action"], [0.0, SPEED], atol=1e-6)
        image = 255 * item[CAMERA].permute(1, 2, 0).numpy()
        assert np.abs(image - frame(step)).mean() < 4
    assert bool(read[STEPS - 1]["next.success"])


def test_a_replay_tells_where_decisions_differ(run, tmp_path, capsys):
    picture, told = tmp_path / "replay.png", tmp_path / "replay.json"
    words = ["replay", str(run), "--planner", "none", "--picture", str(picture), "--json", str(told)]
    assert main(words) in (0, None)
    said = capsys.readouterr().out
    assert "recorded with model abcd, replayed with" in said
    assert "4 of 4 decisions lead more than 20 mm apart" in said
    decisions = json.loads(told.read_text())["decisions"]
    free = len(plan(0).actions) // 2 - 2  # two actions are committed
    assert [d["distance"] for d in decisions] == pytest.approx([free * SPEED] * 4, abs=1e-5)
    assert picture.stat().st_size > 20_000


def test_a_report_carries_all_and_loads_nothing(run, tmp_path):
    page = tmp_path / "page" / "run.html"
    assert main(["report", str(run), "--out", str(page), "--plans", "2"]) in (0, None)
    text = page.read_text()
    assert "data:video/mp4;base64," in text
    pictures = [base64.b64decode(png) for png in re.findall(r"data:image/png;base64,([^\"]*)", text)]
    questions = len(TASK.subgoals[0].questions)
    assert len(pictures) == 2 * (1 + questions), "two plans, and where each of their questions looks"
    looking = iio.imread(pictures[1]).astype(float).mean(-1)
    assert looking[:80, :80].mean() > 2 * looking[:80, 100:].mean(), "light where it looks"
    proposal = np.abs(iio.imread(pictures[0])[..., :3].astype(int) - (255, 128, 171)).max(-1) < 40
    assert proposal.sum() > 10, "the first path"
    assert "reached (true scene)" in text
    assert "0.25 → 0.75 (+50)" in text.replace("&rarr;", "→")
    assert "frame refused: wrong &lt;size&gt;" in text
    assert not re.search(r"""(src|href)=["'](?!data:|#)|url\((?!#|"#)|@import""", re.sub(r"base64,[^\"]*", "", text))


def test_a_recording_without_goals_is_told(tmp_path):
    write = Writer(tmp_path / "empty.mcap")
    write("/swm/goal_text", String(data=GOAL), BEGIN)
    write.file.close()
    with pytest.raises(RecordingError, match="no goal was accepted"):
        pursuits(read_recording(tmp_path / "empty.mcap"), SPEC)
    assert main(["report", str(tmp_path / "empty.mcap")]) == 1
