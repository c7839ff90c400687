# SPDX-License-Identifier: Apache-2.0
"""Demonstrations for a policy: expert episodes, what was asked of them, and the world model's features of their frames.

The features of an episode are computed once and kept in a file named after the world model's weights, so that further
runs, with fewer demonstrations or other sizes, begin at once.
"""

from __future__ import annotations

import zlib
from collections import Counter
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
from swm_core.policies.features import Seen, look, wanted_answers, with_questions
from swm_core.tasks.goal_text import parse_goal
from swm_core.tasks.library import TaskSpec, subgoals, subgoals_pursued, task_name
from swm_core.tasks.task import WeightedQuestion

CACHE_FORMAT = "swm-features/4"
FRAMES_AT_ONCE = 16


@dataclass(frozen=True)
class Demonstration:
    """One episode, as it was or mirrored.

    Attributes:
        seen: features of its N frames, each by itself (F = 1).
        times: (N,) int64 states of those frames.
        actions: (T, A) float32, what the expert did, or would have done where he was disturbed.
        disturbance: (T, A) float32, what was done beyond that; None for an expert left alone.
    """

    seen: Seen
    times: Tensor
    actions: Tensor
    disturbance: Tensor | None = None


def expert_episodes(folders: Iterable[Path], behaviours: Sequence[str]) -> list[EpisodeFile]:
    """Episodes of the named behaviours, in an order in which every first part is a fair sample of them.

    Raises:
        DataError: there are none.
    """
    chosen = find_episodes(folders, behaviours)
    order = np.random.default_rng(0).permutation(len(chosen))
    return [chosen[i] for i in order]


def of_task(files: Sequence[EpisodeFile], task: str, entry: EnvironmentEntry) -> list[EpisodeFile]:
    """Those episodes whose behaviour was set one task (the paper's policies know one each).

    Args:
        files: the episodes.
        task: goal text.
        entry: registration of their environment.

    Raises:
        GoalError: the text is no goal about the environment's objects.
        DataError: there are none; names the tasks that there are.
    """
    wanted = parse_goal(task, entry.names, entry.effector_words)
    tasks = [parse_goal(file.metadata.description, file.metadata.objects) for file in files]
    found = [file for file, one in zip(files, tasks, strict=True) if one == wanted]
    if not found:
        known = Counter(task_name(one) for one in tasks).most_common(5)
        most = ", ".join(f"'{name}' ({count})" for name, count in known)
        raise DataError(f"none of {len(files)} demonstrations is of '{task_name(wanted)}'; most are of {most}")
    return found


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
    done, wanted = trajectory.actions, trajectory.expert_actions
    kept = {"actions": done.copy()} if wanted is None else {"actions": wanted.copy(), "disturbance": done - wanted}
    return {**seen, "times": torch.from_numpy(times), **{name: torch.from_numpy(a) for name, a in kept.items()}}


def _look_at(
    model: GroundedModel, trajectory: Trajectory, times: np.ndarray, questions: Sequence[WeightedQuestion]
) -> Iterator[Seen]:
    """Features of an episode's frames at some times, a few frames at once, computed where the model is."""
    device = model.network.image_place.device
    ids, mentions = (one.to(device) for one in model.encode([q.text for q in questions], trajectory.scenes.names))
    for begin in range(0, len(times), FRAMES_AT_ONCE):
        images = [trajectory.frame(int(t)) for t in times[begin : begin + FRAMES_AT_ONCE]]
        with torch.no_grad():
            context = model.network.encode_image(to_pixels(torch.from_numpy(np.stack(images)).to(device)))
        words, named = (tensor.expand(len(images), -1, -1) for tensor in (ids, mentions))
        yield look(model.network, context, words, named, wanted_answers(questions)).to("cpu")


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
    times, actions, disturbance = tensors.pop("times"), tensors.pop("actions"), tensors.pop("disturbance", None)
    return Demonstration(Seen(**tensors), times, actions, disturbance)


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
        found += [_mirrored(one, model.network.config.origin[1], entry.spec.action_names) for one in found]
    return found


def _mirrored(one: Demonstration, origin: float, names: tuple[str, ...]) -> Demonstration:
    """An episode with left and right changed."""

    def other(actions: Tensor) -> Tensor:
        return torch.from_numpy(mirror_actions(actions.numpy(), names))

    disturbance = None if one.disturbance is None else other(one.disturbance)
    return Demonstration(one.seen.mirrored(origin), one.times, other(one.actions), disturbance)


def check_frames(file: EpisodeFile, spec: EnvironmentSpec, model: GroundedModel) -> None:
    """Make sure that an episode is of the environment and that the model can see it.

    Raises:
        DataError: other actions or frames.
    """
    camera = file.metadata.spec.camera
    if file.metadata.spec.action_names != spec.action_names or (camera.height, camera.width, 3) != model.image_shape:
        raise DataError(f"{file.path}: other actions than {spec.name}'s, or frames that the model cannot see")
