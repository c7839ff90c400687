# SPDX-License-Identifier: Apache-2.0
"""Contacts, pushes and gaps of scenes that are made in the simulator: grips, side pushes, near misses, stacks."""

import mujoco
import numpy as np
import pytest

from sim_bridges.ogbench.env import OgbenchEnv
from sim_bridges.ogbench.specification import CUBE_SIZE
from swm_core.scene import SceneState
from swm_core.tasks import OGBENCH_QUESTIONS, find_type

RED, BLUE = 0, 1
FAR = ((0.32, -0.28), (0.32, 0.28))


def told(kind: str, scene: SceneState, *names: str) -> bool:
    question_type = find_type(kind, OGBENCH_QUESTIONS)
    return bool(question_type.truth(scene, scene)[0][question_type.instance_index(scene.names, names)])


def lonely(env: OgbenchEnv, seed: int = 0) -> None:
    """An episode whose yellow and green cubes are out of the way."""
    env.reset(seed=seed)
    for index, (x, y) in zip((2, 3), FAR, strict=True):
        env.world.place(index, (x, y, CUBE_SIZE / 2))


def drive(env: OgbenchEnv, goal: tuple[float, float, float], grip: float, steps: int = 25) -> list[SceneState]:
    """Lead the gripper to a point, opening or closing it all the while."""
    scenes = []
    for _ in range(steps):
        offset = np.clip(np.array(goal) - env.scene().effector, -0.04, 0.04)
        env.step(np.array([*offset, 0.0, grip]))
        scenes.append(env.scene())
    return scenes


def test_the_scene_is_of_this_instant(env: OgbenchEnv) -> None:
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.array([0.03, 0.03, -0.03, 0.1, 1.0]))
    fresh = mujoco.MjData(env.world.model)
    fresh.qpos[:] = env.world.data.qpos
    mujoco.mj_forward(env.world.model, fresh)
    pinch = env.world.model.site("ur5e/robotiq/pinch").id
    np.testing.assert_allclose(env.scene().effector, fresh.site_xpos[pinch], atol=1e-12)
    assert np.abs(env.world.data.site_xpos[pinch] - fresh.site_xpos[pinch]).max() > 1e-5, "MuJoCo's is no longer late"


def test_yaws_are_those_of_the_cubes(env: OgbenchEnv) -> None:
    lonely(env)
    for yaw in (-2.0, 0.3, 3.0):
        env.world.place(RED, (0.4, 0.0, 0.02), yaw)
        np.testing.assert_allclose(env.scene().yaws[RED], yaw, atol=1e-9)


@pytest.mark.parametrize(
    ("rise", "aside", "touching"), [(0.0399, 0.0, True), (0.041, 0.0, False), (0.0399, 0.05, False)]
)
def test_cubes_touch_when_their_faces_do(env: OgbenchEnv, rise: float, aside: float, touching: bool) -> None:
    lonely(env)
    env.world.place(BLUE, (0.45, 0.0, 0.02))
    env.world.place(RED, (0.45, aside, 0.02 + rise))
    scene = env.scene()
    assert scene.contacts[RED, BLUE] == scene.contacts[BLUE, RED] == touching
    assert told("block_on_top", scene, "red cube", "blue cube") is touching
    assert not told("block_on_top", scene, "blue cube", "red cube")


def test_a_grip_is_two_opposite_pushes(env: OgbenchEnv) -> None:
    """The gripper comes down open around a cube (a near miss), then closes."""
    lonely(env)
    x, y = 0.42, 0.05
    drive(env, (x, y, 0.15), -1.0)
    yaw = float(env.world.compute_ob_info()["proprio/effector_yaw"][0])
    env.world.place(RED, (x, y, 0.02), yaw)
    around = drive(env, (x, y, 0.025), -1.0)[-1]
    assert not around.contacts[RED, -1]
    assert 0.005 < around.gaps[RED] < 0.04
    assert not told("gripper_touching_block", around, "red cube")
    held = drive(env, (x, y, 0.025), 1.0, 10)[-1]
    assert told("gripper_touching_block", held, "red cube")
    assert told("cube_grasped", held, "red cube")
    assert held.gaps[RED] == 0.0
    assert not told("cube_grasped", held, "blue cube")
    lifted = drive(env, (x, y, 0.15), 1.0, 10)[-1]
    assert lifted.positions[RED, 2] > 0.08
    assert told("cube_grasped", lifted, "red cube")
    left = drive(env, (x, y, 0.15), -1.0, 10)[-1]
    assert not told("gripper_touching_block", left, "red cube")


def test_a_closed_gripper_that_pushes_a_cube_along_does_not_grasp_it(env: OgbenchEnv) -> None:
    """With both fingers on the same face, from either side that the closed gripper has."""
    both = 0
    for turn in (0.0, np.pi / 2):
        lonely(env)
        drive(env, (0.42, -0.1, 0.1), 1.0)
        yaw = float(env.world.compute_ob_info()["proprio/effector_yaw"][0]) + turn
        heading = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        middle = np.array([0.42, 0.0, 0.025])
        drive(env, tuple(middle - 0.07 * heading), 1.0)
        env.world.place(RED, (0.42, 0.0, 0.02), yaw)
        env.world.place(BLUE, (0.55, 0.28, 0.02))
        scenes = drive(env, tuple(middle + 0.05 * heading), 1.0, 15)
        assert any(told("gripper_touching_block", scene, "red cube") for scene in scenes)
        assert np.linalg.norm(scenes[-1].positions[RED] - (0.42, 0.0, 0.02)) > 0.02, "the cube was not pushed"
        both += sum(bool(scene.fingers[:, RED].any(-1).all()) for scene in scenes)
        assert not any(told("cube_grasped", scene, "red cube") for scene in scenes)
    assert both, "never did both fingers push; the test would be empty"


def test_the_gap_is_the_way_to_the_nearest_finger(env: OgbenchEnv) -> None:
    lonely(env)
    drive(env, (0.42, 0.0, 0.2), 1.0)
    tip = drive(env, (0.42, 0.0, 0.2), 1.0, 5)[-1].effector
    env.world.place(RED, (float(tip[0]), float(tip[1]), 0.02))
    near = env.scene().gaps[RED]
    env.world.place(RED, (float(tip[0]), float(tip[1]), 0.07))
    np.testing.assert_allclose(near - env.scene().gaps[RED], 0.05, atol=1e-3)
