# SPDX-License-Identifier: Apache-2.0
"""OGBench's cubes as a Gymnasium environment with a typed scene state."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from sim_bridges.ogbench.rendering import RENDERING, RenderSettings
from sim_bridges.ogbench.specification import (
    CAMERA,
    CONTROL_RATE,
    DEFAULT_BACKGROUND,
    SPECIFICATION,
    find_background,
    validate_objects,
)
from sim_bridges.ogbench.world import CubeWorld
from swm_core.environment import EnvironmentSpec
from swm_core.errors import BridgeError
from swm_core.scene import SceneState

LOW, HIGH = np.array(SPECIFICATION.action_low), np.array(SPECIFICATION.action_high)


class OgbenchEnv(gymnasium.Env):
    """Cubes on a table, grasped by a robot arm; the simulation is the `ogbench` package's.

    Actions are (5,) float32: dx, dy, dz in m and dyaw in rad, added to the gripper's present pose, and the change of
    its opening (1 closes it in full). The arm lags behind: of 25 mm asked for it does about 20 in a step. An action of
    zero holds arm and grip where they were sent. There is no reward and no end: tasks are questions about the scene.
    `info["target"]` is where the last action sent the gripper, (3,) m.

    The first frame binds the environment to its thread: frames and `close` must then come from the same one.
    """

    environment_spec: EnvironmentSpec = SPECIFICATION
    # Annotated as in gymnasium.Env, which declares a plain class attribute.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": CONTROL_RATE}  # noqa: RUF012

    def __init__(
        self,
        *,
        images: bool = True,
        objects: tuple[str, ...] | None = None,
        background: str = DEFAULT_BACKGROUND,
        rendering: RenderSettings = RENDERING,
    ) -> None:
        """Choose cubes and looks; the simulation is built at the first reset.

        Args:
            images: whether observations carry frames; without them nothing is drawn unless `render` is called.
            objects: names of the cubes; by default the first object set.
            background: colours of floor and sky, one of `BACKGROUNDS`.
            rendering: how frames are drawn; other sizes and cameras than the default do not fit `environment_spec`.

        Raises:
            ConfigError: an unknown cube or background.
        """
        self.images = images
        self.render_mode = "rgb_array"
        self.action_space = gymnasium.spaces.Box(LOW.astype(np.float32), HIGH.astype(np.float32))
        frame = gymnasium.spaces.Box(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({"image": frame} if images else {})
        self._default = validate_objects(objects or SPECIFICATION.default_objects)
        find_background(background)
        self._background = background
        self._world = CubeWorld(self._default, background, rendering)
        self._begun = False

    @property
    def world(self) -> CubeWorld:
        """The simulation itself, for scripted behaviours."""
        return self._world

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Begin an episode.

        Args:
            seed: begins a new stream of layouts, of which the first is taken; without one the next of the stream.
            options: {"objects": (names...)} chooses the cubes of this episode, {"background": name} its colours;
                without them those given at construction. Another number of cubes or background takes seconds.

        Raises:
            ConfigError: an unknown cube or background, or one cube twice.
        """
        options = options or {}
        objects = validate_objects(options.get("objects", self._default))  # before anything changes
        background = options.get("background", self._background)
        find_background(background)
        super().reset(seed=seed)
        self._world.rebuild(objects, background)
        self._world.reset(seed=seed)
        self._begun = True
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Advance 0.1 s.

        Args:
            action: (5,) dx, dy, dz in m, dyaw in rad, change of the opening; clipped to the bounds.

        Raises:
            BridgeError: the action has another shape or is not finite, or reset was not called.
        """
        if not self._begun:
            raise BridgeError("reset the environment before the first step")
        wanted = np.asarray(action, float)
        if wanted.shape != LOW.shape or not np.isfinite(wanted).all():
            raise BridgeError(f"an action must be five finite numbers (m, m, m, rad, 1), got {action!r}")
        self._world.advance(np.clip(wanted, LOW, HIGH))
        return self._observation(), 0.0, False, False, self._info()

    def _observation(self) -> dict:
        return {"image": self.render()} if self.images else {}

    def _info(self) -> dict:
        return {"scene": self.scene(), "target": self._world.target}

    def render(self) -> np.ndarray:
        """(224, 244, 3) uint8 RGB frame of the present state.

        Raises:
            BridgeError: nothing can draw here, this is another thread than the first frame's, or reset was not called.
        """
        if not self._begun:
            raise BridgeError("reset the environment before the first frame")
        return self._world.draw()

    def scene(self) -> SceneState:
        """Scene state now; a cube's position is its centre."""
        return self._world.scene()

    def close(self) -> None:
        """Free what draws."""
        self._world.release()
