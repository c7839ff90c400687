# SPDX-License-Identifier: Apache-2.0
"""The Gymnasium interface, determinism, contacts, snapshots, and what it refuses."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sim_bridges.langtable import LANGTABLE, OBJECT_SETS
from sim_bridges.langtable.env import LangTableEnv
from sim_bridges.langtable.fidelity.staging import push, put
from sim_bridges.langtable.layout import Layout, draw_layout
from sim_bridges.langtable.world import World
from swm_core.errors import BridgeError, ConfigError, SwmError


def rollout(env: LangTableEnv, seed: int, steps: int = 25) -> np.ndarray:
    """(steps, N, 3) positions while the peg heads for one block after the other."""
    env.reset(seed=seed)
    out = []
    for step in range(steps):
        scene = env.scene()
        env.step(0.2 * (scene.positions[step // 10, :2] - scene.effector[:2]))
        out.append(env.scene().positions)
    return np.array(out)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
def test_gymnasium_accepts_it() -> None:
    class Plain(gymnasium.Wrapper):
        """Without the scene state in the info, which the checker cannot compare."""

        def reset(self, **kwargs: Any) -> tuple[dict, dict]:
            return self.env.reset(**kwargs)[0], {}

        def step(self, action: np.ndarray) -> tuple[dict, Any, bool, bool, dict]:
            return (*self.env.step(action)[:4], {})

    env = LangTableEnv()
    check_env(Plain(env), skip_render_check=True)
    env.close()


def test_episodes_depend_on_the_seed_alone(env: LangTableEnv) -> None:
    first = rollout(env, 5)
    assert np.ptp(first, axis=0).max() > 0.01, "no block moved, the comparison would be empty"
    rollout(env, 6)
    np.testing.assert_array_equal(rollout(env, 5), first)
    np.testing.assert_array_equal(rollout(env, 5), first)
    fresh = LangTableEnv(images=False)
    np.testing.assert_array_equal(rollout(fresh, 5), first)
    fresh.close()
    assert np.abs(rollout(env, 6) - first).max() > 0.01


def test_reset_without_a_seed_goes_on_in_the_stream(env: LangTableEnv) -> None:
    env.reset(seed=3)
    env.reset()
    second = env.scene().effector[:2]
    stream = np.random.RandomState(3)
    draw_layout(stream, 8)
    np.testing.assert_allclose(second, draw_layout(stream, 8).peg)


@pytest.mark.parametrize("objects", [*OBJECT_SETS.values(), ("purple star", "red cube")])
def test_any_set_of_blocks(env: LangTableEnv, objects: tuple[str, ...]) -> None:
    _, info = env.reset(seed=0, options={"objects": objects})
    assert info["scene"].names == objects
    assert env.scene().positions.shape == (len(objects), 3)
    np.testing.assert_allclose(env.scene().positions[:, 2], 0, atol=1e-3)


@pytest.mark.parametrize("objects", [("red sphere",), ("red moon", "red moon"), ()])
def test_unknown_blocks_are_refused(env: LangTableEnv, objects: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        env.reset(seed=0, options={"objects": objects})


@pytest.mark.parametrize("action", [np.array([np.nan, 0]), np.array([np.inf, 0]), np.zeros(3), np.zeros((1, 2)), 0.01])
def test_absurd_actions_are_refused_and_change_nothing(env: LangTableEnv, action: np.ndarray) -> None:
    env.reset(seed=0)
    before = env.scene().effector
    with pytest.raises(SwmError):
        env.step(action)
    np.testing.assert_array_equal(env.scene().effector, before)


def test_a_step_before_reset_is_refused() -> None:
    env = LangTableEnv(images=False)
    with pytest.raises(BridgeError, match="reset"):
        env.step(np.zeros(2))
    env.close()


def test_actions_add_to_the_command_and_are_clipped(env: LangTableEnv) -> None:
    env.reset(seed=0)
    start = env.scene().effector[:2]
    env.step(np.array([0.01, -1.0]))
    np.testing.assert_allclose(env.scene().effector[:2], start + np.array([0.01, -0.03]))
    for _ in range(30):
        env.step(np.array([0.03, 0.03]))
    np.testing.assert_array_equal(env.scene().effector[:2], [0.6, 0.3048])


def test_images_only_when_asked_for(env: LangTableEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    seeing = LangTableEnv(images=True)
    observation, _ = seeing.reset(seed=0)
    assert observation["image"].shape == (180, 320, 3)
    assert observation["image"].dtype == np.uint8
    assert seeing.observation_space.contains(observation)
    seeing.close()

    def no_render(_: World) -> None:
        raise AssertionError("rendered without being asked")

    monkeypatch.setattr(World, "render", no_render)
    assert env.reset(seed=0)[0] == {}
    assert env.step(np.zeros(2))[0] == {}


def test_contact_of_peg_and_block(stage: World) -> None:
    put(stage, (0.3, 0.0), {"cube": (0.4, 0.0, 0.0)})
    assert not stage.contacts().any()
    push(stage, {"cube": (0.4, 0.0, 0.0)}, (0.34, 0.0), (0.01, 0.0), 4)
    touching = stage.contacts()
    assert touching[1, -1], "the peg pushes the cube"
    assert touching[-1, 1], "and the cube the peg"
    assert touching.sum() == 2
    assert np.isclose(stage.peg()[0], stage.command[0] - 0.0014, atol=0.006)


def test_contact_of_resting_blocks_is_seen_while_they_are_held(stage: World) -> None:
    put(stage, (0.55, -0.28), {"cube": (0.3, 0.0, 0.0), "star": (0.3, 0.039, 0.0)})
    stage.move(np.zeros(2))
    stage.move(np.zeros(2))
    touching = stage.contacts()
    assert touching[1, 2]
    assert touching[2, 1]
    assert touching.sum() == 2


def test_a_pushed_block_pushes_a_block_that_was_held(stage: World) -> None:
    final = push(stage, {"cube": (0.4, 0, 0), "pentagon": (0.47, 0, 0)}, (0.3, 0.0), (0.02, 0.0), 9)
    assert final["pentagon"][0] > 0.5


def test_snapshots_restore_exactly(env: LangTableEnv) -> None:
    env.reset(seed=5)
    for _ in range(8):
        scene = env.scene()
        env.step(0.3 * (scene.positions[0, :2] - scene.effector[:2]))
    snapshot = env.save_state()

    def future() -> np.ndarray:
        out = []
        for step in range(12):
            env.step(np.array([0.012, 0.01 * (-1) ** step]))
            out.append(np.concatenate([env.scene().positions.ravel(), env.scene().effector, env.world.peg()]))
        return np.array(out)

    first = future()
    assert np.ptp(first[:, :24], axis=0).max() > 1e-3, "no block moved, the comparison would be empty"
    for _ in range(2):
        env.restore_state(snapshot)
        np.testing.assert_allclose(future(), first, rtol=0, atol=1e-12)
    env.restore_state(snapshot)
    env.release_state(snapshot)
    env.reset(seed=5)
    with pytest.raises(BridgeError, match="earlier episode"):
        env.restore_state(snapshot)


def test_a_layout_without_room_is_an_error() -> None:
    with pytest.raises(BridgeError, match="no free place"):
        draw_layout(np.random.RandomState(0), 2000)


def test_start_places_what_was_drawn(stage: World) -> None:
    poses = np.array([[0.3, 0.1, 0.3], [0.4, 0.1, 1.0], [0.5, 0.1, 2.0], [0.3, -0.1, -1.0]])
    stage.start(Layout(np.array([0.45, -0.1]), poses))
    positions, yaws, tilts = stage.poses()
    np.testing.assert_allclose(positions[:, :2], poses[:, :2], atol=5e-4)
    np.testing.assert_allclose(yaws, poses[:, 2], atol=0.01)
    assert tilts.min() > 0.9999


def test_the_entry_makes_the_environment() -> None:
    made = LANGTABLE.make(images=False)
    assert isinstance(made, gymnasium.Env)
    assert made.environment_spec is LANGTABLE.spec
    made.close()


def test_a_pushed_block_counts_as_touched_in_every_period_of_the_push() -> None:
    env = LangTableEnv(images=False)
    env.reset(seed=0, options={"objects": ("green star",)})
    env._world.command = np.array([0.35, 0.0])
    env._world.place(0, 0.42, 0.0, 0.0)
    for _ in range(10):  # the arm comes to rest over its command
        env.step(np.zeros(2))
    touched, moved = [], []
    for _ in range(6):
        before = env.scene().positions[0]
        env.step(np.array([0.02, 0.0]))
        scene = env.scene()
        touched.append(bool(scene.contacts[-1, 0]))
        moved.append(bool(np.linalg.norm(scene.positions[0] - before) > 0.01))
    env.close()
    assert any(moved)
    assert not any(m and not t for m, t in zip(moved, touched, strict=True))
