# SPDX-License-Identifier: Apache-2.0
"""The package's cube environment as a simulated table: moved by actions, asked about contacts, drawn.

Of the package's environment are used the robot, the cubes, the physics and the controller (an action is added to the
present pose of the gripper). Four things are otherwise: layouts do not overlap, an action of zero holds, nothing is
drawn unless asked for, and what is true is computed in a copy of the state.
"""

from __future__ import annotations

import warnings

import mujoco
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the package imports a viewer, which complains that there is no screen
    from ogbench.manipspace.envs.cube_env import CubeEnv

from sim_bridges.ogbench.layout import draw_layout
from sim_bridges.ogbench.meshes import coarsen
from sim_bridges.ogbench.rendering import RENDERING, Renderer, RenderSettings
from sim_bridges.ogbench.specification import ACTION_LIMITS, CONTROL_RATE, CUBE_SIZE, find_background
from sim_bridges.ogbench.truth import Truth
from swm_core.scene import SceneState

# Where the gripper is at first and goes at last: the package's range, but for the sides, which the camera does not see.
ARM_LOW, ARM_HIGH = (0.25, -0.22, 0.2), (0.6, 0.22, 0.35)


class CubeWorld(CubeEnv):
    """One simulated table; used from the thread that made it.

    Attributes:
        objects: names of the cubes present.
        background: name of the background.
        rendering: how frames are drawn.
        triangles: that a frame draws.
    """

    def __init__(self, objects: tuple[str, ...], background: str, rendering: RenderSettings = RENDERING) -> None:
        """Choose cubes and colours; the model is compiled at the first reset."""
        self.objects, self.background, self.rendering = objects, background, rendering
        self._drawer: Renderer | None = None
        super().__init__(
            "single",
            permute_blocks=False,
            ob_type="pixels",  # only for the looks of the robot: see-through, with a purple gripper
            control_timestep=1 / CONTROL_RATE,
            terminate_at_goal=False,
            mode="data_collection",
            visualize_info=False,
        )
        self._num_cubes = len(objects)
        self._arm_sampling_bounds = np.array([ARM_LOW, ARM_HIGH])

    def rebuild(self, objects: tuple[str, ...], background: str) -> None:
        """Have other cubes or colours from the next reset on."""
        if len(objects) != len(self.objects) or background != self.background:
            self._mjcf_model = None
            self.mark_dirty()
        self.objects, self.background, self._num_cubes = objects, background, len(objects)

    def build_mjcf_model(self) -> object:
        """The package's model with our background."""
        model, colours = super().build_mjcf_model(), find_background(self.background)
        floor, sky = model.find("texture", "grid"), model.find("texture", "skybox")
        floor.rgb1, floor.rgb2, floor.markrgb = colours.floor, colours.tile, colours.lines
        sky.rgb1 = colours.sky
        return model

    def compile_model_and_data(self) -> None:
        """Compile, and make ready for questions and pictures."""
        self.release()
        super().compile_model_and_data()
        self.triangles = coarsen(self._model, self.rendering.cell)
        self._truth = Truth(self._model, self._num_cubes)

    def initialize_episode(self) -> None:
        """Place arm and cubes; called by the package's reset."""
        palette = [self._colors[name.split()[0]] for name in self.objects]
        self._cube_colors = self._cube_success_colors = np.array(palette)
        for i, colour in enumerate(palette):
            self._model.geom_rgba[self._model.geom(f"object_{i}").id] = colour
            self._model.geom_rgba[self._model.geom(f"target_object_{i}").id] = 0.0  # the package's mark of a goal
        self._data.qpos[self._arm_joint_ids] = self._home_qpos
        mujoco.mj_kinematics(self._model, self._data)
        self.initialize_arm()
        for i, (x, y, yaw) in enumerate(draw_layout(self.np_random, self._num_cubes)):
            self.place(i, (x, y, CUBE_SIZE / 2), yaw)
        self._data.ctrl[self._arm_actuator_ids] = self._data.qpos[self._arm_joint_ids]
        self.pre_step()
        mujoco.mj_forward(self._model, self._data)

    def place(self, index: int, position: tuple[float, float, float], yaw: float = 0.0) -> None:
        """Put a cube somewhere, at rest.

        Args:
            index: which cube.
            position: of its centre, m.
            yaw: rad.
        """
        joint = self._data.joint(f"object_joint_{index}")
        joint.qpos[:] = (*position, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
        joint.qvel[:] = 0.0

    def set_control(self, action: np.ndarray) -> None:
        """The package's control, but for zero.

        The package aims at the present pose plus the action, so that an arm that is told zero sinks by what gravity
        bends it each time, 16 cm in 5 s, and a grip loosens. Here zero leaves arm and gripper where they were sent.
        """
        if np.any(action):
            super().set_control(action)

    def advance(self, action: np.ndarray) -> None:
        """Simulate one control period with an action in SI units, inside the bounds."""
        self.step(np.asarray(action, float) / ACTION_LIMITS)

    def compute_observation(self) -> np.ndarray:
        """Nothing: the package would draw a frame at every step."""
        return np.zeros(0)

    def post_step(self) -> None:
        """Nothing: the package would show cubes at their goals in other colours."""

    def scene(self) -> SceneState:
        """Scene state now; a cube's position is its centre."""
        return self._truth.scene(self.objects, self._data)

    @property
    def target(self) -> np.ndarray:
        """(3,) where the last action sent the gripper, m; NaN before the first."""
        pose = getattr(self, "_target_effector_pose", None)
        return np.full(3, np.nan) if pose is None else pose.translation().copy()

    def draw(self) -> np.ndarray:
        """(height, width, 3) uint8 RGB frame of the present state.

        Raises:
            BridgeError: nothing can draw here, or this is another thread than the one of the first frame.
        """
        if self._drawer is None:
            self._drawer = Renderer(self._model, self.rendering)
        return self._drawer.draw(self._truth.instant(self._data))

    def release(self) -> None:
        """Free what draws."""
        if self._drawer is not None:
            self._drawer.close()
            self._drawer = None
