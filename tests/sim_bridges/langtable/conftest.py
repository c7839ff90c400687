# SPDX-License-Identifier: Apache-2.0
"""One simulation of each kind for the whole folder; episodes don't depend on those before."""

from collections.abc import Iterator

import pytest

from sim_bridges.langtable.env import LangTableEnv
from sim_bridges.langtable.fidelity.staging import stage_world
from sim_bridges.langtable.world import World


@pytest.fixture(scope="session")
def env() -> Iterator[LangTableEnv]:
    environment = LangTableEnv(images=False)
    yield environment
    environment.close()


@pytest.fixture(scope="session")
def stage() -> Iterator[World]:
    world = stage_world()
    yield world
    world.close()
