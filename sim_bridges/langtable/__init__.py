# SPDX-License-Identifier: Apache-2.0
"""The Language-Table simulation, its scripted behaviours, and what registers them as an environment."""

from typing import Any

from sim_bridges.langtable.blocks import ALL_BLOCKS, OBJECT_SETS
from sim_bridges.langtable.experts import DisturbedPush, NoisyExpert, PushExpert, ReachExpert, SeparateExpert
from sim_bridges.langtable.play import Play
from sim_bridges.langtable.specification import CAMERA, SPECIFICATION
from swm_core.environment import Environment, EnvironmentEntry
from swm_core.tasks.langtable_questions import EFFECTOR_WORDS, LANGTABLE_LOCATE, LANGTABLE_QUESTIONS


def make(**settings: Any) -> Environment:
    """Build a `LangTableEnv`; the simulator is imported here, as most who read the specification never need it."""
    from sim_bridges.langtable.env import LangTableEnv

    return LangTableEnv(**settings)


LANGTABLE = EnvironmentEntry(
    spec=SPECIFICATION,
    make=make,
    behaviours={
        "expert_push": PushExpert,
        "expert_reach": ReachExpert,
        "expert_separate": SeparateExpert,
        "noisy_expert": NoisyExpert,
        "disturbed_push": DisturbedPush,
        "play": Play,
    },
    questions=LANGTABLE_QUESTIONS,
    locate=LANGTABLE_LOCATE,
    effector_words=EFFECTOR_WORDS,
    names=ALL_BLOCKS,
)

__all__ = [
    "CAMERA",
    "LANGTABLE",
    "OBJECT_SETS",
    "SPECIFICATION",
    "DisturbedPush",
    "NoisyExpert",
    "Play",
    "PushExpert",
    "ReachExpert",
    "SeparateExpert",
]
