# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: what was asked of an episode, features kept between runs, and the moments drawn from them."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from swm_core.data.storage import EpisodeFile, read_episode, write_episode
from swm_core.data.trajectories import load_trajectory
from swm_core.environment import EnvironmentEntry, load_environment
from swm_core.errors import DataError, GoalError
from swm_core.models.grounded import GroundedModel
from swm_core.policies import demonstrations as demonstrations_module
from swm_core.policies.base import Observed
from swm_core.policies.demonstrations import (
    Demonstration,
    expert_episodes,
    load_demonstrations,
    of_task,
    step_of,
)
from swm_core.policies.features import Seen, observe
from swm_core.policies.moments import Moments
from swm_core.tasks import Subgoal, WeightedQuestion, reach, subgoals


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def entry(environment: str) -> EnvironmentEntry:
    return load_environment(environment)


@pytest.fixture(scope="module")
def files(folder: Path) -> list[EpisodeFile]:
    return expert_episodes([folder], ["chase"])[:3]


@pytest.fixture(scope="module")
def demonstrations(
    files: list[EpisodeFile], model: GroundedModel, entry: EnvironmentEntry, tmp_path_factory: pytest.TempPathFactory
) -> list[Demonstration]:
    return load_demonstrations(files, model, "0123", entry, tmp_path_factory.mktemp("cache"), mirror=True)


def test_the_task_follows_from_what_the_episode_says(folder: Path) -> None:
    file = expert_episodes([folder], ["chase"])[0]
    block = file.metadata.description.removeprefix("reach ")
    assert step_of(file) == reach(block)
    with pytest.raises(DataError, match="'wander' is no task"):
        step_of(expert_episodes([folder], ["wander"])[0])
    twice = replace(file, metadata=replace(file.metadata, description="reach red moon, then reach blue cube"))
    with pytest.raises(DataError, match="no task of one step"):
        step_of(twice)
    with pytest.raises(DataError, match="no episodes of dance; the data has chase, wander"):
        expert_episodes([folder], ["dance"])


def test_features_are_those_that_a_plan_is_made_of(
    files: list[EpisodeFile], demonstrations: list[Demonstration], model: GroundedModel, entry: EnvironmentEntry
) -> None:
    first = demonstrations[0]
    phrasing = zlib.crc32(files[0].metadata.episode_id.encode())
    (goal,) = subgoals(step_of(files[0]), entry.questions, phrasing)
    image = load_trajectory(files[0]).frame(int(first.times[5]))
    plain = observe(model, [Observed(model.observe(image))], goal.questions, 1)
    for name, value in first.seen[5:6].tensors().items():
        torch.testing.assert_close(value, plain.tensors()[name], atol=1e-4, rtol=1e-4, msg=name)


def test_a_task_of_several_subgoals_is_shown_with_the_one_that_was_pursued(
    files: list[EpisodeFile], model: GroundedModel, entry: EnvironmentEntry, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def two(*_: object) -> tuple[Subgoal, ...]:
        first, second = (WeightedQuestion(f"Is the robotic peg {word} the red moon?") for word in ("touching", "near"))
        return (Subgoal((first,)), Subgoal((first, replace(second, desired=False))))

    monkeypatch.setattr(demonstrations_module, "subgoals", two)
    monkeypatch.setattr(
        demonstrations_module, "subgoals_pursued", lambda _, scenes, __: (np.arange(len(scenes.yaws)) >= 9).astype(int)
    )
    (one,) = load_demonstrations(files[:1], model, "0123", entry, tmp_path)
    later = one.times >= 9
    assert later.any()
    assert len(one.seen.wanted) == len(one.times)
    assert one.seen.wanted[~later].tolist() == [[1.0, 0.0]] * int((~later).sum())
    assert one.seen.wanted[later].tolist() == [[1.0, -1.0]] * int(later.sum())


def test_mirrored_episodes_go_the_other_way(demonstrations: list[Demonstration]) -> None:
    half = len(demonstrations) // 2
    for plain, mirrored in zip(demonstrations[:half], demonstrations[half:], strict=True):
        torch.testing.assert_close(mirrored.actions, plain.actions * torch.tensor([1.0, -1.0]))
        across = torch.tensor([1.0, -1.0, 1.0])  # the tabletop's origin has y = 0
        torch.testing.assert_close(mirrored.seen.positions, plain.seen.positions * across)
        torch.testing.assert_close(mirrored.seen.things, plain.seen.things * across)


def test_features_are_computed_once(
    files: list[EpisodeFile], model: GroundedModel, entry: EnvironmentEntry, tmp_path: Path
) -> None:
    class Blind:
        """Sees nothing, so that whoever needs features fails."""

        image_shape = model.image_shape

    def load(seer: object, world: str = "0123") -> list[Demonstration]:
        return load_demonstrations(files[:2], seer, world, entry, tmp_path)

    before, again = load(model), load(Blind())
    for a, b in zip(before, again, strict=True):
        for name, value in a.seen.tensors().items():
            assert torch.equal(value, b.seen.tensors()[name]), name
        assert torch.equal(a.actions, b.actions)
    with pytest.raises(AttributeError):
        load(Blind(), "another world")
    kept = sorted((tmp_path / "0123").iterdir())[0]
    kept.write_bytes(kept.read_bytes()[:100])  # a damaged file is no reason to stop
    assert [one.times.tolist() for one in load(model)] == [one.times.tolist() for one in before]


def numbered(steps: int, every: int, number: float) -> Demonstration:
    """An episode whose positions, actions and words all say when they are."""
    times = torch.arange(0, steps, every)
    n = len(times)
    seen = Seen(
        positions=(100 * number + times).float()[:, None, None, None, None].expand(n, 1, 1, 3, 3),
        ages=torch.zeros(n, 1),
        mentioned=torch.ones(n, 1, 3),
        words=torch.zeros(n, 1, 4),
        wanted=torch.ones(n, 1),
        now=torch.zeros(n, 1),
        things=torch.zeros(n, 2, 3),
        present=torch.ones(n, 2),
        closed=torch.zeros(n, 1),
    )
    return Demonstration(seen, times, (1 + torch.arange(steps)).float()[:, None].expand(-1, 2))


def test_chunks_begin_at_the_frame_and_rest_after_the_end() -> None:
    moments = Moments([numbered(10, 3, 0), numbered(5, 3, 1)], 8, 2, 4, 6)
    batch = moments.batch(torch.arange(len(moments)), generator())
    assert batch.seen.positions[:, 0, -1, 0, 0].tolist() == [0.0, 3.0, 6.0, 100.0]  # t + 4 actions are there
    assert batch.chunks[..., 0].tolist() == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [4, 5, 6, 7, 8, 9, 10, 0],
        [7, 8, 9, 10, 0, 0, 0, 0],
        [1, 2, 3, 4, 5, 0, 0, 0],
    ]
    with pytest.raises(DataError, match="no frame is followed"):
        Moments([numbered(3, 1, 0)], 8, 2, 4, 6)


def disturbed(one: Demonstration, at: int, by: float) -> Demonstration:
    """The same, thrown off its way for two steps."""
    disturbance = torch.zeros_like(one.actions)
    disturbance[at : at + 2, 0] = by
    return replace(one, disturbance=disturbance)


def test_chunks_that_a_disturbance_leads_away_from_are_left_out() -> None:
    plain, limit = numbered(20, 1, 0), torch.tensor([0.015, 0.015])

    def starts(one: Demonstration, most: torch.Tensor | None) -> list[int]:
        moments = Moments([one], 4, 2, 0, 6, most)
        return moments.times[moments.rows].tolist()

    assert starts(plain, limit) == list(range(17))
    assert starts(disturbed(plain, 8, 0.01), limit) == [0, 1, 2, 3, 4, 5, *range(9, 17)]  # one step alone is little
    assert starts(disturbed(plain, 8, 0.02), limit) == [0, 1, 2, 3, 4, *range(10, 17)]
    assert starts(disturbed(plain, 8, 0.02), None) == list(range(17))
    batch = Moments([disturbed(plain, 8, 0.02)], 4, 2, 0, 6, limit).batch(torch.tensor([5]), generator())
    assert batch.chunks[0, :, 0].tolist() == [11, 12, 13, 14]  # what is right after the disturbance is learned from


def test_a_disturbed_experts_wishes_are_what_is_learned(
    files: list[EpisodeFile], model: GroundedModel, entry: EnvironmentEntry, tmp_path: Path
) -> None:
    episode = read_episode(files[0].path)
    wanted = np.clip(episode.actions + np.float32([0.0, 0.01]), -0.03, 0.03)
    write_episode(tmp_path / "disturbed.parquet", replace(episode, expert_actions=wanted))
    (file,) = expert_episodes([tmp_path], ["chase"])
    plain, mirrored = load_demonstrations([file], model, "0123", entry, tmp_path / "cache", mirror=True)
    torch.testing.assert_close(plain.actions, torch.from_numpy(wanted))
    torch.testing.assert_close(plain.disturbance, torch.from_numpy(episode.actions - wanted))
    torch.testing.assert_close(mirrored.disturbance, plain.disturbance * torch.tensor([1.0, -1.0]))
    (again,) = load_demonstrations([file], model, "0123", entry, tmp_path / "cache")
    torch.testing.assert_close(again.disturbance, plain.disturbance)


def test_demonstrations_of_one_task_are_chosen_by_its_text(folder: Path, entry: EnvironmentEntry) -> None:
    files = expert_episodes([folder], ["chase"])
    found = of_task(files, "Go to the red moon", entry)
    assert 0 < len(found) < len(files)
    assert found == [file for file in files if file.metadata.description == "reach red moon"]
    with pytest.raises(DataError, match=r"none of 30 demonstrations is of 'push red moon to green star'; most are of"):
        of_task(files, "push the red moon to the green star", entry)
    with pytest.raises(GoalError, match="purple"):
        of_task(files, "reach the purple moon", entry)


def test_the_earlier_frame_is_of_the_same_episode_and_not_too_old() -> None:
    moments = Moments([numbered(40, 3, 0), numbered(40, 3, 1)], 4, 2, 0, 8)
    ages = set()
    for seed in range(20):
        seen = moments.batch(torch.arange(len(moments)), generator(seed)).seen
        then, now = seen.positions[:, 0, :, 0, 0].T
        torch.testing.assert_close(now - then, seen.ages[:, 0])
        assert (seen.ages[:, 1] == 0).all()
        starts = now % 100 == 0
        assert (seen.ages[starts, 0] == 0).all()
        assert (seen.ages[~starts, 0] > 0).all()
        ages |= set(seen.ages[~starts, 0].tolist())
    assert ages == {3.0, 6.0}


def test_noise_is_added_to_positions_alone() -> None:
    moments = Moments([numbered(40, 3, 0)], 4, 2, 0, 8)
    rows = torch.arange(len(moments))
    plain, noisy = moments.batch(rows, generator()).seen, moments.batch(rows, generator(), 0.02).seen
    for name in ("positions", "things"):
        spread = (noisy.tensors()[name] - plain.tensors()[name]).std()
        assert float(spread) == pytest.approx(0.02, rel=0.2)
    assert torch.equal(noisy.ages, plain.ages)
