# SPDX-License-Identifier: Apache-2.0
"""OGBench's cubes on a table, the scripted behaviours, and what registers them as an environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim_bridges.ogbench.behaviours import CorrectedStack, DisturbedStack, NoisyExpert, Play, ReachExpert, StackExpert
from sim_bridges.ogbench.specification import BACKGROUNDS, CAMERA, CUBES, DEFAULT_BACKGROUND, OBJECT_SETS, SPECIFICATION
from swm_core.environment import Behaviour, Environment, EnvironmentEntry
from swm_core.tasks.library import TaskSpec, stack
from swm_core.tasks.ogbench_questions import EFFECTOR_WORDS, OGBENCH_LOCATE, OGBENCH_QUESTIONS


def make(**settings: Any) -> Environment:
    """Build an `OgbenchEnv`; the simulator is imported here, as most who read the specification never need it."""
    from sim_bridges.ogbench.env import OgbenchEnv

    return OgbenchEnv(**settings)


def rollout() -> Behaviour:
    """The shipped weights stack one cube on another; they are loaded here, as most never need them."""
    from swm_core.planning.rollouts import Rollout

    def draw(random: np.random.Generator, names: Sequence[str]) -> TaskSpec:
        upper, lower = random.permutation(names)[:2]
        return stack(str(upper), str(lower))

    return Rollout("ogbench", draw)


OGBENCH = EnvironmentEntry(
    spec=SPECIFICATION,
    make=make,
    behaviours={
        "corrected_stack": CorrectedStack,
        "disturbed_stack": DisturbedStack,
        "expert_reach": ReachExpert,
        "expert_stack": StackExpert,
        "noisy_expert": NoisyExpert,
        "play": Play,
        "rollout": rollout,
    },
    questions=OGBENCH_QUESTIONS,
    locate=OGBENCH_LOCATE,
    effector_words=EFFECTOR_WORDS,
    names=CUBES,
    variants={name: {"background": name} for name in BACKGROUNDS if name != DEFAULT_BACKGROUND},
)

__all__ = [
    "BACKGROUNDS",
    "CAMERA",
    "CUBES",
    "OBJECT_SETS",
    "OGBENCH",
    "SPECIFICATION",
    "CorrectedStack",
    "DisturbedStack",
    "NoisyExpert",
    "Play",
    "ReachExpert",
    "StackExpert",
]
