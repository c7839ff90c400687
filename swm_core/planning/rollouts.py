# SPDX-License-Identifier: Apache-2.0
"""Episodes of the shipped model's own planning, for training data: what it does where it errs is what it must learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from swm_core.environment import Environment, load_environment
from swm_core.models.shipped import shipped_policy
from swm_core.planning.controller import Controller
from swm_core.planning.settings import DEFAULT, POLICY
from swm_core.scene import SceneState
from swm_core.tasks.library import TaskSpec, build_task, succeeded

Draw = Callable[[np.random.Generator, Sequence[str]], TaskSpec]


@lru_cache(maxsize=1)
def _controller(environment: str) -> Controller:
    """The base policy shipped for an environment, alone; without one, the default planner."""
    policy = shipped_policy(environment)
    config = DEFAULT if policy is None else replace(DEFAULT, planner=POLICY)
    return Controller.load(environment, config=config, policy=policy)


class Rollout:
    """Pursues a task by the shipped base policy (or the default planner), from frames alone, as it would be used.

    Args:
        environment: registered environment whose weights are taken.
        draw: gives the task of an episode from random numbers and the objects' names.
    """

    def __init__(self, environment: str, draw: Draw) -> None:
        self._environment, self._draw, self._done = environment, draw, False

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode on an environment that was just reset."""
        self._env, self._controller, self._done = env, _controller(self._environment), False
        self._goal = self._draw(np.random.default_rng(seed), env.scene().names)
        self._controller.seed = seed
        self._controller.start(build_task((self._goal,), load_environment(self._environment).questions))
        self._left: list[np.ndarray] = []

    def act(self, scene: SceneState) -> np.ndarray:
        """(A,) float32 next action; every few of them a new plan is made from a frame."""
        self._done = self._done or succeeded(self._goal, scene)
        if not self._left:
            plan = self._controller.plan(self._env.render())
            self._left = list(plan.actions[: self._controller.config.execute])
        return self._left.pop(0)

    @property
    def done(self) -> bool:
        """Whether the task was achieved at the last act, by the true scene."""
        return self._done

    @property
    def description(self) -> str:
        """The task in words."""
        return str(self._goal)
