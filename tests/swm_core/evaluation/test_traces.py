# SPDX-License-Identifier: Apache-2.0
"""Why an episode failed, guessed from what was measured: each cause in an episode that was made to show it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from swm_core.cli import main
from swm_core.environment import load_environment
from swm_core.evaluation.episode_pictures import draw_failure, failure_name
from swm_core.evaluation.planners import Chosen
from swm_core.evaluation.task_reports import causes_text, failure_causes
from swm_core.evaluation.tasks import EpisodeRecord
from swm_core.evaluation.traces import COMPLETION, DYNAMICS, LIMITS, PERCEPTION, PROPOSAL, Moment, Trace, guess_cause
from swm_core.scene import SceneState
from swm_core.tasks import AnyOrder, TaskSpec, build_task, push, separate

A, B, C = "red moon", "green star", "blue cube"
NAMES = (A, B, C)
ENTRY = load_environment("langtable")
STEPS, EXECUTED, HORIZON = 48, 4, 16
PLACES = np.array([[0.3, 0.0, 0.0], [0.5, 0.0, 0.0], [0.4, 0.2, 0.0]])


def scene(gap: float = 0.2) -> SceneState:
    """The star is `gap` behind the moon, the arm far from both."""
    positions = PLACES + np.array([[0.0, 0, 0], [gap - 0.2, 0, 0], [0, 0, 0]])
    contacts = np.zeros((4, 4), bool)
    return SceneState(NAMES, positions, np.zeros(3), np.array([0.2, -0.2, 0.1]), contacts, np.array(0.0))


def trace(
    specs: tuple[TaskSpec, ...] = (push(A, B),),
    gaps: np.ndarray | None = None,
    *,
    foreseen: float = 0.1,
    completion: float = 0.1,
    seen_off: float = 0.0,
    subgoal: int = 0,
) -> Trace:
    gaps = np.full(STEPS + 1, 0.2) if gaps is None else gaps
    task = build_task(specs)
    made = Trace(specs, task, [], [scene(gap) for gap in gaps], [0] * (STEPS + 1))
    made.last = np.full((180, 320, 3), 90, np.uint8)
    first, second = specs[subgoal].blocks
    for step in range(0, STEPS, EXECUTED):
        now = made.scenes[step]
        places = [now.positions[now.index(name)] for name in (first, second)]
        seen = np.stack([now.effector, places[0] + np.array([seen_off, 0.0, 0.0]), places[1]])
        p = np.linspace(0.0, foreseen, HORIZON + 1)
        chosen = Chosen(
            np.zeros((EXECUTED, 2), np.float32),
            path=now.effector + np.linspace(0, 0.1, HORIZON + 1)[:, None] * np.array([1.0, 1.0, 0.0]),
            completion=completion,
            value=float(foreseen),
            foreseen=np.stack([p, p]).astype(np.float32),
            subgoal=subgoal,
            seen=np.stack([seen, seen]),
        )
        made.moments.append(Moment(step, np.full((180, 320, 3), 60, np.uint8), chosen))
    return made


def test_a_thing_that_is_seen_elsewhere_is_named() -> None:
    cause = guess_cause(trace(seen_off=0.06), ENTRY)
    assert cause.word == PERCEPTION
    assert cause.reason == "the red moon is seen 6 cm from where it is"
    assert guess_cause(trace(seen_off=0.02), ENTRY).word != PERCEPTION


def test_a_goal_that_is_held_for_reached_is_told() -> None:
    assert guess_cause(trace(completion=0.9), ENTRY).word == COMPLETION
    early = guess_cause(trace((push(A, B), push(B, C)), subgoal=1), ENTRY)
    assert (early.word, early.reason) == (COMPLETION, f"'push {A} to {B}' was left undone at step 0")
    free = guess_cause(trace(AnyOrder([push(A, B), push(B, C)]), subgoal=1), ENTRY)
    assert free.word == PROPOSAL


def test_steps_that_are_used_up_on_the_way_are_the_limit() -> None:
    assert guess_cause(trace(gaps=np.linspace(0.3, 0.1, STEPS + 1), foreseen=0.9), ENTRY).word == LIMITS
    stuck = np.concatenate([np.linspace(0.3, 0.15, 20), np.full(STEPS - 19, 0.15)])
    assert guess_cause(trace(gaps=stuck, foreseen=0.9), ENTRY).word == DYNAMICS


def test_what_is_foreseen_again_and_again_and_does_not_happen_is_dynamics() -> None:
    cause = guess_cause(trace(foreseen=0.9), ENTRY)
    assert cause.word == DYNAMICS
    # likely from the 9th action on; with the four of one more plan the last three plans' time is not over at the end
    assert cause.reason == "foreseen by 9 plans, 9 times for nothing"


def test_what_ends_a_subgoal_decides_not_what_weighs_most() -> None:
    made = trace((separate(A, B),))
    moment = made.moments[0]
    assert made.deciding(moment) == [1]  # that they do not touch, not that the arm touches one of them
    moment.chosen.foreseen = np.stack([np.full(HORIZON + 1, p, np.float32) for p in (0.1, 0.9)])
    assert made.foresights()[0][1][-1] == pytest.approx(0.9)
    assert made.reached(ENTRY, moment, 0)  # far apart from the start on


def test_what_no_candidate_is_foreseen_to_reach_is_the_proposals_fault() -> None:
    cause = guess_cause(trace(foreseen=0.4), ENTRY)
    assert cause.word == PROPOSAL
    assert "at best with probability 0.40" in cause.reason


def test_without_foresight_there_is_no_guess() -> None:
    made = trace()
    made.moments = [replace(m, chosen=Chosen(m.chosen.actions)) for m in made.moments]
    assert guess_cause(made, ENTRY).word == ""


def record(cause: str = "", success: bool = False) -> EpisodeRecord:
    return EpisodeRecord(6000, f"push {A} to {B}", success, STEPS, 0, 0, (1.0,), 1.0, "now", (), cause)


def test_causes_are_counted_most_frequent_first() -> None:
    records = [record(success=True), record(LIMITS), record(DYNAMICS), record(DYNAMICS), record()]
    found = failure_causes(records)
    assert list(found.items()) == [(DYNAMICS, 2), (LIMITS, 1), ("", 1)]
    assert causes_text({"causes": found}).strip() == "Failures by guessed cause: 2 dynamics, 1 limits, 1 unknown."
    assert causes_text({"causes": {}}) == ""


@pytest.mark.parametrize("made", [trace(foreseen=0.9, seen_off=0.04), trace((push(A, B), push(B, C)), subgoal=1)])
def test_the_picture_shows_frames_and_curves(made: Trace, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "picture.png"
    draw_failure(record(), made, ENTRY, path)
    drawn = cv2.imread(str(path))
    assert drawn.shape[0] > 400
    assert drawn.std() > 10
    assert failure_name(record(LIMITS)) == "limits_6000"


def evaluate(out: Path, *words: str) -> int:
    given = ["--task", "push", "--seeds", "6000:6002", "--steps", "6", "--json", str(out)]
    return main(["eval", "tasks", *given, *words])


def test_the_command_draws_each_failure_and_counts_causes(tmp_path: Path, model_folder: Path) -> None:
    out, pictures, table = tmp_path / "out.json", tmp_path / "failures", tmp_path / "out.md"
    words = ["--model", str(model_folder), "--set", "planner.gradient.iterations=1", "--failures", str(pictures)]
    assert evaluate(out, *words, "--markdown", str(table)) == 0
    result = json.loads(out.read_text())
    causes = [episode["cause"] for episode in result["episodes"]]
    assert all(causes)
    assert sorted(path.name for path in pictures.iterdir()) == sorted(
        f"{cause}_{seed}.png" for cause, seed in zip(causes, (6000, 6001), strict=True)
    )
    assert sum(result["causes"].values()) == 2
    assert "Failures by guessed cause" in table.read_text()


def test_episodes_of_earlier_versions_are_read_and_have_no_cause(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert evaluate(out, "--planner", "none", "--failures", str(tmp_path / "failures")) == 0
    assert sorted(path.name for path in (tmp_path / "failures").iterdir()) == ["unknown_6000.png", "unknown_6001.png"]
    log = out.with_suffix(".jsonl")
    head, *rows = log.read_text().splitlines()
    old = [{k: v for k, v in json.loads(row).items() if k != "cause"} for row in rows]
    log.write_text("\n".join([head, *map(json.dumps, old)]) + "\n")
    assert evaluate(out, "--planner", "none") == 0
    assert json.loads(out.read_text())["causes"] == {"": 2}
    log.write_text("\n".join([head, json.dumps({"seed": 6000})]) + "\n")
    assert evaluate(out, "--planner", "none") == 1
