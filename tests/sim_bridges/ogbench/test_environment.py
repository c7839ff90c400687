# SPDX-License-Identifier: Apache-2.0
"""The Gymnasium interface, determinism, layouts, holding, and what it refuses."""

import socket
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sim_bridges.ogbench import BACKGROUNDS, OBJECT_SETS, OGBENCH
from sim_bridges.ogbench.behaviours import StackExpert
from sim_bridges.ogbench.env import OgbenchEnv
from sim_bridges.ogbench.layout import MIN_DISTANCE, draw_layout
from sim_bridges.ogbench.specification import CAMERA, CUBE_SIZE, DEFAULT_BACKGROUND, SPECIFICATION
from sim_bridges.ogbench.world import CubeWorld
from swm_core.environment import load_environment
from swm_core.errors import BridgeError, ConfigError, SwmError

HOLD = np.zeros(5, np.float32)


def rollout(env: OgbenchEnv, seed: int, steps: int = 12, look: bool = True) -> np.ndarray:
    """(steps, ...) effector and cubes under random actions; `look` asks for the scene after every step."""
    env.reset(seed=seed)
    rng, out = np.random.default_rng(seed), []
    for _ in range(steps):
        env.world.advance(rng.uniform(-1, 1, 5) * SPECIFICATION.action_high)
        if look:
            env.scene()
        out.append(env.world.data.qpos.copy())
    return np.array(out)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version", "ignore:.*symmetric and normalized")
def test_gymnasium_accepts_it() -> None:
    class Plain(gymnasium.Wrapper):
        """Without the scene state in the info, which the checker cannot compare."""

        def reset(self, **kwargs: Any) -> tuple[dict, dict]:
            return self.env.reset(**kwargs)[0], {}

        def step(self, action: np.ndarray) -> tuple[dict, Any, bool, bool, dict]:
            return (*self.env.step(action)[:4], {})

    env = OgbenchEnv()
    check_env(Plain(env), skip_render_check=True)
    env.close()


def test_the_entry_is_as_the_paper_says() -> None:
    spec = OGBENCH.spec
    assert (spec.control_period, spec.episode_steps) == (0.1, 200)
    assert (spec.camera.height, spec.camera.width) == (224, 244)
    assert spec.action_names == ("dx", "dy", "dz", "dyaw", "gripper")
    assert OGBENCH.names == next(iter(OBJECT_SETS.values())) == ("red cube", "blue cube", "yellow cube", "green cube")
    made = OGBENCH.make(images=False)
    assert made.environment_spec is spec
    made.close()


def test_episodes_depend_on_the_seed_alone(env: OgbenchEnv) -> None:
    first = rollout(env, 5)
    assert np.ptp(first[:, :6], axis=0).max() > 0.1, "the arm did not move, the comparison would be empty"
    rollout(env, 6)
    np.testing.assert_array_equal(rollout(env, 5), first)
    fresh = OgbenchEnv(images=False)
    np.testing.assert_array_equal(rollout(fresh, 5), first)
    assert np.abs(rollout(fresh, 6) - first).max() > 0.1


def test_asking_for_the_truth_changes_nothing(env: OgbenchEnv) -> None:
    np.testing.assert_array_equal(rollout(env, 5, look=True), rollout(env, 5, look=False))


def test_reset_without_a_seed_goes_on_in_the_stream(env: OgbenchEnv) -> None:
    def second() -> np.ndarray:
        env.reset(seed=3)
        first = env.scene().positions
        env.reset()
        assert np.abs(env.scene().positions - first).max() > 0.01
        return env.scene().positions

    np.testing.assert_array_equal(second(), second())


def test_layouts_leave_room_between_cubes() -> None:
    for seed in range(300):
        poses = draw_layout(np.random.default_rng(seed), 4)
        gaps = np.linalg.norm(poses[:, None, :2] - poses[:, :2], axis=-1)[np.triu_indices(4, 1)]
        assert gaps.min() >= MIN_DISTANCE > CUBE_SIZE * 2**0.5
    with pytest.raises(BridgeError, match="no free place"):
        draw_layout(np.random.default_rng(0), 200)


def test_an_episode_begins_at_rest_and_apart(env: OgbenchEnv) -> None:
    for seed in range(5):
        env.reset(seed=seed)
        scene = env.scene()
        assert not scene.contacts.any()
        assert scene.gripper < 0.01
        np.testing.assert_allclose(scene.positions[:, 2], CUBE_SIZE / 2, atol=1e-6)
        assert (CAMERA.project(scene.effector) > 0).all()
        assert (CAMERA.project(scene.effector) < (CAMERA.width, CAMERA.height)).all()


def test_an_action_of_zero_holds(env: OgbenchEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    def sunk() -> float:
        env.reset(seed=0)
        start = env.scene().effector
        for _ in range(30):
            env.step(HOLD)
        return float(np.abs(env.scene().effector - start).max())

    assert sunk() < 0.01
    monkeypatch.setattr(CubeWorld, "set_control", CubeWorld.__mro__[1].set_control)
    assert sunk() > 0.05, "the package's own control holds: this world need not do otherwise"


def test_zero_keeps_a_grip(env: OgbenchEnv) -> None:
    env.reset(seed=0)
    expert = StackExpert(("red cube", "blue cube"))
    expert.reset(env, 0)
    grasped = 0
    while grasped < 5:
        env.step(expert.act(env.scene()))
        grasped += bool(env.scene().positions[0, 2] > 0.05)
    squeeze = env.world.data.actuator("ur5e/robotiq/fingers_actuator").ctrl.copy()
    for _ in range(20):
        env.step(HOLD)
    scene = env.scene()
    np.testing.assert_array_equal(env.world.data.actuator("ur5e/robotiq/fingers_actuator").ctrl, squeeze)
    assert scene.positions[0, 2] > 0.04
    assert (scene.fingers[0, 0] @ scene.fingers[1, 0]) < -0.9


def test_actions_move_the_gripper_the_way_they_say(env: OgbenchEnv) -> None:
    for axis in range(3):
        env.reset(seed=1)
        start = env.scene().effector
        for _ in range(4):
            env.step(0.02 * np.eye(5)[axis])
        moved = env.scene().effector - start
        assert moved[axis] > 0.04
        assert np.abs(np.delete(moved, axis)).max() < 0.025
    for _ in range(6):
        _, _, _, _, info = env.step(np.eye(5)[4])
    assert info["scene"].gripper > 0.9
    np.testing.assert_allclose(info["target"], env.scene().effector, atol=0.03)


@pytest.mark.parametrize("objects", [("yellow cube",), ("green cube", "red cube")])
def test_any_set_of_cubes(env: OgbenchEnv, objects: tuple[str, ...]) -> None:
    _, info = env.reset(seed=0, options={"objects": objects})
    assert info["scene"].names == objects
    assert env.scene().positions.shape == (len(objects), 3)
    env.reset(seed=0)
    assert len(env.scene().names) == 4


@pytest.mark.parametrize("objects", [("red sphere",), ("red cube", "red cube"), ()])
def test_unknown_cubes_and_backgrounds_are_refused(env: OgbenchEnv, objects: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        env.reset(seed=0, options={"objects": objects})
    with pytest.raises(ConfigError, match="background"):
        env.reset(seed=0, options={"background": "tartan"})
    with pytest.raises(ConfigError, match="background"):
        OgbenchEnv(background="tartan")


@pytest.mark.parametrize("action", [np.full(5, np.nan), np.array([np.inf, 0, 0, 0, 0]), np.zeros(2), 0.01])
def test_absurd_actions_are_refused_and_change_nothing(env: OgbenchEnv, action: np.ndarray) -> None:
    env.reset(seed=0)
    before = env.world.data.qpos.copy()
    with pytest.raises(SwmError):
        env.step(action)
    np.testing.assert_array_equal(env.world.data.qpos, before)


def test_what_needs_a_reset_says_so() -> None:
    env = OgbenchEnv(images=False)
    for call in (lambda: env.step(HOLD), env.render):
        with pytest.raises(BridgeError, match="reset"):
            call()


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    env = OGBENCH.make(images=False, objects=("red cube",))
    env.reset(seed=0)
    env.step(HOLD)
    env.close()
    assert not (tmp_path / ".ogbench").exists()


def test_other_backgrounds_are_variants_of_the_environment() -> None:
    entry = load_environment("ogbench")
    assert set(entry.variants) == set(BACKGROUNDS) - {DEFAULT_BACKGROUND}
    assert load_environment("ogbench:pine").spec == entry.spec
    assert load_environment("ogbench:pine").make(images=False).world.background == "pine"
    for wrong in ("ogbench:tartan", "ogbench:", "langtable:pine"):
        with pytest.raises(ConfigError, match="no variant"):
            load_environment(wrong)
