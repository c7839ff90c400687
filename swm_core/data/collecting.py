# SPDX-License-Identifier: Apache-2.0
"""Collect many episodes over processes, resumably: what is finished on disk is never made again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm

from swm_core.data.collection import CollectionSettings, EpisodeJob, run_episode
from swm_core.data.schema import Episode
from swm_core.data.storage import TEMPORARY_SUFFIX, episode_path, open_parquet, remove_partial, write_episode
from swm_core.environment import Environment, EnvironmentEntry, load_environment
from swm_core.errors import ConfigError, DataError
from swm_core.processes import run_jobs

SETTINGS_FILE = "collection.json"
DISCARDED_SUFFIX = ".discarded"  # stands for an episode that failed and was not kept, so that it is not tried again


@dataclass
class BehaviourCount:
    """What was collected of one behaviour: episodes, successes, actions, and episodes not kept."""

    episodes: int = 0
    successes: int = 0
    steps: int = 0
    discarded: int = 0


@dataclass
class CollectionSummary:
    """What a collection run did.

    Attributes:
        behaviours: counts per behaviour, episodes found finished included.
        skipped: episodes that were already there.
        steps: actions taken in this run.
        frames: frames stored in this run.
        seconds: wall time of this run.
    """

    behaviours: dict[str, BehaviourCount] = field(default_factory=dict)
    skipped: int = 0
    steps: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one episode."""
        count = self.behaviours.setdefault(outcome.behaviour, BehaviourCount())
        count.discarded += not outcome.kept
        if outcome.kept:
            count.episodes += 1
            count.successes += outcome.success
            count.steps += outcome.steps


@dataclass(frozen=True)
class Outcome:
    """How one episode ended; `frames` is 0 for one that was found on disk."""

    behaviour: str
    success: bool
    kept: bool
    steps: int
    frames: int


@cache
def code_version() -> str:
    """Commit of the checkout that this code runs from, or the installed package's version."""
    git, here = shutil.which("git"), Path(__file__).resolve().parent
    if git:
        command = [git, "-C", str(here), "log", "-1", "--format=%H", "--", str(here.parent)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.strip()
    try:
        return version("swm_ros")
    except PackageNotFoundError:
        return "unknown"


@dataclass
class _Worker:
    """A process's environment, built at its first episode and reused."""

    settings: CollectionSettings
    commit: str
    entry: EnvironmentEntry
    env: Environment | None = None

    @classmethod
    def begin(cls, settings: CollectionSettings, commit: str) -> _Worker:
        """A worker of this process."""
        return cls(settings, commit, load_environment(settings.environment))

    def __call__(self, job: EpisodeJob) -> Episode:
        """Make one episode."""
        if self.env is None:
            self.env = self.entry.make(images=False)
        return run_episode(self.entry, self.env, self.settings, job, self.commit)


def _store(folder: Path, episode: Episode, keep_failures: bool) -> Outcome:
    """Write an episode, or the note that it failed and was not kept."""
    known = episode.metadata
    path, kept = episode_path(folder, known.behaviour, known.seed, known.repeat), known.success or keep_failures
    if kept:
        write_episode(path, episode)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(DISCARDED_SUFFIX).touch()
    frames = sum(image is not None for image in episode.images)
    return Outcome(known.behaviour, known.success, kept, len(episode), frames)


def _episodes(
    settings: CollectionSettings, jobs: Sequence[EpisodeJob], workers: int, cluster: str | None
) -> Iterator[Episode]:
    """Episodes as they finish; with neither workers nor cluster this process makes them."""
    prepare = partial(_Worker.begin, settings, code_version())
    if workers or cluster:
        yield from run_jobs(prepare, jobs, workers, cluster)
        return
    worker = prepare()
    try:
        yield from map(worker, jobs)
    finally:
        if worker.env is not None:
            worker.env.close()


def _claim(folder: Path, settings: CollectionSettings) -> None:
    """Note the settings in the folder, or check that they are those of the data set in it.

    Raises:
        DataError: the folder holds a data set collected with other settings, or its note of them is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps(asdict(settings), indent=1)
    path = folder / SETTINGS_FILE
    try:
        other = path.exists() and json.loads(path.read_text()) != json.loads(wanted)
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); restore it, or use another folder") from error
    if other:
        raise DataError(f"{folder} was collected with other settings ({path}):\n{path.read_text()}\nuse another folder")
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    temporary.write_text(wanted)
    temporary.replace(path)


def _finished(folder: Path, job: EpisodeJob) -> Outcome | None:
    """Outcome of an episode that is on disk already."""
    path = episode_path(folder, job.behaviour, job.seed, job.repeat)
    if path.exists():
        file, metadata = open_parquet(path)
        return Outcome(job.behaviour, metadata.success, True, file.metadata.num_rows - 1, 0)
    if path.with_suffix(DISCARDED_SUFFIX).exists():
        return Outcome(job.behaviour, False, False, 0, 0)
    return None


def collect(
    settings: CollectionSettings,
    folder: Path,
    jobs: Sequence[EpisodeJob],
    workers: int = 0,
    keep_failures: bool = True,
    progress: bool = False,
    cluster: str | None = None,
) -> CollectionSummary:
    """Collect episodes that are not in the folder yet.

    Args:
        settings: shared by all episodes of the folder.
        folder: the data set.
        jobs: which episodes; the result does not depend on their order nor on the number of workers.
        workers: processes; 0 for none but this one.
        keep_failures: whether to store episodes whose behaviour did not reach its goal (flagged `success` False).
        progress: whether to show a progress bar.
        cluster: address of a Dask scheduler whose workers make the episodes; this process writes them.

    Raises:
        ConfigError: the environment or a behaviour does not exist.
        DataError: the folder holds a data set of other settings, or a damaged file.
        BridgeError: a process died, or no scheduler answers.
    """
    missing = {job.behaviour for job in jobs} - set(load_environment(settings.environment).behaviours)
    if missing:
        known = ", ".join(load_environment(settings.environment).behaviours)
        raise ConfigError(f"no behaviour {', '.join(sorted(missing))}; {settings.environment} has {known}")
    _claim(folder, settings)
    remove_partial(folder)
    begin, summary, left = time.monotonic(), CollectionSummary(), []
    for job in jobs:
        outcome = _finished(folder, job)
        if outcome is None:
            left.append(job)
        else:
            summary.skipped += 1
            summary.add(outcome)
    with tqdm(total=len(jobs), initial=summary.skipped, unit="episode", disable=not progress) as bar:
        for episode in _episodes(settings, left, workers, cluster) if left else ():
            outcome = _store(folder, episode, keep_failures)
            summary.add(outcome)
            summary.steps += outcome.steps
            summary.frames += outcome.frames
            bar.set_postfix(steps_per_s=f"{summary.steps / (time.monotonic() - begin):.0f}")
            bar.update()
    summary.seconds = time.monotonic() - begin
    return summary
