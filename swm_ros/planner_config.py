# SPDX-License-Identifier: Apache-2.0
"""Settings of the planner node, and the controller that they ask for."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from swm_core.environment import DEFAULT_ENVIRONMENT
from swm_core.errors import ConfigError, ModelError
from swm_core.models.shipped import shipped_policy
from swm_core.planning.controller import Controller, PlannerConfig
from swm_core.planning.settings import with_policy, without_policy
from swm_core.processes import use_threads
from swm_core.tasks import GoalParser, parse_goal
from swm_core.tasks.paraphrase import load_paraphrases


@dataclass(frozen=True)
class PlannerNodeConfig:
    """Settings of the planner node.

    Attributes:
        environment: registered environment that the model was trained on.
        model_path: folder of the weights; empty for those shipped with the environment.
        policy_path: folder of a base policy that proposes actions; empty for the one shipped with the environment's
            model, "none" for none.
        mode: "realtime" (10 Hz, planning overlaps execution) or "lockstep" (one command for each frame).
        overlap: whether planning overlaps execution in real time; without it the robot stands while the next chunk is
            planned, for comparison.
        seed: seed of the planner's random numbers.
        goal: goal text pursued as soon as the node is active; empty to wait for one.
        paraphrases: understand other wordings of goals than the grammar's, by a text embedding that is loaded at
            configuration; without it, the grammar alone.
        objects: names that goals may speak of; empty for the environment's default set.
        objects_from_scene: take the names from /swm/scene_state instead, which only a simulator publishes.
        observation_timeout: time without a frame after which motion is held, s.
        latency: first guess of the time one plan takes, s; measured from then on.
        planning_time: what a plan is given at least where planning overlaps execution, s. More time is more iterations,
            for actions that are executed later.
        stop_when_complete: whether a goal ends when the model answers its completion question as wanted; evaluation
            turns it off and lets the simulator's truth decide.
        threads: threads of the model's mathematics; 0 for what the environment says (OMP_NUM_THREADS).
        niceness: of the planning thread; above 0 the 10 Hz timer and the other nodes go first where processors are few.
        garbage: Python's garbage collection: "default"; "freeze", which never looks again at what the configuration
            made, the model above all; or "off".
        planner: how chunks are refined.
    """

    environment: str = DEFAULT_ENVIRONMENT
    model_path: str = ""
    policy_path: str = ""
    mode: str = "realtime"
    overlap: bool = True
    seed: int = field(default=0, metadata={"range": (0, 2**31 - 1)})
    goal: str = ""
    paraphrases: bool = False
    objects: tuple[str, ...] = ()
    objects_from_scene: bool = False
    observation_timeout: float = field(default=0.25, metadata={"range": (0.01, 10.0)})
    latency: float = field(default=0.1, metadata={"range": (0.001, 10.0)})
    planning_time: float = field(default=0.15, metadata={"range": (0.0, 10.0)})
    stop_when_complete: bool = True
    threads: int = field(default=0, metadata={"range": (0, 256)})
    niceness: int = field(default=0, metadata={"range": (0, 19)})
    garbage: str = "freeze"
    planner: PlannerConfig = field(default_factory=PlannerConfig)

    def __post_init__(self) -> None:
        """Check the choice.

        Raises:
            ConfigError: the mode or the garbage collection is none of those above.
        """
        if self.mode not in ("realtime", "lockstep"):
            raise ConfigError(f"mode is {self.mode!r}; choose realtime or lockstep")
        if self.garbage not in ("default", "freeze", "off"):
            raise ConfigError(f"garbage is {self.garbage!r}; choose default, freeze or off")


def load_controller(config: PlannerNodeConfig) -> Controller:
    """The controller that the settings ask for, warmed up; to be called on the thread that will use it."""
    use_threads(config.threads)
    path = Path(config.model_path) if config.model_path else None
    policy = Path(config.policy_path) if config.policy_path not in ("", "none") else None
    if not config.policy_path and path is None:  # a policy belongs to one model
        policy = shipped_policy(config.environment)
    planner = without_policy(config.planner) if policy is None else with_policy(config.planner)
    controller = Controller.load(config.environment, path, planner, config.seed, policy)
    controller.warm_up()
    return controller


def collect_garbage(policy: str) -> None:
    """Put a policy of `PlannerNodeConfig.garbage` in force.

    A full collection looks at each object that the libraries and the model made, and holds every thread meanwhile.
    """
    gc.unfreeze()
    gc.enable()
    if policy != "default":
        gc.collect()
        gc.freeze()
    if policy == "off":
        gc.disable()


def load_goal_parser(config: PlannerNodeConfig, warn: Callable[[str], object]) -> GoalParser:
    """What reads goals in words: with paraphrases where that is wanted and possible, else the grammar alone.

    Args:
        config: the node's settings.
        warn: told why paraphrases cannot be had.
    """
    if config.paraphrases:
        try:
            return load_paraphrases()
        except ModelError as error:
            warn(f"goals are understood by the grammar alone: {error}")
    return parse_goal
