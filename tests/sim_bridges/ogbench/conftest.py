# SPDX-License-Identifier: Apache-2.0
"""One simulation for the whole folder; episodes don't depend on those before."""

from collections.abc import Iterator

import pytest

from sim_bridges.ogbench.env import OgbenchEnv


@pytest.fixture(scope="session")
def env() -> Iterator[OgbenchEnv]:
    environment = OgbenchEnv(images=False)
    yield environment
    environment.close()
