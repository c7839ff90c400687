# SPDX-License-Identifier: Apache-2.0
"""Experts reach their goals, play moves cubes, all stay inside the bounds, and none touches others' random numbers."""

import numpy as np
import pytest

from sim_bridges.ogbench import OGBENCH
from sim_bridges.ogbench.behaviours import CorrectedStack, DisturbedStack, NoisyExpert, Play, ReachExpert, StackExpert
from sim_bridges.ogbench.env import OgbenchEnv
from sim_bridges.ogbench.oracles import draw_target
from swm_core.environment import Behaviour, DisturbedBehaviour
from swm_core.errors import BridgeError, SceneError
from swm_core.scene import SceneState
from swm_core.tasks import parse_goal, reach, stack, succeeded


def run(env: OgbenchEnv, behaviour: Behaviour, seed: int, steps: int = 200) -> list[SceneState]:
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


@pytest.mark.parametrize("name", sorted(OGBENCH.behaviours))
def test_registered_behaviours_keep_the_contract(env: OgbenchEnv, name: str) -> None:
    behaviour = OGBENCH.behaviours[name]()
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = SceneState.stack(run(env, behaviour, 0, 15))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert behaviour.description
    np.random.seed(2)
    again = SceneState.stack(run(env, OGBENCH.behaviours[name](), 0, 15))
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.effector, again.effector)
    assert np.linalg.norm(first.effector[-1] - first.effector[0]) > 0.03


@pytest.mark.parametrize("seed", [6000, 6001])
def test_stack_expert_stacks_the_pair_that_it_was_given(env: OgbenchEnv, seed: int) -> None:
    behaviour = StackExpert(("red cube", "green cube"))
    scenes = run(env, behaviour, seed)
    assert behaviour.done
    assert succeeded(stack("red cube", "green cube"), scenes[-1])
    assert not any(succeeded(stack("red cube", "green cube"), scene) for scene in scenes[:-1])
    assert parse_goal(behaviour.description, scenes[0].names) == (stack("red cube", "green cube"),)
    for _ in range(60):  # it withdraws and then holds, and what it built stays
        action = behaviour.act(env.scene())
        env.step(action)
    np.testing.assert_array_equal(action, np.zeros(5, np.float32))
    assert succeeded(stack("red cube", "green cube"), env.scene())


@pytest.mark.parametrize("seed", [6000, 6001, 6002])
def test_reach_expert_ends_in_contact_and_holds(env: OgbenchEnv, seed: int) -> None:
    behaviour = ReachExpert()
    scenes = run(env, behaviour, seed)
    assert behaviour.done
    (goal,) = parse_goal(behaviour.description, scenes[0].names)
    assert goal == reach(goal.blocks[0])
    assert scenes[-1].contacts[-1, scenes[-1].index(goal.blocks[0])]
    assert not scenes[0].contacts[-1].any()
    np.testing.assert_array_equal(behaviour.act(scenes[-1]), np.zeros(5, np.float32))


def test_goals_differ_between_seeds(env: OgbenchEnv) -> None:
    told = set()
    env.reset(seed=0)
    for seed in range(12):
        behaviour = StackExpert()
        behaviour.reset(env, seed)
        told.add(behaviour.description)
    assert len(told) > 5


def test_play_moves_cubes_and_never_ends(env: OgbenchEnv) -> None:
    behaviour = Play()
    scenes = SceneState.stack(run(env, behaviour, 0, 170))
    assert not behaviour.done
    travel = np.linalg.norm(scenes.positions[-1] - scenes.positions[0], axis=-1)
    assert (travel > 0.04).sum() >= 2
    assert scenes.positions[..., 2].max() > 0.08, "nothing was lifted"


def test_the_noisy_expert_is_noisy_and_still_moves_cubes(env: OgbenchEnv) -> None:
    actions = []
    for seed in range(2):
        env.reset(seed=seed)
        behaviour = NoisyExpert()
        behaviour.reset(env, seed)
        for _ in range(80):
            actions.append(behaviour.act(env.scene()))
            env.step(actions[-1])
    turns = np.abs(np.diff(np.array(actions)[:, 2]))
    assert np.median(turns) > 1e-4
    assert "noise" in behaviour.description


def test_what_carries_a_cube_is_not_moved(env: OgbenchEnv) -> None:
    env.reset(seed=0)
    env.world.place(1, (0.45, 0.0, 0.02))
    env.world.place(0, (0.45, 0.0, 0.0599))
    env.world.place(2, (0.35, 0.25, 0.02))
    env.world.place(3, (0.35, -0.25, 0.02))
    scene = env.scene()
    drawn = [draw_target(scene, np.random.default_rng(seed), 0.5) for seed in range(60)]
    assert {target.cube for target in drawn} == {0, 2, 3}
    assert {target.support for target in drawn} == {-1, 0, 2, 3}
    assert all(target.support != target.cube for target in drawn)


def test_missing_cubes_and_other_environments_are_refused(env: OgbenchEnv) -> None:
    env.reset(seed=0, options={"objects": ("red cube", "blue cube")})
    with pytest.raises(SceneError, match="green cube"):
        ReachExpert("green cube").reset(env, 0)
    with pytest.raises(BridgeError, match="OgbenchEnv"):
        ReachExpert().reset(object(), 0)
    env.reset(seed=0)


def test_a_disturbed_stack_tells_what_the_oracle_wanted_and_comes_back(env: OgbenchEnv) -> None:
    gaps, done = [], 0
    for seed in range(6):
        env.reset(seed=seed)
        behaviour = DisturbedStack()
        behaviour.reset(env, seed)
        for _ in range(200):
            action = behaviour.act(env.scene())
            assert env.action_space.contains(action)
            assert env.action_space.contains(behaviour.wanted)
            if behaviour.done:
                done += 1
                break
            gaps.append(float(np.abs(action - behaviour.wanted).max()))
            env.step(action)
    assert isinstance(behaviour, DisturbedBehaviour)
    assert done >= 3, "it comes back from most disturbances"
    assert 0.02 < np.mean(np.array(gaps) > 0) < 0.3, "it is left alone most of the time"


def test_a_corrected_stack_goes_wrong_and_then_shows_the_way_from_there(env: OgbenchEnv) -> None:
    wrong, closed_on_nothing, done = 0, 0, 0
    for seed in range(6):
        env.reset(seed=seed)
        behaviour = CorrectedStack()
        behaviour.reset(env, seed)
        for _ in range(200):
            scene = env.scene()
            action = behaviour.act(scene)
            assert env.action_space.contains(action)
            if behaviour.done:
                done += 1
                break
            told = behaviour.wanted
            assert not told.any() or np.array_equal(told, action), "what it did, or nothing"
            wrong += bool(action.any() and not told.any())
            closed_on_nothing += bool(scene.gripper > 0.7)
            env.step(action)
    assert isinstance(behaviour, DisturbedBehaviour)
    assert wrong > 60
    assert closed_on_nothing > 0
    assert done >= 4


def test_no_oracle_makes_whole_turns(env: OgbenchEnv) -> None:
    env.reset(seed=11)
    behaviour = StackExpert()
    behaviour.reset(env, 11)  # its plan's yaw is 200 degrees where the gripper's is -160
    turns = []
    for _ in range(60):
        turns.append(abs(float(behaviour.act(env.scene())[3])))
        env.step(behaviour.act(env.scene()))
    assert np.mean(np.array(turns) > 0.29) < 0.3
