# SPDX-License-Identifier: Apache-2.0
"""Planner settings from the command line, and what chooses the actions of an evaluated episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from swm_core.environment import EnvironmentSpec
from swm_core.errors import ConfigError
from swm_core.planning.controller import Controller
from swm_core.planning.settings import DEFAULT, WITHOUT_MODEL, PlannerConfig, with_policy
from swm_core.settings import structured
from swm_core.tasks.task import Task


def planner_config(
    planner: str, start: PlannerConfig = DEFAULT, settings: Sequence[str] = (), policy: bool = False
) -> PlannerConfig:
    """The planner's settings.

    Args:
        planner: one of `PLANNERS`.
        start: settings to start from.
        settings: "planner.NAME=VALUE" or "planner.gradient.NAME=VALUE", the value in YAML.
        policy: whether there is a base policy; its proposals then come first, and replace uniform ones.

    Raises:
        ConfigError: an unknown planner or setting, or a value of a wrong type or range.
    """
    data: dict[str, Any] = asdict(replace(with_policy(start) if policy else start, planner=planner))
    for setting in settings:
        path, equals, value = setting.partition("=")
        first, *names = path.split(".")
        if not equals or first != "planner" or not names:
            raise ConfigError(f"--set takes planner.NAME=VALUE, got {setting!r}")
        place = data
        for name in names[:-1]:
            if not isinstance(place.get(name), dict):
                raise ConfigError(f"--set {setting!r}: {name!r} is no group of settings")
            place = place[name]
        try:
            place[names[-1]] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting!r}: {error}") from error
    return structured(data, PlannerConfig, "planner settings")


class Actor(Protocol):
    """Chooses the actions of an episode."""

    needs_frames: bool

    def start(self, task: Task, seed: int) -> None:
        """Begin an episode."""
        ...

    def act(self, image: np.ndarray | None, executed: int) -> Chosen:
        """Actions from a frame on; `executed` actions were taken since the last call."""
        ...


@dataclass
class Chosen:
    """Actions to take next, with what the planner sees and foresees.

    Attributes:
        actions: (m, A) float32, those to execute before the next call.
        path: (H + 1, 3) predicted effector positions, world frame, m; None where nothing is predicted.
        completion: probability that the present subgoal is reached now; None where nobody asked.
        value: value of the chosen chunk (Eq. 2), or None.
        foreseen: (K, H + 1) probability of the subgoal's wanted answers after every action, or None.
        subgoal: number of the subgoal that is pursued.
        seen: (K, M, 3) where the effector (first) and what each question names are seen, world frame, m, NaN beyond
            that; None where nothing is.
    """

    actions: np.ndarray
    path: np.ndarray | None = None
    completion: float | None = None
    value: float | None = None
    foreseen: np.ndarray | None = None
    subgoal: int = 0
    seen: np.ndarray | None = None


class PlannedActor:
    """The planner as nodes use it in lockstep: plan from a frame, execute the first actions, plan again.

    Args:
        controller: with model and settings.
    """

    needs_frames = True

    def __init__(self, controller: Controller) -> None:
        self.controller = controller

    def start(self, task: Task, seed: int) -> None:
        """Begin an episode; the planner's random numbers follow from the seed."""
        self.controller.seed = seed
        self.controller.start(task)

    def act(self, image: np.ndarray | None, executed: int) -> Chosen:
        """Plan."""
        if image is None:
            raise ConfigError("a planner with a model needs frames")
        plan = self.controller.plan(image, executed=executed)
        actions = plan.actions[: self.controller.config.execute]
        told = plan.path, plan.completion, plan.value, plan.foreseen, self.controller.subgoal, plan.seen
        return Chosen(actions, *told)


class BlindActor:
    """No motion, or actions drawn uniformly inside the bounds: what success is worth without a model.

    Args:
        spec: bounds of the actions.
        config: "none" or "random", and how many actions are executed at a time.
    """

    needs_frames = False

    def __init__(self, spec: EnvironmentSpec, config: PlannerConfig) -> None:
        self.spec, self.config = spec, config
        self._random = np.random.default_rng(0)

    def start(self, task: Task, seed: int) -> None:
        """Begin an episode."""
        self._random = np.random.default_rng(seed)

    def act(self, image: np.ndarray | None, executed: int) -> Chosen:
        """Draw actions."""
        shape = (self.config.execute, self.spec.action_dim)
        if self.config.planner == "none":
            return Chosen(np.zeros(shape, np.float32))
        return Chosen(self._random.uniform(self.spec.action_low, self.spec.action_high, shape).astype(np.float32))


def make_actor(spec: EnvironmentSpec, config: PlannerConfig, model: Path | None, policy: Path | None = None) -> Actor:
    """What plays an episode.

    Args:
        spec: of the environment.
        config: how to plan.
        model: folder of a saved model; not read where the planner needs none.
        policy: folder of a saved base policy, or None.

    Raises:
        ModelError: no such model or policy, or one that does not go with the other.
        ConfigError: the settings name a base policy and there is none.
    """
    if config.planner in WITHOUT_MODEL:
        return BlindActor(spec, config)
    return PlannedActor(Controller.load(spec.name, model, config, policy=policy))
