# SPDX-License-Identifier: Apache-2.0
"""`semworld eval tasks` in the real environment."""

import json
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster

from swm_core.cli import main
from swm_core.environment import load_environment
from swm_core.errors import ConfigError, GoalError
from swm_core.evaluation.planners import Chosen, planner_config
from swm_core.evaluation.task_reports import foretold_result
from swm_core.evaluation.tasks import EpisodeRecord, TaskEvaluation, choose_steps, draw_start, run_episode
from swm_core.planning.controller import PlannerConfig
from swm_core.planning.settings import DEFAULT, PAPER_LANGTABLE, start_settings
from swm_core.tasks import push, reach, separate, succeeded

BLOCKS = load_environment("langtable").spec.object_sets["BLOCK_8"]


def evaluate(out: Path, *words: str, planner: str = "random", seeds: str = "6000:6002") -> int:
    given = ["--planner", planner, "--seeds", seeds, "--steps", "6", "--json", str(out)]
    return main(["eval", "tasks", "--task", "reach", *given, *words])


def test_reach_names_each_block_in_turn() -> None:
    assert [choose_steps("reach", BLOCKS, seed)[0].blocks[0] for seed in range(8000, 8008)] == list(BLOCKS)


@pytest.mark.parametrize("name", ["push", "separate"])
def test_pairs_go_through_all_ordered_pairs(name: str) -> None:
    pairs = [choose_steps(name, BLOCKS, seed)[0].blocks for seed in range(6000, 6056)]
    assert len(set(pairs)) == 56
    assert all(a != b for a, b in pairs)
    assert pairs == [choose_steps(name, BLOCKS, seed)[0].blocks for seed in range(6000, 6056)]


def test_a_goal_text_is_the_same_for_all_seeds() -> None:
    goal = "push red moon to green star, then reach the blue cube"
    assert choose_steps(goal, BLOCKS, 1) == (push("red moon", "green star"), reach("blue cube"))
    with pytest.raises(GoalError):
        choose_steps("reach the purple cube", BLOCKS, 1)


def test_the_layout_is_redrawn_until_the_goal_does_not_hold() -> None:
    env = load_environment("langtable").make(images=False)
    steps = (separate("red moon", "green star"),)  # holds in many layouts
    seen = []
    for seed in range(6000, 6006):
        redraws = draw_start(env, BLOCKS, steps, seed)
        assert not succeeded(steps[0], env.scene())
        start = env.scene().positions
        env.reset(seed=seed, options={"objects": BLOCKS})
        for _ in range(redraws):
            assert succeeded(steps[0], env.scene())
            env.reset(options={"objects": BLOCKS})
        np.testing.assert_array_equal(env.scene().positions, start)
        seen.append(redraws)
    assert max(seen) > 0
    env.close()


class Walker:
    """Goes straight to where the target is."""

    needs_frames = False

    def __init__(self, env, target: str) -> None:
        self.env, self.target = env, target

    def start(self, task, seed: int) -> None:
        self.started = task.name

    def act(self, image, executed: int) -> Chosen:
        scene = self.env.scene()
        gap = scene.positions[scene.index(self.target), :2] - scene.effector[:2]
        return Chosen(np.tile(np.clip(gap, -0.02, 0.02), (4, 1)).astype(np.float32))


def play(target: str, task: str, steps: int = 60) -> EpisodeRecord:
    entry = load_environment("langtable")
    env = entry.make(images=False, objects=BLOCKS)
    evaluation = TaskEvaluation("langtable", BLOCKS, task, steps, PlannerConfig())
    try:
        return run_episode(evaluation, entry, env, Walker(env, target), 6000, "now")
    finally:
        env.close()


def test_success_is_contact_in_the_simulator_and_ends_the_episode() -> None:
    record = play("green star", "reach green star")
    assert record.success
    assert record.steps < 60
    assert record.subgoals_done == 1
    assert len(record.plan_ms) == -(-record.steps // 4)


def test_touching_another_block_is_no_success() -> None:
    record = play("green star", "reach yellow pentagon", steps=25)
    assert not record.success
    assert record.steps == 25


def test_steps_of_a_sequence_are_done_in_order() -> None:
    record = play("green star", "reach green star, then reach red moon", steps=30)
    assert not record.success
    assert record.subgoals_done == 1
    assert record.task == "reach green star, then reach red moon"


class Foreseeing(Walker):
    """Goes there, and foresees contact from the third action on."""

    def act(self, image, executed: int) -> Chosen:
        chosen = super().act(image, executed)
        chosen.foreseen = np.array([[0.1, 0.1, 0.1, 0.9, 0.9], [0.25] * 5], np.float32)
        return chosen


def test_what_was_foreseen_is_told_beside_what_happened() -> None:
    entry = load_environment("langtable")
    env = entry.make(images=False, objects=BLOCKS)
    evaluation = TaskEvaluation("langtable", BLOCKS, "reach green star", 60, PlannerConfig())
    try:
        record = run_episode(evaluation, entry, env, Foreseeing(env, "green star"), 6000, "now")
    finally:
        env.close()
    assert record.success
    touching = [row for row in record.foretold if row[0] == "peg_touching_block"]
    closer = [row for row in record.foretold if row[0] == "peg_block_closer"]
    assert len(touching) == len(closer) == len(record.plan_ms)
    assert [true for _, _, true in touching] == [False] * (len(touching) - 1) + [True]
    assert {p for _, p, _ in touching[:-1]} == {0.9}  # after the four executed actions
    summary = foretold_result([record])["peg_touching_block"]
    assert summary["n"] == len(touching)
    assert summary["happened"] == pytest.approx(1 / len(touching), abs=1e-3)


@pytest.mark.parametrize("planner", ["none", "random"])
def test_the_results_have_the_keys_of_the_contract(tmp_path: Path, planner: str) -> None:
    out, table, picture = tmp_path / "out.json", tmp_path / "out.md", tmp_path / "out.png"
    assert evaluate(out, "--markdown", str(table), "--picture", str(picture), planner=planner) == 0
    result = json.loads(out.read_text())
    assert {"success_rate", "n", "interval", "plan_ms", "seeds", "commit", "weights", "configuration"} <= set(result)
    assert {"environment", "command", "planner", "start_rule"} <= set(result)
    assert result["n"] == len(result["episodes"]) == 2
    assert result["success_rate"] == 0.0
    assert result["interval"] == pytest.approx([0.0, 0.6576], abs=1e-3)
    for episode, seed in zip(result["episodes"], (6000, 6001), strict=True):
        assert episode["seed"] == seed
        assert episode["steps"] == 6
        assert episode["task"] == f"reach {BLOCKS[seed % 8]}"
        assert {"success", "redraws", "plan_ms", "seconds"} <= set(episode)
    assert "| reach |" in table.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_finished_episodes_are_not_played_again(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    evaluate(out, seeds="6000:6001")
    log = out.with_suffix(".jsonl")
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines) + '\n{"seed": 6001, "tas')  # the next episode was cut off
    assert evaluate(out, seeds="6000:6003") == 0
    after = log.read_text().splitlines()
    assert after[:2] == lines
    assert [json.loads(line)["seed"] for line in after[1:]] == [6000, 6001, 6002]
    assert json.loads(out.read_text())["n"] == 3


def test_another_configuration_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    evaluate(out, seeds="6000:6001")
    assert evaluate(out, "--set", "planner.execute=2") == 1
    error = capsys.readouterr().err
    assert "planner.execute was 4, is now 2" in error
    assert json.loads(out.read_text())["n"] == 1


def test_a_damaged_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    out.with_suffix(".jsonl").write_text("nonsense\n")
    assert evaluate(out) == 1
    assert "damaged" in capsys.readouterr().err


def test_a_model_plans_and_the_film_shows_it(tmp_path: Path, model_folder: Path) -> None:
    import imageio_ffmpeg

    out, films = tmp_path / "out.json", tmp_path / "films"
    words = ["--model", str(model_folder), "--set", "planner.gradient.iterations=1", "--videos", str(films)]
    assert evaluate(out, *words, "--video-episodes", "1", planner="gradient") == 0
    result = json.loads(out.read_text())
    assert len(result["weights"]) == 16
    assert result["configuration"]["planner"]["gradient"]["iterations"] == 1
    assert result["plan_ms"]["p50"] > 1
    (film,) = films.iterdir()
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(film))
    assert frames == 6 + 1 + 10  # before each action, after the last, and held


def test_workers_and_cluster_change_nothing_but_time(cluster: LocalCluster, tmp_path: Path) -> None:
    ways = (("--workers", "0"), ("--workers", "2"), ("--cluster", cluster.scheduler_address))
    kept = ("seed", "task", "success", "steps", "redraws", "subgoals_done")
    episodes = []
    for i, words in enumerate(ways):
        assert evaluate(tmp_path / f"{i}.json", *words, seeds="6000:6003") == 0
        found = json.loads((tmp_path / f"{i}.json").read_text())["episodes"]
        episodes.append([[episode[key] for key in kept] for episode in found])
    assert episodes[0] == episodes[1] == episodes[2]


def test_results_are_compared_seed_by_seed(tmp_path: Path) -> None:
    first, second = tmp_path / "none.json", tmp_path / "random.json"
    evaluate(first, planner="none")
    changed = json.loads(first.read_text())
    changed["episodes"][0]["success"] = True
    first.write_text(json.dumps(changed))
    assert evaluate(second, "--compare", str(first)) == 0
    paired = json.loads(second.read_text())["paired"]
    assert (paired["both"], paired["only_first"], paired["only_second"], paired["neither"]) == (0, 0, 1, 1)
    assert paired["p_value"] == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "push"], "two objects"),
        (["--task", "fly away"], "fly"),
        (["--seeds", "9:3"], "empty"),
        (["--set", "planner.speed=3"], "speed"),
        (["--set", "planner.horizon=many"], "horizon"),
        (["--set", "horizon=3"], "planner.NAME"),
        (["--set", "planner.execute=99"], "execute"),
        (["--objects", "BLOCK_9"], "BLOCK_9"),
        (["--env", "moon"], "moon"),
        (["--planner", "gradient", "--model", "nowhere"], "nowhere"),
    ],
)
def test_wrong_words_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--task", "reach", "--planner", "none", "--seeds", "1:2", "--objects", "BLOCK_1", *words]
    assert main(["eval", "tasks", *given]) == 1
    assert said in capsys.readouterr().err


def test_settings_build_on_a_preset() -> None:
    config = planner_config("mppi", PAPER_LANGTABLE, ["planner.mppi.samples=32", "planner.speeds=[0.5, 1.0]"])
    assert (config.planner, config.proposals, config.mppi.samples, config.speeds) == (
        "mppi",
        ("uniform",),
        32,
        (0.5, 1.0),
    )
    assert config.gradient.rate == 0.02
    with pytest.raises(ConfigError, match="no group"):
        planner_config("mppi", PAPER_LANGTABLE, ["planner.horizon.x=1"])


def test_the_papers_settings_are_those_of_the_environment() -> None:
    pushing, stacking = (start_settings("paper", name) for name in ("langtable", "ogbench"))
    assert (pushing.gradient.rate, pushing.gradient.clip, pushing.gradient.iterations) == (0.02, 1.0, 10)
    assert (stacking.gradient.rate, stacking.gradient.clip, stacking.gradient.iterations) == (0.2, 10.0, 20)
    for found in (pushing, stacking):
        assert (found.horizon, found.sub_chunk, found.execute) == (16, 8, 4)
        assert (found.mppi.iterations, found.mppi.samples) == (8, 16)
    assert start_settings("default", "elsewhere") == DEFAULT
    with pytest.raises(ConfigError, match="no planner settings for elsewhere"):
        start_settings("paper", "elsewhere")
    with pytest.raises(ConfigError, match="default, paper"):
        start_settings("best", "langtable")
