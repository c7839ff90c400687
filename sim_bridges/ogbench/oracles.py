# SPDX-License-Identifier: Apache-2.0
"""The package's scripted oracles, given goals and random numbers of our own.

An oracle reads a dict of the package's simulation, in which the goal is a cube and a pose for it, and draws from
numpy's global generator. Here the goal is an argument, and the generator is lent only while an oracle runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle

from sim_bridges.ogbench.layout import HIGH, LOW
from sim_bridges.ogbench.specification import ACTION_LIMITS, CUBE_SIZE
from sim_bridges.ogbench.world import CubeWorld
from swm_core.scene import SceneState
from swm_core.tasks.relations import is_on_top
from swm_core.tasks.thresholds import ON_TOP_LIMITS

SEGMENT_TIME = 0.8  # s between keyframes of a plan; at 10 Hz the package's 0.4 s fails more often


@dataclass(frozen=True)
class Target:
    """Where a cube is to go.

    Attributes:
        cube: its index.
        position: (x, y, z) of its centre, m.
        yaw: rad.
        support: index of the cube that it will stand on, or -1 for the table.
    """

    cube: int
    position: tuple[float, float, float]
    yaw: float
    support: int = -1


def on_cube(scene: SceneState, cube: int, support: int, yaw: float) -> Target:
    """A cube onto another, where that is now."""
    x, y, z = (float(v) for v in scene.positions[support])
    return Target(cube, (x, y, z + CUBE_SIZE), yaw, support)


def draw_target(scene: SceneState, rng: np.random.Generator, stacking: float) -> Target:
    """A random goal, as the package draws them: a cube with none on it, onto another such cube or to the table.

    Args:
        scene: the present scene.
        rng: source of the draws.
        stacking: probability of a stack, where there are two free cubes.
    """
    every = np.arange(len(scene.names))
    upper, lower = np.meshgrid(every, every, indexing="ij")
    free = every[~is_on_top(scene, upper, lower, ON_TOP_LIMITS).any(0)]
    cube, yaw = int(rng.choice(free)), float(rng.uniform(0.0, 2 * np.pi))
    others = free[free != cube]
    if len(others) and rng.random() < stacking:
        return on_cube(scene, cube, int(rng.choice(others)), yaw)
    x, y = rng.uniform(LOW, HIGH)
    return Target(cube, (float(x), float(y), CUBE_SIZE / 2), yaw)


class Oracle:
    """One of the package's oracles at work in one world."""

    def __init__(self, world: CubeWorld, seed: int, *, plans: bool, noise: float = 0.0) -> None:
        """Choose the oracle.

        Args:
            world: that it acts in; just reset.
            seed: of its random numbers.
            plans: whether it follows a path planned at the start ("plan"), else it reacts to what it sees ("markov").
            noise: of the planned path, as in the package.
        """
        self._world, self._random = world, np.random.RandomState(seed).get_state()
        self._oracle = (
            CubePlanOracle(env=world, segment_dt=SEGMENT_TIME, noise=noise) if plans else CubeMarkovOracle(env=world)
        )
        # The plan's yaw and the gripper's may differ by a whole turn, which the package would have it make.
        self._turns = (0.0, 2 * np.pi, -2 * np.pi) if plans else (0.0,)
        self._target = Target(0, (0.0, 0.0, 0.0), 0.0)
        self._error = np.zeros(4)

    def mislead(self, error: np.ndarray) -> None:
        """Have it see the cube that is to be moved elsewhere, from the next `aim` on.

        Args:
            error: (4,) what is added to its place (m) and yaw (rad); zeros for the truth.
        """
        self._error = np.asarray(error, float)

    def aim(self, target: Target) -> None:
        """Begin towards another goal."""
        self._target = target
        with self._lent_generator():
            self._oracle.reset(None, self._seen())

    def act(self) -> np.ndarray:
        """(5,) float64 action in SI units, inside the bounds."""
        with self._lent_generator():
            seen = self._seen()
            yaw = seen["proprio/effector_yaw"]
            turned = (seen | {"proprio/effector_yaw": yaw + turn} for turn in self._turns)
            action = min((self._oracle.select_action(None, one) for one in turned), key=lambda a: abs(a[3]))
        return np.clip(action, -1.0, 1.0) * ACTION_LIMITS

    @property
    def done(self) -> bool:
        """Whether it is at its end, reached or not."""
        return bool(self._oracle.done)

    def _seen(self) -> dict:
        """What the package tells its oracles, with our goal."""
        goal = {
            "privileged/target_block": self._target.cube,
            "privileged/target_block_pos": np.array(self._target.position),
            "privileged/target_block_yaw": np.array([self._target.yaw]),
        }
        seen, cube = self._world.compute_ob_info(), f"privileged/block_{self._target.cube}"
        position, yaw = seen[f"{cube}_pos"] + self._error[:3], seen[f"{cube}_yaw"] + self._error[3:]
        return seen | {f"{cube}_pos": position, f"{cube}_yaw": yaw} | goal

    @contextmanager
    def _lent_generator(self) -> Iterator[None]:
        """Numpy's global generator in the oracle's own state; as it was before, afterwards."""
        before = np.random.get_state()
        np.random.set_state(self._random)
        try:
            yield
        finally:
            self._random = np.random.get_state()
            np.random.set_state(before)
