# SPDX-License-Identifier: Apache-2.0
"""Frames: what they show and where, how long they take, on which thread, and what is said where nothing can draw."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sim_bridges.ogbench import rendering
from sim_bridges.ogbench.env import OgbenchEnv
from sim_bridges.ogbench.rendering import RENDERING, Renderer, RenderSettings, choose_backend
from sim_bridges.ogbench.specification import BACKGROUNDS, CAMERA, CUBES, SPECIFICATION
from sim_bridges.ogbench.world import CubeWorld
from swm_core.errors import BridgeError, ConfigError

LEAST_RATE = 15.0  # frames a second of one core


@pytest.fixture(scope="module")
def seeing() -> Iterator[OgbenchEnv]:
    environment = OgbenchEnv()
    environment.reset(seed=2)
    yield environment
    environment.close()


@pytest.fixture
def choosing() -> Iterator[None]:
    """The choice of a backend is made anew, within the test and after it."""
    choose_backend.cache_clear()
    yield
    choose_backend.cache_clear()


def test_cubes_are_seen_where_the_camera_projects_them(seeing: OgbenchEnv) -> None:
    """Of each cube the pixels change when it is taken away; their middle is near its centre's projection.

    Not nearer than a third of its width: its dark sides change little.
    """
    observation, info = seeing.reset(seed=2)
    image, scene = observation["image"], info["scene"]
    assert image.shape == (CAMERA.height, CAMERA.width, 3)
    assert image.dtype == np.uint8
    assert seeing.observation_space.contains(observation)
    for index in range(len(CUBES)):
        seeing.world.place(index, (-2.0, 0.0, 0.02))
        changed = np.abs(seeing.render().astype(int) - image).max(-1) > 60
        x, y, z = scene.positions[index]
        seeing.world.place(index, (x, y, z), scene.yaws[index])
        rows, columns = np.nonzero(changed)
        middle = CAMERA.project(scene.positions[index])
        near = np.hypot(columns + 0.5 - middle[0], rows + 0.5 - middle[1]) < 20
        assert near.sum() > 40
        np.testing.assert_allclose(
            [np.median(columns[near]) + 0.5, np.median(rows[near]) + 0.5], middle, atol=6.0, err_msg=CUBES[index]
        )


def test_the_camera_is_the_models(seeing: OgbenchEnv) -> None:
    data, camera = seeing.world.data, seeing.world.model.camera(RENDERING.camera).id
    np.testing.assert_allclose(data.cam_xpos[camera], CAMERA.position, atol=1e-6)
    right, up, back = data.cam_xmat[camera].reshape(3, 3).T
    np.testing.assert_allclose([right, -up, -back], CAMERA.rotation, atol=1e-6)
    half = np.radians(seeing.world.model.cam_fovy[camera]) / 2
    np.testing.assert_allclose(CAMERA.height / 2 / CAMERA.focal, np.tan(half))


def test_frames_are_fast_enough(seeing: OgbenchEnv) -> None:
    seeing.reset(seed=0)
    times = []
    for _ in range(15):
        begun = time.process_time()
        seeing.step(0.2 * np.array(SPECIFICATION.action_high))
        times.append(time.process_time() - begun)
    assert min(times) < 1 / LEAST_RATE, f"{1000 * np.median(times):.0f} ms a step and frame"


def test_images_only_when_asked_for(env: OgbenchEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_frame(*_: object) -> None:
        raise AssertionError("drawn without being asked")

    monkeypatch.setattr(CubeWorld, "draw", no_frame)
    assert env.reset(seed=0)[0] == {}
    assert env.step(np.zeros(5))[0] == {}


def test_another_thread_than_the_first_frames_is_refused(seeing: OgbenchEnv) -> None:
    seeing.render()
    with ThreadPoolExecutor(1) as other:
        for call in (seeing.render, seeing.close):
            with pytest.raises(BridgeError, match="thread"):
                other.submit(call).result()
    seeing.render()


def test_one_thread_may_do_it_all_and_the_first_frame_decides(env: OgbenchEnv) -> None:
    env.reset(seed=0)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(env.render).result().any()
        other.submit(env.close).result()
    assert env.render().any()
    env.close()


def test_backgrounds_change_the_picture_and_nothing_else(env: OgbenchEnv) -> None:
    frames, states = {}, {}
    for name in BACKGROUNDS:
        env.reset(seed=4, options={"background": name})
        env.step(np.array([0.02, 0.0, -0.02, 0.1, 0.5]))
        frames[name], states[name] = env.render().astype(float), env.world.data.qpos.copy()
    env.reset(seed=4)
    first, *others = BACKGROUNDS
    for name in others:
        np.testing.assert_array_equal(states[name], states[first])
        assert np.abs(frames[name] - frames[first]).mean() > 10
    env.close()


def test_coarse_meshes_are_drawn_alike_and_felt_the_same(env: OgbenchEnv) -> None:
    fine = OgbenchEnv(images=False, rendering=RenderSettings(cell=0.0))
    frames, states = [], []
    for each in (env, fine):
        each.reset(seed=7)
        for _ in range(8):
            each.step(np.array([0.0, 0.0, -0.05, 0.2, 1.0]))
        frames.append(each.render().astype(float))
        states.append(each.world.data.qpos.copy())
        each.close()
    np.testing.assert_array_equal(*states)
    assert env.world.triangles < 0.25 * fine.world.triangles
    assert np.abs(frames[0] - frames[1]).mean() < 2.5


def test_the_choice_is_said_and_obeys_the_variable(
    choosing: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda name: f"lib{name}.so")
    for wanted, chosen in (("osmesa", "osmesa"), ("egl", "egl"), ("glfw", "egl"), ("", "egl")):
        choose_backend.cache_clear()
        monkeypatch.setenv("MUJOCO_GL", wanted)
        with caplog.at_level(logging.INFO):
            assert choose_backend() == chosen
        assert caplog.messages[-1] == f"frames are drawn by {chosen}"


def test_osmesa_is_taken_where_egl_is_missing(choosing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda name: name if name == "OSMesa" else None)
    assert choose_backend() == "osmesa"


def test_where_nothing_can_draw_the_packages_are_named(
    env: OgbenchEnv, choosing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.reset(seed=0)
    env.close()
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(BridgeError, match=r"libegl1.*libosmesa6"):
        env.render()
    assert env.step(np.zeros(5))[0] == {}, "physics needs no library to draw"


def test_a_library_that_cannot_draw_is_told(env: OgbenchEnv, choosing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise OSError("no such device")

    env.reset(seed=0)
    monkeypatch.setattr(rendering.importlib, "import_module", broken)
    with pytest.raises(BridgeError, match=r"cannot draw here \(no such device"):
        Renderer(env.world.model)


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"width": 0}, {"samples": -1}, {"cell": 0.5}):
        with pytest.raises(ConfigError):
            RenderSettings(**wrong)
