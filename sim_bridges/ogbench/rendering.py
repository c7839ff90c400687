# SPDX-License-Identifier: Apache-2.0
"""Drawing without a screen: which OpenGL library does it, how the picture is made, and on which thread.

The cost of a frame is that of the robot's meshes, once for the picture and once for its shadows, more than that of its
pixels. Shadows are worth their time: they show how high the gripper is. Training and evaluation must use the same
settings; a picture without shadows is darker too.
"""

from __future__ import annotations

import ctypes.util
import importlib
import logging
import os
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import mujoco
import numpy as np

from sim_bridges.ogbench.specification import CAMERA_NAME, HEIGHT, WIDTH
from swm_core.errors import BridgeError, ConfigError

# MuJoCo's name of a backend -> the library that it needs and the Debian packages that hold it; the first is preferred.
BACKENDS = {
    "egl": ("EGL", "libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0"),
    "osmesa": ("OSMesa", "libosmesa6"),
}


@dataclass(frozen=True)
class RenderSettings:
    """How a frame is drawn; the defaults are those of all data, training and evaluation.

    Attributes:
        width: px.
        height: px.
        camera: the model's camera.
        shadows: whether the sun casts shadows, which takes further passes over all meshes.
        shadow_size: edge of the shadow map, px.
        samples: samples a pixel against jagged edges; 0 for none.
        cell: m; vertices of the robot's visual meshes nearer than about this are joined, 0 keeps them all.
    """

    width: int = WIDTH
    height: int = HEIGHT
    camera: str = CAMERA_NAME
    shadows: bool = True
    shadow_size: int = 512
    samples: int = 0
    cell: float = 0.004

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if min(self.width, self.height, self.shadow_size) < 1 or self.samples < 0 or not 0.0 <= self.cell < 0.1:
            raise ConfigError(f"sizes must be at least 1, samples at least 0, cell within 0 and 0.1 m: {self}")


RENDERING = RenderSettings()


@cache
def choose_backend() -> str:
    """Which of MuJoCo's backends draws here: that of MUJOCO_GL if it needs no screen, else the first one installed.

    Raises:
        BridgeError: neither library is installed; names the Debian packages.
    """
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    names = [wanted] if wanted in BACKENDS else list(BACKENDS)
    for name in names:
        if ctypes.util.find_library(BACKENDS[name][0]):
            logging.getLogger(__name__).info("frames are drawn by %s", name)
            return name
    packages = " or ".join(f"{name}: {BACKENDS[name][1]}" for name in names)
    raise BridgeError(f"no OpenGL library to draw without a screen; install the Debian packages for {packages}")


def _context(backend: str, width: int, height: int) -> Any:
    """An OpenGL context of MuJoCo for this thread.

    Raises:
        BridgeError: the library is there but cannot draw.
    """
    try:
        return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
    except Exception as error:  # PyOpenGL raises its own and the loader's
        packages = BACKENDS[backend][1]
        raise BridgeError(f"{backend} cannot draw here ({error}); its Debian packages: {packages}") from error


class Renderer:
    """Draws one model; made, used and closed on one thread, to which its OpenGL context belongs.

    Attributes:
        backend: which library draws ("egl" or "osmesa").
    """

    def __init__(self, model: mujoco.MjModel, settings: RenderSettings = RENDERING) -> None:
        """Make the context and upload the model's meshes and textures.

        Raises:
            BridgeError: nothing can draw without a screen here.
        """
        self.backend = choose_backend()
        self._model, self._settings, self._thread = model, settings, threading.get_ident()
        model.vis.quality.offsamples, model.vis.quality.shadowsize = settings.samples, settings.shadow_size
        model.vis.global_.offwidth, model.vis.global_.offheight = settings.width, settings.height
        self._gl = _context(self.backend, settings.width, settings.height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene, self._option = mujoco.MjvScene(model, maxgeom=1000), mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera(settings.camera).id
        self._rectangle = mujoco.MjrRect(0, 0, settings.width, settings.height)

    def draw(self, data: mujoco.MjData) -> np.ndarray:
        """(height, width, 3) uint8 RGB frame of a state.

        Raises:
            BridgeError: called on another thread than the one that made it.
        """
        self._check_thread()
        self._gl.make_current()
        every = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._camera, every, self._scene)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self._settings.shadows
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        image = np.empty((self._settings.height, self._settings.width, 3), np.uint8)
        mujoco.mjr_readPixels(image, None, self._rectangle, self._context)
        return np.ascontiguousarray(image[::-1])  # OpenGL begins at the bottom

    def close(self) -> None:
        """Free the context.

        Raises:
            BridgeError: called on another thread than the one that made it.
        """
        self._check_thread()
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def _check_thread(self) -> None:
        here = threading.get_ident()
        if here != self._thread:
            raise BridgeError(
                f"the renderer belongs to thread {self._thread} and was used from {here}; make, draw and close the "
                "environment on one thread"
            )
