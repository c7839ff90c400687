# SPDX-License-Identifier: Apache-2.0
"""Many episodes of a task: in parallel, resumable, one line of JSON for each that is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from swm_core.data.collecting import code_version
from swm_core.environment import load_environment
from swm_core.errors import ConfigError, DataError
from swm_core.evaluation.episode_pictures import draw_failure, failure_name
from swm_core.evaluation.planners import make_actor
from swm_core.evaluation.tasks import EpisodeRecord, TaskEvaluation, run_episode
from swm_core.evaluation.traces import Trace
from swm_core.evaluation.videos import EpisodeFilm
from swm_core.processes import run_jobs


@dataclass(frozen=True)
class _Preparation:
    """Loads environment and model in a process; picklable."""

    evaluation: TaskEvaluation
    model: Path | None
    policy: Path | None
    videos: Path | None
    filmed: tuple[int, ...]
    failures: Path | None
    commit: str

    def __call__(self) -> Callable[[int], EpisodeRecord]:
        """What plays the episode of a seed."""
        entry = load_environment(self.evaluation.environment)
        env = entry.make(images=False)
        actor = make_actor(entry.spec, self.evaluation.planner, self.model, self.policy)

        def draw(record: EpisodeRecord, trace: Trace) -> None:
            if self.failures is not None:
                draw_failure(record, trace, entry, self.failures / f"{failure_name(record)}.png")

        def play(seed: int) -> EpisodeRecord:
            playing = partial(
                run_episode,
                self.evaluation,
                entry,
                env,
                actor,
                seed,
                self.commit,
                traced=draw if self.failures else None,
            )
            if self.videos is None or seed not in self.filmed:
                return playing()
            with EpisodeFilm(entry.spec, self.videos / f"{self.evaluation.planner.planner}_{seed}.mp4") as film:
                record = playing(watch=film.add)
                film.end(record)
            return record

        return play


def configuration_hash(evaluation: TaskEvaluation) -> str:
    """First 16 hexadecimal digits of the SHA-256 of what is evaluated."""
    return hashlib.sha256(json.dumps(evaluation.description(), sort_keys=True).encode()).hexdigest()[:16]


def _flat(data: Any, path: str = "") -> dict[str, Any]:
    """Nested settings as "a.b.c" -> value."""
    if not isinstance(data, dict):
        return {path: data}
    return {k: v for name, value in data.items() for k, v in _flat(value, f"{path}.{name}" if path else name).items()}


def _header(evaluation: TaskEvaluation) -> dict[str, Any]:
    described = json.loads(json.dumps(evaluation.description()))
    return {"hash": configuration_hash(evaluation), "configuration": described}


def _check_header(path: Path, found: Any, evaluation: TaskEvaluation) -> None:
    if not isinstance(found, dict) or "hash" not in found:
        raise DataError(f"{path} does not begin with a configuration; remove it or choose another --json file")
    wanted = _header(evaluation)
    if found["hash"] == wanted["hash"]:
        return
    before, now = _flat(found.get("configuration", {})), _flat(wanted["configuration"])
    changed = [f"{k} was {before.get(k)!r}, is now {now.get(k)!r}" for k in before | now if before.get(k) != now.get(k)]
    raise ConfigError(
        f"{path} holds episodes of another configuration: {'; '.join(changed)}. Choose another --json file or remove it"
    )


def read_episodes(path: Path, evaluation: TaskEvaluation) -> dict[int, EpisodeRecord]:
    """Finished episodes by seed; none where there is no file. A last line that was cut off is dropped.

    Args:
        path: lines of JSON: the configuration, then one episode each.
        evaluation: what is evaluated now.

    Raises:
        ConfigError: the file's episodes are of another configuration.
        DataError: the file is damaged.
    """
    if not path.exists():
        return {}
    lines = path.read_text().split("\n")
    whole, rest = lines[:-1], lines[-1]
    if rest:  # the process ended while it wrote
        path.write_text("".join(f"{line}\n" for line in whole))
    if not whole:
        return {}
    names = {field.name for field in fields(EpisodeRecord)}
    optional = {field.name for field in fields(EpisodeRecord) if field.default is not MISSING}  # not in older files
    try:
        rows = [json.loads(line) for line in whole]
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error
    _check_header(path, rows[0], evaluation)
    if any(not names - optional <= set(row) <= names for row in rows[1:]):
        raise DataError(f"{path}: an episode does not have the fields {', '.join(sorted(names))}")
    return {row["seed"]: EpisodeRecord(**{name: _tuples(value) for name, value in row.items()}) for row in rows[1:]}


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, all the way down."""
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _keep(path: Path | None, evaluation: TaskEvaluation, records: Iterator[EpisodeRecord]) -> Iterator[EpisodeRecord]:
    """Write each episode down as it comes."""
    if path is None:
        yield from records
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or not path.stat().st_size:
        path.write_text(json.dumps(_header(evaluation)) + "\n")
    with path.open("a") as file:
        for record in records:
            file.write(json.dumps(asdict(record)) + "\n")
            file.flush()
            yield record


@dataclass(frozen=True)
class RunOptions:
    """How episodes are run; nothing here changes their outcome.

    Attributes:
        model: folder of a saved model; None for the shipped one.
        workers: processes; 0 for none but this one.
        cluster: address of a Dask scheduler whose workers play instead; they read `model` from their own disks.
        log: file of finished episodes (JSON lines); None to keep nothing.
        videos: folder of films; None for none.
        video_episodes: how many episodes are filmed, the first seeds.
        progress: whether to show a progress bar.
        policy: folder of a saved base policy; None for none.
        failures: folder for a picture of every episode whose goal is not reached; None for none. Episodes that the log
            has already are not drawn.
    """

    model: Path | None = None
    workers: int = 0
    cluster: str | None = None
    log: Path | None = None
    videos: Path | None = None
    video_episodes: int = 3
    progress: bool = False
    policy: Path | None = None
    failures: Path | None = None


def evaluate_task(
    evaluation: TaskEvaluation, seeds: Sequence[int], options: RunOptions = RunOptions()
) -> list[EpisodeRecord]:
    """Play an episode for every seed that has none yet.

    Args:
        evaluation: what is evaluated.
        seeds: of the environment.
        options: how.

    Returns:
        the episodes of all seeds, in the seeds' order; the same for any number of workers but for the times.

    Raises:
        ConfigError: unknown environment, objects or settings, or a log of another configuration.
        ModelError: no such model.
        DataError: a damaged log.
        BridgeError: a process died.
    """
    finished = read_episodes(options.log, evaluation) if options.log else {}
    left = [seed for seed in seeds if seed not in finished]
    prepare = _Preparation(
        evaluation,
        options.model,
        options.policy,
        options.videos,
        tuple(seeds[: options.video_episodes]),
        options.failures,
        code_version(),
    )
    records = {seed: finished[seed] for seed in seeds if seed in finished}
    with tqdm(total=len(seeds), initial=len(records), unit="episode", disable=not options.progress) as bar:
        workers = options.workers if options.workers > 1 else 0  # one worker would only leave this process idle
        for record in _keep(options.log, evaluation, run_jobs(prepare, left, workers, options.cluster)):
            records[record.seed] = record
            bar.set_postfix(success=f"{sum(r.success for r in records.values())}/{len(records)}")
            bar.update()
    return [records[seed] for seed in seeds]
