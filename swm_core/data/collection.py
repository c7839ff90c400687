# SPDX-License-Identifier: Apache-2.0
"""What to collect and how one episode is made: a pure function of (settings, behaviour, seed, repeat)."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swm_core.data.frames import encode_png
from swm_core.data.schema import Episode, EpisodeMetadata
from swm_core.environment import DisturbedBehaviour, Environment, EnvironmentEntry, EnvironmentSpec
from swm_core.errors import ConfigError
from swm_core.scene import SceneState


@dataclass(frozen=True)
class CollectionSettings:
    """Settings that all episodes of one data set share.

    Attributes:
        environment: registered name of the environment.
        objects: the objects on the table; with `subset`, the pool that they are drawn from.
        subset: how many objects each episode draws from the pool, without replacement; 0 for all.
        steps: longest episode, actions.
        frame_every: a frame is stored at every n-th state (and at the last one).
        after_success: actions still taken after the behaviour has reached its goal.
    """

    environment: str
    objects: tuple[str, ...]
    subset: int = 0
    steps: int = 120
    frame_every: int = 1
    after_success: int = 10

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.steps < 1 or self.frame_every < 1 or self.after_success < 0:
            raise ConfigError(f"steps and frame_every must be at least 1, after_success at least 0: {self}")
        if not self.objects or len(set(self.objects)) != len(self.objects):
            raise ConfigError(f"objects must be named once each, got {self.objects}")
        if not 0 <= self.subset <= len(self.objects):
            raise ConfigError(f"cannot draw {self.subset} of {len(self.objects)} objects")


@dataclass(frozen=True)
class EpisodeJob:
    """One episode to collect; with the settings it determines every byte of it.

    Attributes:
        behaviour: name of the behaviour.
        seed: environment seed.
        repeat: number of further layouts to draw after the seed's first one.
    """

    behaviour: str
    seed: int
    repeat: int

    def random(self, purpose: str) -> np.random.Generator:
        """Generator of this job's own random numbers for one purpose."""
        return np.random.default_rng([zlib.crc32(f"{self.behaviour}/{purpose}".encode()), self.seed, self.repeat])


def choose_objects(spec: EnvironmentSpec, objects: str, pool: str = "") -> tuple[str, ...]:
    """Object names from the command line's words.

    Args:
        spec: the environment's fixed facts.
        objects: name of an object set, object names separated by commas, or "mixed" for the pool.
        pool: for "mixed": name of an object set, or object names separated by commas.

    Raises:
        ConfigError: "mixed" without a pool, or no names.
    """
    words = pool if objects == "mixed" else objects
    if words in spec.object_sets:
        return tuple(spec.object_sets[words])
    names = tuple(name.strip() for name in words.split(",") if name.strip())
    if not names or (len(names) == 1 and " " not in names[0]):
        known = ", ".join(spec.object_sets)
        raise ConfigError(f"unknown object set {words!r}; sets: {known}; or name objects: 'red moon,green star'")
    return names


def plan_episodes(
    counts: Sequence[tuple[str, int | None]], seeds: range, repeats: int | None = None
) -> list[EpisodeJob]:
    """Deal (seed, repeat) pairs out to behaviours so that no layout is used twice.

    Jobs go through the seeds in order; each time a seed comes up again its `repeat` is one higher.

    Args:
        counts: behaviour names with their number of episodes; None for one episode per seed and repeat.
        seeds: environment seeds that may be used.
        repeats: most layouts per seed; None for as many as the counts need.

    Raises:
        ConfigError: no seeds, a count below 1, or more episodes than seeds times repeats.
    """
    if not len(seeds):
        raise ConfigError(f"no seeds in {seeds}")
    jobs: list[EpisodeJob] = []
    for behaviour, count in counts:
        wanted = len(seeds) * (repeats or 1) if count is None else count
        if wanted < 1:
            raise ConfigError(f"{behaviour}: number of episodes must be at least 1, got {wanted}")
        first = len(jobs) if count is not None else 0
        if count is not None and repeats is not None and first + wanted > len(seeds) * repeats:
            raise ConfigError(f"{first + wanted} episodes need more than {repeats} repeats of {len(seeds)} seeds")
        jobs += [EpisodeJob(behaviour, seeds[i % len(seeds)], i // len(seeds)) for i in range(first, first + wanted)]
    twice = [job for job, n in Counter(jobs).items() if n > 1]
    if twice:
        raise ConfigError(f"{twice[0].behaviour} is named twice")
    return jobs


def job_objects(settings: CollectionSettings, job: EpisodeJob) -> tuple[str, ...]:
    """The objects of one episode, in the pool's order."""
    if not settings.subset:
        return settings.objects
    chosen = job.random("objects").choice(len(settings.objects), settings.subset, replace=False)
    return tuple(settings.objects[i] for i in sorted(chosen))


def _reset(env: Environment, job: EpisodeJob, objects: tuple[str, ...]) -> None:
    """Draw the layout number `job.repeat` of the job's seed."""
    options: dict[str, Any] = {"objects": objects}
    env.reset(seed=job.seed, options=options)
    for _ in range(job.repeat):
        env.reset(options=options)


def run_episode(
    entry: EnvironmentEntry, env: Environment, settings: CollectionSettings, job: EpisodeJob, commit: str
) -> Episode:
    """Act out one episode.

    Args:
        entry: the environment's registration.
        env: an environment made by it; reused between episodes.
        settings: the data set's settings.
        job: which episode.
        commit: commit or version to note in the metadata.

    Raises:
        ConfigError: the environment has no such behaviour.
    """
    if job.behaviour not in entry.behaviours:
        raise ConfigError(f"no behaviour {job.behaviour!r}; {settings.environment} has {', '.join(entry.behaviours)}")
    objects, behaviour = job_objects(settings, job), entry.behaviours[job.behaviour]()
    _reset(env, job, objects)
    behaviour.reset(env, int(job.random("behaviour").integers(2**31)))
    low, high = np.asarray(entry.spec.action_low, np.float32), np.asarray(entry.spec.action_high, np.float32)
    scenes: list[SceneState] = [env.scene()]
    images: list[bytes | None] = [encode_png(env.render())]
    actions: list[np.ndarray] = []
    wanted: list[np.ndarray] = []
    disturbed = behaviour if isinstance(behaviour, DisturbedBehaviour) else None
    success, end = False, settings.steps
    while len(actions) < end:
        action = np.clip(np.asarray(behaviour.act(scenes[-1]), np.float32), low, high)
        if disturbed is not None:
            wanted.append(np.clip(np.asarray(disturbed.wanted, np.float32), low, high))
        env.step(action)
        actions.append(action)
        scenes.append(env.scene())
        if behaviour.done and not success:
            success, end = True, min(end, len(actions) + settings.after_success)
        store = len(actions) % settings.frame_every == 0 or len(actions) == end
        images.append(encode_png(env.render()) if store else None)
    metadata = EpisodeMetadata(
        entry.spec, objects, job.behaviour, behaviour.description, job.seed, job.repeat, success, commit
    )
    expert_actions = np.stack(wanted) if wanted else None
    return Episode(SceneState.stack(scenes), np.stack(actions), images, metadata, expert_actions)


def parse_counts(words: Iterable[str]) -> list[tuple[str, int | None]]:
    """Behaviour counts from the command line: "expert_push:300,play" -> [("expert_push", 300), ("play", None)].

    Raises:
        ConfigError: a count is no number, or nothing is named.
    """
    counts: list[tuple[str, int | None]] = []
    for part in (p.strip() for word in words for p in word.split(",")):
        name, _, number = part.partition(":")
        if number and not number.isdecimal():
            raise ConfigError(f"behaviour {part!r}: {number!r} is no number of episodes; write NAME or NAME:COUNT")
        if name:
            counts.append((name, int(number) if number else None))
    if not counts:
        raise ConfigError("no behaviour named")
    return counts


def parse_range(text: str) -> range:
    """Seeds from the command line: "0:301" is 0..300, "7" is one seed.

    Raises:
        ConfigError: not of that form, or empty.
    """
    first, colon, end = text.partition(":")
    if not first.isdecimal() or (colon and not end.isdecimal()):
        raise ConfigError(f"seeds {text!r}: write FIRST:END (END not included) or one number")
    seeds = range(int(first), int(end) if colon else int(first) + 1)
    if not seeds:
        raise ConfigError(f"seeds {text!r}: empty")
    return seeds
