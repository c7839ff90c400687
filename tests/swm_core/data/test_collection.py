# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tabletop

from swm_core.data.collecting import collect
from swm_core.data.collection import (
    CollectionSettings,
    EpisodeJob,
    choose_objects,
    job_objects,
    parse_counts,
    parse_range,
    plan_episodes,
    run_episode,
)
from swm_core.data.storage import episode_files, list_episodes, read_episode
from swm_core.data.validation import validate_episode
from swm_core.errors import ConfigError, DataError

SETTINGS = tabletop.SETTINGS
JOBS = plan_episodes([("chase", 4), ("wander", 3)], range(5))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in episode_files(folder)}


def test_no_layout_is_used_twice_and_seeds_stay_in_range() -> None:
    jobs = plan_episodes([("a", 7), ("b", 4)], range(10, 15))
    assert len({(job.seed, job.repeat) for job in jobs}) == len(jobs) == 11
    assert {job.seed for job in jobs} == set(range(10, 15))
    assert max(job.repeat for job in jobs) == 2


def test_plan_refuses_more_than_the_seeds_give() -> None:
    with pytest.raises(ConfigError, match="6 episodes need more than 1 repeats of 5 seeds"):
        plan_episodes([("a", 6)], range(5), repeats=1)
    with pytest.raises(ConfigError, match="named twice"):
        plan_episodes([("a", None), ("a", None)], range(5))


def test_command_line_words() -> None:
    assert parse_counts(["a:3,b", "c:1"]) == [("a", 3), ("b", None), ("c", 1)]
    assert parse_range("0:301") == range(301)
    assert parse_range("7") == range(7, 8)
    for text in ("x", "3:2", "1:", "-1:4"):
        with pytest.raises(ConfigError):
            parse_range(text)
    with pytest.raises(ConfigError, match="'many' is no number"):
        parse_counts(["a:many"])


def test_object_choice() -> None:
    spec = tabletop.SPEC
    assert choose_objects(spec, "FOUR") == spec.object_sets["FOUR"]
    assert choose_objects(spec, "red moon, blue cube") == ("red moon", "blue cube")
    assert choose_objects(spec, "mixed", "SIX") == spec.object_sets["SIX"]
    for objects, pool in (("NINE", ""), ("mixed", "")):
        with pytest.raises(ConfigError, match="unknown object set"):
            choose_objects(spec, objects, pool)
    mixed = CollectionSettings("tabletop", spec.object_sets["SIX"], subset=3)
    drawn = {job_objects(mixed, EpisodeJob("chase", seed, 0)) for seed in range(30)}
    assert len(drawn) > 10
    assert all(len(set(names)) == 3 for names in drawn)


def test_same_bytes_for_any_number_of_workers(environment: str, tmp_path: Path) -> None:
    collect(SETTINGS, tmp_path / "here", JOBS)
    collect(SETTINGS, tmp_path / "two", JOBS[::-1], workers=2)
    assert len(contents(tmp_path / "here")) == 7
    assert contents(tmp_path / "here") == contents(tmp_path / "two")


def test_langtable_episodes_do_not_depend_on_what_came_before(tmp_path: Path) -> None:
    settings = CollectionSettings("langtable", ("red moon", "blue cube", "green star"), steps=8, frame_every=8)
    jobs = [EpisodeJob("play", 1, 0), EpisodeJob("play", 2, 1), EpisodeJob("expert_push", 3, 0)]
    collect(settings, tmp_path / "forward", jobs)
    collect(settings, tmp_path / "backward", jobs[::-1])
    assert len(contents(tmp_path / "forward")) == 3
    assert contents(tmp_path / "forward") == contents(tmp_path / "backward")


def test_repeat_is_the_number_of_further_layouts_of_the_seed() -> None:
    env = tabletop.Tabletop(images=False)
    for repeat in range(3):
        episode = run_episode(tabletop.ENTRY, env, SETTINGS, EpisodeJob("chase", 4, repeat), "")
        expected = tabletop.Tabletop(images=False)
        expected.reset(seed=4, options={"objects": SETTINGS.objects})
        for _ in range(repeat):
            expected.reset(options={"objects": SETTINGS.objects})
        np.testing.assert_array_equal(episode.scenes.positions[0, :, :2], expected.blocks)


def test_finished_episodes_are_not_made_again(environment: str, tmp_path: Path) -> None:
    first = collect(SETTINGS, tmp_path, JOBS[:4])
    before = {path: path.stat().st_mtime_ns for path in episode_files(tmp_path)}
    second = collect(SETTINGS, tmp_path, JOBS)
    assert (first.skipped, second.skipped) == (0, 4)
    assert second.behaviours["chase"].episodes == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_settings_in_the_same_folder_are_refused(environment: str, tmp_path: Path) -> None:
    collect(SETTINGS, tmp_path, JOBS[:1])
    with pytest.raises(DataError, match="collected with other settings"):
        collect(replace(SETTINGS, steps=10), tmp_path, JOBS[:1])


def test_episode_ends_some_steps_after_success(environment: str, tmp_path: Path) -> None:
    collect(replace(SETTINGS, steps=200, after_success=5, frame_every=4), tmp_path, JOBS[:1])
    episode = read_episode(next(episode_files(tmp_path)))
    target = episode.metadata.description.removeprefix("reach ")
    touched = episode.scenes.contacts[:, episode.scenes.index(target), -1].argmax()
    assert episode.metadata.success
    assert touched > 0
    assert len(episode) == touched + 1 + 5  # the behaviour sees the contact when it acts the next time
    framed = [t for t, image in enumerate(episode.images) if image is not None]
    assert framed == sorted({*range(0, len(episode) + 1, 4), len(episode)})


def test_failures_can_be_left_out_and_are_not_tried_again(environment: str, tmp_path: Path) -> None:
    jobs = plan_episodes([("wander", 2)], range(2))
    first = collect(SETTINGS, tmp_path, jobs, keep_failures=False)
    second = collect(SETTINGS, tmp_path, jobs, keep_failures=False)
    assert not list(episode_files(tmp_path))
    assert first.behaviours["wander"].discarded == second.behaviours["wander"].discarded == 2
    assert (second.skipped, second.steps) == (2, 0)


def test_unknown_names_are_refused(environment: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no behaviour fly; tabletop has chase, wander"):
        collect(SETTINGS, tmp_path, [EpisodeJob("fly", 0, 0)])
    with pytest.raises(ConfigError, match="no environment 'moonbase'"):
        collect(replace(SETTINGS, environment="moonbase"), tmp_path, JOBS)


def test_killed_collection_goes_on_where_it_stopped(environment: str, tmp_path: Path) -> None:
    words = ["--behaviour", "chase:40,wander:40", "--seeds", "0:40", "--objects", "SIX", "--steps", "30"]
    out = tmp_path / "set"
    command = [sys.executable, "-m", "swm_core.cli", "collect", "tabletop", "--out", str(out), *words, "--workers", "2"]
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.rglob("*.parquet"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # the orphaned workers notice and end
    left = list(episode_files(out))
    assert 5 <= len(left) < 80
    time.sleep(0.5)
    assert list(episode_files(out)) == left
    for file in left:
        validate_episode(file)
    settings = replace(SETTINGS, objects=tabletop.SPEC.object_sets["SIX"])
    summary = collect(settings, out, plan_episodes([("chase", 40), ("wander", 40)], range(40)))
    assert summary.skipped == len(left)
    assert len(list_episodes(out)) == 80


class Stumble(tabletop.Chase):
    """Chases, and at every third step does the contrary."""

    wanted = np.zeros(2, np.float32)
    steps = 0

    def act(self, scene):
        self.wanted, self.steps = super().act(scene), self.steps + 1
        return -self.wanted if self.steps % 3 == 0 else self.wanted


def test_what_a_disturbed_behaviour_wanted_is_recorded_beside_what_it_did() -> None:
    entry = replace(tabletop.ENTRY, behaviours={"stumble": Stumble, "chase": tabletop.Chase})
    env = tabletop.Tabletop(images=False)
    episode = run_episode(entry, env, SETTINGS, EpisodeJob("stumble", 3, 0), "now")
    signs = np.where(np.arange(1, len(episode) + 1) % 3 == 0, -1.0, 1.0)[:, None]
    np.testing.assert_allclose(episode.expert_actions * signs, episode.actions)
    assert np.abs(episode.actions).max() > 0
    assert run_episode(entry, env, SETTINGS, EpisodeJob("chase", 3, 0), "now").expert_actions is None
