# SPDX-License-Identifier: Apache-2.0
"""Language-Table as a Gymnasium environment with a typed scene state."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from sim_bridges.langtable.blocks import validate_objects
from sim_bridges.langtable.layout import draw_layout
from sim_bridges.langtable.specification import ACTION_LIMIT, CAMERA, CONTROL_RATE, SPECIFICATION
from sim_bridges.langtable.world import Snapshot, World
from swm_core.environment import EnvironmentSpec
from swm_core.errors import BridgeError
from swm_core.scene import SceneState


class LangTableEnv(gymnasium.Env):
    """Blocks on a table, pushed by a peg; built from scratch after google-research/language-table.

    Actions are (2,) float32, dx and dy in m, added to the commanded effector position, not to the measured one; x
    points away from the robot (down in the image), y to the right. There is no reward and no end: tasks are questions
    about the scene. The effector of the scene state is the commanded xy with the height of the peg's lower end; where
    the peg really is stands in `info["peg"]`, (3,) m.
    """

    environment_spec: EnvironmentSpec = SPECIFICATION
    # Annotated as in gymnasium.Env, which declares a plain class attribute.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": CONTROL_RATE}  # noqa: RUF012

    def __init__(self, *, images: bool = True, objects: tuple[str, ...] | None = None) -> None:
        """Build the simulation.

        Args:
            images: whether observations carry frames; without them nothing is drawn unless `render` is called.
            objects: block names; by default the first object set.
        """
        self.images = images
        self.render_mode = "rgb_array"
        self.action_space = gymnasium.spaces.Box(-ACTION_LIMIT, ACTION_LIMIT, (2,), np.float32)
        frame = gymnasium.spaces.Box(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({"image": frame} if images else {})
        self._default = validate_objects(objects or SPECIFICATION.default_objects)
        self._world = World(self._default)
        self._rng: np.random.RandomState | None = None

    @property
    def world(self) -> World:
        """The simulation itself, for fidelity checks."""
        return self._world

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Begin an episode.

        With a seed the layout is the first of the stream of numpy's RandomState(seed), equal to the original's after
        `reset(seed)`; without one, the next of the stream in use.

        Args:
            seed: begins a new stream; the first reset without one takes a random seed.
            options: {"objects": (names...)} chooses the blocks of this episode; without it the default set is used.

        Raises:
            ConfigError: a block name is unknown or repeats.
        """
        objects = validate_objects((options or {}).get("objects", self._default))  # before anything changes
        super().reset(seed=seed)
        if seed is not None or self._rng is None:
            # Bit-equal layouts need the legacy generator that the original uses.
            self._rng = np.random.RandomState(seed)
        if objects != self._world.objects:
            self._world.rebuild(objects)
        self._world.start(draw_layout(self._rng, len(objects)))
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Advance 0.1 s.

        Args:
            action: (2,) dx, dy in m, clipped to +-0.03; the command is clipped to the workspace.

        Raises:
            BridgeError: the action has another shape or is not finite, or reset was not called.
        """
        if self._rng is None:
            raise BridgeError("reset the environment before the first step")
        delta = np.asarray(action, float)
        if delta.shape != (2,) or not np.isfinite(delta).all():
            raise BridgeError(f"an action must be two finite numbers (dx, dy in m), got {action!r}")
        self._world.move(np.clip(delta, -ACTION_LIMIT, ACTION_LIMIT))
        return self._observation(), 0.0, False, False, self._info()

    def _observation(self) -> dict:
        return {"image": self.render()} if self.images else {}

    def _info(self) -> dict:
        return {"scene": self.scene(), "peg": self._world.peg()}

    def render(self) -> np.ndarray:
        """(180, 320, 3) uint8 RGB frame of the present state."""
        return self._world.render()

    def scene(self) -> SceneState:
        """Scene state now; positions are the centres of the blocks' lower faces."""
        positions, yaws, _ = self._world.poses()
        effector = np.array([*self._world.command, self._world.peg()[2]])
        return SceneState(self._world.objects, positions, yaws, effector, self._world.contacts(), np.asarray(0.0))

    def save_state(self) -> Snapshot:
        """Remember the full simulator state of this episode; the random stream is not part of it."""
        return self._world.save()

    def restore_state(self, snapshot: Snapshot) -> None:
        """Return to a remembered state; the same actions then give the same results.

        Raises:
            BridgeError: the environment was reset since.
        """
        self._world.restore(snapshot)

    def release_state(self, snapshot: Snapshot) -> None:
        """Free a remembered state."""
        self._world.release(snapshot)

    def close(self) -> None:
        """Free the simulator."""
        self._world.close()
