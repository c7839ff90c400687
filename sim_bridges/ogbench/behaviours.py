# SPDX-License-Identifier: Apache-2.0
"""Scripted behaviours for collection: experts for reaching and stacking, a noisy one, and play (paper A.3.1)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from sim_bridges.ogbench.specification import ACTION_LIMITS
from swm_core.environment import Environment
from swm_core.errors import BridgeError, GoalError
from swm_core.scene import SceneState
from swm_core.tasks.library import TaskSpec, reach, stack, succeeded
from swm_core.tasks.relations import object_grasped
from swm_core.tasks.thresholds import GraspingThresholds

if TYPE_CHECKING:
    from sim_bridges.ogbench.oracles import Oracle, Target
    from sim_bridges.ogbench.world import CubeWorld

PLAY_NOISE = 0.1  # of planned paths, as in the package's play data
NOISE_SCALES = np.array([1.0, 1.0, 1.0, 3.0, 10.0])  # of an action's five numbers, as in the package's noisy data
MOST_NOISE, RANDOM_SHARE = 0.1, 0.1  # largest noise of an episode, and how often an action is wholly random
STRETCH_PROBABILITY, STRETCH_STEPS = 0.04, (2, 6)  # of a disturbance, per step, and how long it is
MISLED_SHARE = 0.6  # of the tries of a corrected stack
MISLED_BY = np.array([0.04, 0.04, 0.02, 0.5])  # m and rad; largest error along each axis and in yaw
MISLED_STEPS = (5, 60)  # after which a misled try is given up, if nothing is held then
CLOSED = 0.75  # of the gripper's range; a cube keeps it at 0.56
GRASPING = GraspingThresholds()
REACHED = 0.04  # m; a cube nearer to its place than this is there, as in the package


class Scripted(ABC):
    """What the behaviours share: an oracle in the world of the environment, a goal, a flag that latches."""

    plans = True
    noise = 0.0

    def __init__(self) -> None:
        """Begin without an episode."""
        self._done = False
        self._rng = np.random.default_rng(0)

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode on an environment that was just reset.

        Raises:
            GoalError: the scene lacks what the goal speaks of.
            BridgeError: the environment is none of cubes.
        """
        from sim_bridges.ogbench.oracles import Oracle  # imports the simulator, which few processes need

        world: CubeWorld | None = getattr(env, "world", None)
        if world is None:
            raise BridgeError(f"{type(self).__name__} needs an OgbenchEnv, got {type(env).__name__}")
        self._rng, self._done = np.random.default_rng(seed), False
        self._oracle: Oracle = Oracle(world, int(self._rng.integers(2**31)), plans=self.plans, noise=self.noise)
        self._oracle.aim(self._begin(env.scene()))

    def act(self, scene: SceneState) -> np.ndarray:
        """(5,) float32 action in SI units, inside the bounds."""
        self._done = self._done or self._reached(scene)
        return self._act(scene).astype(np.float32)

    @property
    def done(self) -> bool:
        """Whether the goal was reached at the last act."""
        return self._done

    @property
    @abstractmethod
    def description(self) -> str:
        """The goal in words."""

    @abstractmethod
    def _begin(self, scene: SceneState) -> Target:
        """Take or draw the goal for an episode that begins with this scene."""

    @abstractmethod
    def _reached(self, scene: SceneState) -> bool:
        """Whether the goal holds."""

    @abstractmethod
    def _act(self, scene: SceneState) -> np.ndarray:
        """(5,) action towards the goal, inside the bounds."""


class StackExpert(Scripted):
    """Puts one cube on another by the package's planning oracle, again if it fails, then withdraws and holds."""

    def __init__(self, pair: tuple[str, str] | None = None) -> None:
        """Set the goal: (upper, lower) cube; drawn at each reset when None."""
        super().__init__()
        self._fixed, self._goal = pair, TaskSpec("stack", pair or ("upper", "lower"))

    @property
    def description(self) -> str:
        """The goal in words."""
        return str(self._goal)

    def _begin(self, scene: SceneState) -> Target:
        if self._fixed is None:
            if len(scene.names) < 2:
                raise GoalError(f"a stack needs two cubes, the scene has {len(scene.names)}")
            upper, lower = (scene.names[i] for i in self._rng.permutation(len(scene.names))[:2])
            self._goal = stack(upper, lower)
        return self._target(scene)

    def _target(self, scene: SceneState) -> Target:
        from sim_bridges.ogbench.oracles import on_cube

        upper, lower = (scene.index(name) for name in self._goal.blocks)
        return on_cube(scene, upper, lower, float(self._rng.uniform(0.0, 2 * np.pi)))

    def _reached(self, scene: SceneState) -> bool:
        return succeeded(self._goal, scene)

    def _act(self, scene: SceneState) -> np.ndarray:
        if self._oracle.done:
            if self._done:
                return np.zeros(len(ACTION_LIMITS))
            self._oracle.aim(self._target(scene))
        return self._oracle.act()


class DisturbedStack(StackExpert):
    """Stacks by the Markov oracle, thrown off its way now and then, so that its wishes show how to come back (DART)."""

    plans = False

    def __init__(self, pair: tuple[str, str] | None = None) -> None:
        """Set the goal: (upper, lower) cube; drawn at each reset when None."""
        super().__init__(pair)
        self._left, self._drift = 0, np.zeros(len(ACTION_LIMITS))
        self._wanted = np.zeros(len(ACTION_LIMITS), np.float32)

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode, undisturbed."""
        super().reset(env, seed)
        self._left = 0

    @property
    def wanted(self) -> np.ndarray:
        """(5,) float32 action in SI units that the oracle would have taken where `act` was called last."""
        return self._wanted

    def _act(self, scene: SceneState) -> np.ndarray:
        wanted = super()._act(scene)
        self._wanted = wanted.astype(np.float32)
        if self._left == 0 and self._rng.random() < STRETCH_PROBABILITY:
            self._left = int(self._rng.integers(*STRETCH_STEPS))
            self._drift = self._rng.uniform(-1.0, 1.0, len(ACTION_LIMITS)) * ACTION_LIMITS
        if self._left == 0 or self._done:
            return wanted
        self._left -= 1
        return self._drift


class CorrectedStack(StackExpert):
    """Stacks by the planning oracle, often after a try at a wrong place, to show how to go on when a grasp has failed.

    In most tries the oracle is told a pose of the cube that is some centimetres off. Such a try ends at a random time,
    unless the gripper then holds the cube. Every try ends where the gripper has closed on nothing.
    """

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode."""
        self._misled, self._opened, self._left = False, False, 0
        self._wanted = np.zeros(len(ACTION_LIMITS), np.float32)
        super().reset(env, seed)

    @property
    def wanted(self) -> np.ndarray:
        """(5,) float32 what was done, if the oracle knew the pose; else zero: of that nothing was wanted."""
        return self._wanted

    def _target(self, scene: SceneState) -> Target:
        self._misled, self._opened = bool(self._rng.random() < MISLED_SHARE), False
        self._left = int(self._rng.integers(*MISLED_STEPS))
        error = self._rng.uniform(-MISLED_BY, MISLED_BY)
        self._oracle.mislead(error if self._misled else np.zeros_like(error))
        return super()._target(scene)

    def _act(self, scene: SceneState) -> np.ndarray:
        cube = scene.index(self._goal.blocks[0])
        held = object_grasped(scene, scene, opposing=GRASPING.opposing)[0][cube]
        closed = float(scene.gripper) > CLOSED
        self._opened = self._opened or not closed
        self._left -= 1
        over = (self._opened and closed) or (self._misled and self._left < 0)
        if over and not held and not self._done:
            self._oracle.aim(self._target(scene))
        action = super()._act(scene)
        self._wanted = np.zeros(len(ACTION_LIMITS), np.float32) if self._misled else action.astype(np.float32)
        return action


class ReachExpert(Scripted):
    """Goes above a cube, down and around it, by the package's Markov oracle, until a finger touches it; then holds."""

    plans = False

    def __init__(self, cube: str | None = None) -> None:
        """Set the goal: a cube's name; drawn at each reset when None."""
        super().__init__()
        self._fixed, self._goal = cube, reach(cube or "cube")

    @property
    def description(self) -> str:
        """The goal in words."""
        return str(self._goal)

    def _begin(self, scene: SceneState) -> Target:
        from sim_bridges.ogbench.oracles import Target

        if self._fixed is None:
            self._goal = reach(scene.names[self._rng.integers(len(scene.names))])
        cube = scene.index(self._goal.blocks[0])
        x, y, z = (float(v) for v in scene.positions[cube])
        return Target(cube, (x, y, z + 1.0), 0.0)  # a place that it never gets to: it has done what it should before

    def _reached(self, scene: SceneState) -> bool:
        return succeeded(self._goal, scene)

    def _act(self, scene: SceneState) -> np.ndarray:
        return np.zeros(len(ACTION_LIMITS)) if self._done else self._oracle.act()


class Wanderer(Scripted):
    """What undirected behaviours share: one random goal after the other, half of them stacks."""

    stacking = 0.5

    def _begin(self, scene: SceneState) -> Target:
        from sim_bridges.ogbench.oracles import draw_target

        self._now = draw_target(scene, self._rng, self.stacking)
        self._name = scene.names[self._now.cube]
        return self._now

    def _act(self, scene: SceneState) -> np.ndarray:
        if self._oracle.done:
            self._oracle.aim(self._begin(scene))
        return self._oracle.act()


class NoisyExpert(Wanderer):
    """Cubes to random places and onto others by the Markov oracle, with noise of random size and random actions."""

    plans = False

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode; draws the noise."""
        super().reset(env, seed)
        self._noise = self._rng.uniform(0.0, MOST_NOISE) * NOISE_SCALES

    @property
    def description(self) -> str:
        """The present goal in words."""
        return f"move {self._name} about, with noise"

    def _reached(self, scene: SceneState) -> bool:
        return bool(np.linalg.norm(scene.positions[self._now.cube] - self._now.position) < REACHED)

    def _act(self, scene: SceneState) -> np.ndarray:
        wanted = super()._act(scene) / ACTION_LIMITS + self._rng.normal(0.0, self._noise)
        if self._rng.random() < RANDOM_SHARE:
            wanted = self._rng.uniform(-1.0, 1.0, len(ACTION_LIMITS))
        return np.clip(wanted, -1.0, 1.0) * ACTION_LIMITS


class Play(Wanderer):
    """Undirected play: one planned pick and place after the other, along paths with noise."""

    noise = PLAY_NOISE

    @property
    def description(self) -> str:
        """What it is doing."""
        return "undirected play"

    def _reached(self, scene: SceneState) -> bool:
        return False
