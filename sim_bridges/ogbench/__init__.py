# SPDX-License-Identifier: Apache-2.0
"""OGBench's cubes on a table, the scripted behaviours, and what registers them as an environment."""

from typing import Any

from sim_bridges.ogbench.behaviours import DisturbedStack, NoisyExpert, Play, ReachExpert, StackExpert
from sim_bridges.ogbench.specification import BACKGROUNDS, CAMERA, CUBES, DEFAULT_BACKGROUND, OBJECT_SETS, SPECIFICATION
from swm_core.environment import Environment, EnvironmentEntry
from swm_core.tasks.ogbench_questions import EFFECTOR_WORDS, OGBENCH_LOCATE, OGBENCH_QUESTIONS


def make(**settings: Any) -> Environment:
    """Build an `OgbenchEnv`; the simulator is imported here, as most who read the specification never need it."""
    from sim_bridges.ogbench.env import OgbenchEnv

    return OgbenchEnv(**settings)


OGBENCH = EnvironmentEntry(
    spec=SPECIFICATION,
    make=make,
    behaviours={
        "disturbed_stack": DisturbedStack,
        "expert_reach": ReachExpert,
        "expert_stack": StackExpert,
        "noisy_expert": NoisyExpert,
        "play": Play,
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
    "DisturbedStack",
    "NoisyExpert",
    "Play",
    "ReachExpert",
    "StackExpert",
]
