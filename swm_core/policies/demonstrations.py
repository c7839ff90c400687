# SPDX-License-Identifier: Apache-2.0
"""Demonstrations for a policy: expert episodes, what was asked of them, and the world model's features of their frames.

The features of an episode are computed once and kept in a file named after the world model's weights, so that further
runs, with fewer demonstrations or other sizes, begin at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from swm_core.data.augment import check_mirror, mirror_actions
from swm_core.data.storage import EpisodeFile
from swm_core.data.trajectories import Trajectory, find_episodes, load_trajectory
from swm_core.environment import EnvironmentEntry, EnvironmentSpec
from swm_core.errors import DataError, GoalError
from swm_core.models.grounded import GroundedModel
from swm_core.models.vision import to_pixels
from swm_core.policies.features import Seen, look, wanted_answers
from swm_core.tasks.goal_text import parse_goal
from swm_core.tasks.library import TaskSpec, subgoals, subgoals_pursued
from swm_core.tasks.task import WeightedQuestion

CACHE_FORMAT = "swm-features/2"
FRAMES_AT_ONCE = 16


@dataclass(frozen=True)
class Demonstration:
    """One episode, as it was or mirrored.

    Attributes:
        seen: features of its N frames, each by itself (F = 1).
        times: (N,) int64 states of those frames.
        actions: (T, A) float32.
    """

    seen: Seen
    times: Tensor
    actions: Tensor


def expert_episodes(folders: Iterable[Path], behaviours: Sequence[str]) -> list[EpisodeFile]:
    """Episodes of the named behaviours, in an order in which every first part is a fair sample of them.

    Raises:
        DataError: there are none.
    """
    chosen = find_episodes(folders, behaviours)
    order = np.random.default_rng(0).permutation(len(chosen))
    return [chosen[i] for i in order]


def step_of(file: EpisodeFile) -> TaskSpec:
    """The task that an episode's behaviour was set, which its metadata tell in words.

    Raises:
        DataError: the behaviour had no task, or one of several steps.
    """
    metadata = file.metadata
    try:
        (step,) = parse_goal(metadata.description, metadata.objects)
        return step
    except (GoalError, ValueError) as error:
        raise DataError(f"{file.path}: {metadata.description!r} is no task of one step: {error}") from error


def _compute(model: GroundedModel, entry: EnvironmentEntry, file: EpisodeFile) -> dict[str, Tensor]:
    """Tensors of a `Demonstration` by name."""
    trajectory, step = load_trajectory(file), step_of(file)
    phrasing = zlib.crc32(file.metadata.episode_id.encode())  # one an episode; all of them in the data
    pursued = subgoals_pursued(step, trajectory.scenes, entry.questions)
    goals = subgoals(step, entry.questions, phrasing)
    times, parts = np.flatnonzero(trajectory.framed[:-1]), list[Seen]()
    for number, goal in enumerate(goals):  # one after the other, as the episode pursued them
        parts += _look_at(model, trajectory, times[pursued[times] == number], goal.questions)
    most = max(part.wanted.shape[1] for part in parts)
    padded = [with_questions(part, most).tensors() for part in parts]
    seen = {name: torch.cat([part[name] for part in padded]) for name in padded[0]}
    return {**seen, "times": torch.from_numpy(times), "actions": torch.from_numpy(trajectory.actions.copy())}


def _look_at(
    model: GroundedModel, trajectory: Trajectory, times: np.ndarray, questions: Sequence[WeightedQuestion]
) -> Iterator[Seen]:
    """Features of an episode's frames at some times, a few frames at once."""
    ids, mentions = model.encode([q.text for q in questions], trajectory.scenes.names)
    for begin in range(0, len(times), FRAMES_AT_ONCE):
        images = [trajectory.frame(int(t)) for t in times[begin : begin + FRAMES_AT_ONCE]]
        with torch.no_grad():
            cells, scene, *_ = model.network.look(to_pixels(torch.from_numpy(np.stack(images))))
        words, named = (tensor.expand(len(images), -1, -1) for tensor in (ids, mentions))
        yield look(model.network, cells, scene, words, named, wanted_answers(questions))


def _cached(path: Path, source: str) -> dict[str, Tensor] | None:
    """What was kept of an episode; None where there is nothing, or something else."""
    try:
        with safe_open(path, "pt") as kept:
            if (kept.metadata() or {}).get("source") != source:
                return None
            return {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError):
        return None


def _demonstration(tensors: dict[str, Tensor]) -> Demonstration:
    times, actions = tensors.pop("times"), tensors.pop("actions")
    return Demonstration(Seen(**tensors), times, actions)


def load_demonstrations(
    files: Sequence[EpisodeFile],
    model: GroundedModel,
    world: str,
    entry: EnvironmentEntry,
    cache: Path,
    mirror: bool = False,
    progress: bool = False,
) -> list[Demonstration]:
    """Features of episodes, from the cache where they are there.

    Args:
        files: the episodes.
        model: the world model.
        world: hash of its weights.
        entry: registration of the environment.
        cache: folder in which features are kept.
        mirror: whether to add every episode with left and right changed.
        progress: whether to show a progress bar.

    Returns:
        the episodes in their order, then the mirrored ones.

    Raises:
        DataError: an episode is damaged, has no frames or no task.
        ConfigError: mirroring does not fit the environment.
    """
    if mirror:
        check_mirror(replace(files[0].metadata.spec, mirror_symmetric=entry.spec.mirror_symmetric))
    found = []
    for file in tqdm(files, "features", unit="episode", disable=not progress, mininterval=0.5):
        place = f"{file.path.parent.parent.name}-{zlib.crc32(str(file.path.resolve()).encode()):08x}"
        path = cache / world / f"{place}.safetensors"
        source = f"{CACHE_FORMAT} {file.path.stat().st_size} {file.metadata.commit}"
        tensors = _cached(path, source)
        if tensors is None:
            check_frames(file, entry.spec, model)
            tensors = _compute(model, entry, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            save_file({name: value.contiguous() for name, value in tensors.items()}, partial, {"source": source})
            partial.replace(path)
        found.append(_demonstration(tensors))
    if mirror:
        origin, names = model.network.config.origin[1], entry.spec.action_names
        found += [
            Demonstration(
                one.seen.mirrored(origin), one.times, torch.from_numpy(mirror_actions(one.actions.numpy(), names))
            )
            for one in found
        ]
    return found


def check_frames(file: EpisodeFile, spec: EnvironmentSpec, model: GroundedModel) -> None:
    """Make sure that an episode is of the environment and that the model can see it.

    Raises:
        DataError: other actions or frames.
    """
    camera = file.metadata.spec.camera
    if file.metadata.spec.action_names != spec.action_names or (camera.height, camera.width, 3) != model.image_shape:
        raise DataError(f"{file.path}: other actions than {spec.name}'s, or frames that the model cannot see")


@dataclass(frozen=True)
class Batch:
    """B moments and what the expert did next.

    Attributes:
        seen: what the policy is told.
        chunks: (B, H, A) float32; no motion after an episode's end.
    """

    seen: Seen
    chunks: Tensor


class Moments:
    """All moments of some demonstrations, ready to be drawn in batches.

    A moment is a frame with the actions from there on. The frame before it is drawn among those stored at most
    `longest_age` actions earlier, because plans are made every few actions, how many depends on planner and machine;
    at an episode's start there is none, as at a task's.

    Args:
        demonstrations: the episodes.
        horizon: actions in a chunk.
        frames: frames that the policy looks at, F.
        padding: how many of a chunk's actions may lie behind the episode's end (paper Table 15).
        longest_age: see above.

    Raises:
        DataError: no moment is left.
    """

    def __init__(
        self, demonstrations: Sequence[Demonstration], horizon: int, frames: int, padding: int, longest_age: int
    ) -> None:
        self.horizon, self.frames, self.longest_age = horizon, frames, longest_age
        most = max(d.seen.wanted.shape[1] for d in demonstrations)
        padded = [with_questions(d.seen, most) for d in demonstrations]
        names = padded[0].tensors() if padded else {}
        self.seen = Seen(**{name: torch.cat([seen.tensors()[name] for seen in padded]) for name in names})
        self.times = torch.cat([d.times for d in demonstrations])
        self.episode = torch.repeat_interleave(
            torch.arange(len(demonstrations)), torch.tensor([len(d.times) for d in demonstrations])
        )
        chunks, whole = [], []
        for d in demonstrations:
            rest = torch.cat([d.actions, torch.zeros(horizon, d.actions.shape[1])])
            chunks.append(torch.stack([rest[t : t + horizon] for t in d.times]))
            whole.append(d.times + horizon - padding <= len(d.actions))
        self.chunks = torch.cat(chunks)
        self.rows = torch.cat(whole).nonzero().squeeze(1)
        if not len(self.rows):
            raise DataError(f"no frame is followed by the {horizon - padding} actions that a chunk must have")

    def __len__(self) -> int:
        """Number of moments."""
        return len(self.rows)

    def batch(self, moments: Tensor, random: torch.Generator, position_noise: float = 0.0) -> Batch:
        """Some moments.

        Args:
            moments: (B,) int64, below the length.
            random: of the earlier frames and the noise.
            position_noise: standard deviation of what is added to every position, 0.1 m.
        """
        rows = self.rows[moments]
        positions, ages, at = [self.seen.positions[rows]], [torch.zeros(len(rows))], rows
        for _ in range(self.frames - 1):
            at = self._earlier(at, random)
            positions.insert(0, self.seen.positions[at])
            ages.insert(0, (self.times[rows] - self.times[at]).float())
        seen = replace(self.seen[rows], positions=torch.cat(positions, 2), ages=torch.stack(ages, 1))
        if position_noise:
            noisy = {
                name: value + position_noise * torch.randn(value.shape, generator=random)
                for name, value in (("positions", seen.positions), ("things", seen.things))
            }
            seen = replace(seen, **noisy)
        return Batch(seen, self.chunks[rows])

    def _earlier(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """For each row, one of the same episode at most `longest_age` actions before it; itself where there is none."""
        most = torch.zeros_like(rows)  # how many rows back one may go; rows of an episode follow each other in time
        for back in range(1, self.longest_age + 1):
            there = (rows - back).clamp(min=0)
            near = self.times[rows] - self.times[there] <= self.longest_age
            most += (rows >= back) & (self.episode[there] == self.episode[rows]) & near
        draw = 1 + (torch.rand(len(rows), generator=random) * most).long().minimum(most - 1)
        return rows - torch.where(most > 0, draw, 0)


def with_questions(seen: Seen, most: int) -> Seen:
    """The same with room for more questions, of which nothing is wanted."""
    asked = {name: getattr(seen, name) for name in ("positions", "mentioned", "words", "wanted")}
    missing = most - seen.wanted.shape[1]
    wider = {
        name: torch.cat([value, value.new_zeros(value.shape[0], missing, *value.shape[2:])], 1)
        for name, value in asked.items()
    }
    return replace(seen, **wider)
