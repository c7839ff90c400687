# SPDX-License-Identifier: Apache-2.0
"""Experts reach their goals, play moves blocks, all stay inside the bounds, and the ways that they take are free."""

import numpy as np
import pytest

from sim_bridges.langtable import LANGTABLE
from sim_bridges.langtable.env import LangTableEnv
from sim_bridges.langtable.experts import DisturbedPush, PushExpert, ReachExpert, SeparateExpert
from sim_bridges.langtable.play import Play
from sim_bridges.langtable.routes import route, segment_distance
from sim_bridges.langtable.specification import EPISODE_STEPS
from swm_core.environment import Behaviour
from swm_core.errors import SceneError
from swm_core.scene import SceneState
from swm_core.tasks import parse_goal


def run(env: LangTableEnv, behaviour: Behaviour, seed: int, steps: int = EPISODE_STEPS) -> list[SceneState]:
    """Scenes from the start until the goal or the last step; checks every action."""
    env.reset(seed=seed)
    behaviour.reset(env, seed)
    scenes = [env.scene()]
    for _ in range(steps):
        action = behaviour.act(scenes[-1])
        assert action.dtype == np.float32
        assert env.action_space.contains(action)
        if behaviour.done:
            break
        env.step(action)
        scenes.append(env.scene())
    return scenes


@pytest.mark.parametrize("name", sorted(LANGTABLE.behaviours))
def test_registered_behaviours_keep_the_contract(env: LangTableEnv, name: str) -> None:
    behaviour = LANGTABLE.behaviours[name]()
    first = run(env, behaviour, 0, 20)
    assert behaviour.description
    again = run(env, LANGTABLE.behaviours[name](), 0, 20)
    np.testing.assert_array_equal(SceneState.stack(first).positions, SceneState.stack(again).positions)
    np.testing.assert_array_equal(SceneState.stack(first).effector, SceneState.stack(again).effector)


def test_push_expert_pushes_the_pair_that_it_was_given(env: LangTableEnv) -> None:
    behaviour = PushExpert(pair=("red moon", "green star"))
    scene = run(env, behaviour, 6000)[-1]
    assert behaviour.done
    assert behaviour.description == "push red moon to green star"
    a, b = scene.index("red moon"), scene.index("green star")
    assert np.linalg.norm(scene.positions[a, :2] - scene.positions[b, :2]) < 0.05


def test_reach_expert_ends_in_contact(env: LangTableEnv) -> None:
    for seed, block in ((6000, "blue cube"), (6001, "yellow star")):
        behaviour = ReachExpert(block)
        scenes = run(env, behaviour, seed)
        assert behaviour.done
        assert scenes[-1].contacts[scenes[-1].index(block), -1]
        assert not scenes[0].contacts[:, -1].any()


def test_separate_expert_leaves_its_neighbours(env: LangTableEnv) -> None:
    done = 0
    for seed in range(3):
        behaviour = SeparateExpert()
        scene = run(env, behaviour, seed)[-1]
        done += behaviour.done
        if behaviour.done:
            block, others = behaviour.description.removeprefix("separate ").split(" from ")
            gaps = [
                scene.positions[scene.index(other), :2] - scene.positions[scene.index(block), :2]
                for other in others.split(", ")
            ]
            assert np.linalg.norm(gaps, axis=1).min() > 0.1
    assert done >= 2


def test_act_after_the_goal_stays_valid_and_still(env: LangTableEnv) -> None:
    behaviour = ReachExpert()
    scenes = run(env, behaviour, 1)
    for _ in range(3):
        np.testing.assert_array_equal(behaviour.act(scenes[-1]), np.zeros(2, np.float32))
    assert behaviour.done


def test_a_disturbed_push_tells_what_the_expert_wanted_and_comes_back(env: LangTableEnv) -> None:
    behaviour, done = DisturbedPush(), 0
    for seed in range(2):
        env.reset(seed=seed)
        behaviour.reset(env, seed)
        ((kind, *_),) = [(spec.kind, spec) for spec in parse_goal(behaviour.description, env.scene().names)]
        assert kind == "push"
        gaps = []
        for _ in range(2 * EPISODE_STEPS):
            action = behaviour.act(env.scene())
            gaps.append(float(np.linalg.norm(action - behaviour.wanted)))
            if behaviour.done:
                np.testing.assert_array_equal(behaviour.wanted, np.zeros(2, np.float32))
                break
            env.step(action)
        done += behaviour.done
        assert np.median(gaps) < 0.005  # mostly a little noise,
        assert max(gaps) > 0.01  # now and then thrown off
    assert done == 2


def test_a_missing_block_is_refused(env: LangTableEnv) -> None:
    env.reset(seed=0)
    with pytest.raises(SceneError, match="purple star"):
        ReachExpert("purple star").reset(env, 0)


def test_play_moves_blocks(env: LangTableEnv) -> None:
    moved = []
    for seed in range(3):
        scenes = SceneState.stack(run(env, Play(), seed))
        travel = np.linalg.norm(scenes.positions[-1, :, :2] - scenes.positions[0, :, :2], axis=-1)
        moved.append((travel > 0.04).sum())
    assert np.mean(moved) >= 2


@pytest.mark.parametrize("seed", range(5))
def test_ways_keep_clear_of_obstacles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    obstacles = rng.uniform([0.25, -0.2], [0.5, 0.2], (6, 2))
    start, goal = np.array([0.17, -0.28]), np.array([0.58, 0.28])
    path = np.concatenate([start[None], route(start, goal, obstacles, 0.03)])
    np.testing.assert_array_equal(path[-1], goal)
    assert segment_distance(path[:-1], path[1:], obstacles).min() >= 0.03


def test_a_way_round_an_obstacle_is_short() -> None:
    start, goal = np.array([0.2, 0.0]), np.array([0.5, 0.0])
    path = np.concatenate([start[None], route(start, goal, np.array([[0.35, 0.001]]), 0.05)])
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    assert 0.3 < length < 0.34
    np.testing.assert_array_equal(route(start, goal, np.array([[0.35, 0.2]]), 0.05), goal[None])
