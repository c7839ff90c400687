# SPDX-License-Identifier: Apache-2.0
"""The simulator's thread with the real environment: a refused episode changes nothing."""

import numpy as np
import pytest

from sim_bridges.langtable.env import LangTableEnv
from sim_bridges.simulation import Episode, Simulation
from swm_core.errors import ConfigError

NAMES = ("red moon", "blue cube")


@pytest.fixture
def simulation():
    made = Simulation(lambda: LangTableEnv(images=False))
    yield made
    made.close()


def test_a_refused_reset_leaves_the_episode_as_it_is(simulation):
    action = np.array([0.01, 0.0], np.float32)
    simulation.reset(Episode(1, 5, NAMES)).result()
    before = simulation.step(action).result()
    with pytest.raises(ConfigError, match="red elephant"):
        simulation.reset(Episode(2, 6, ("red elephant",))).result()
    after = simulation.step(action).result()
    assert (after.episode.number, after.step) == (1, 2)
    assert np.array_equal(after.scene.positions, before.scene.positions)
    assert after.scene.effector[0] == pytest.approx(before.scene.effector[0] + 0.01, abs=1e-6)


def test_a_reset_that_breaks_off_leaves_nothing_to_step(simulation, monkeypatch):
    simulation.reset(Episode(1, 5, NAMES)).result()

    def broken(**_):
        raise ValueError("half way")

    monkeypatch.setattr(simulation._env, "reset", broken)
    with pytest.raises(ValueError, match="half way"):
        simulation.reset(Episode(2, 6, NAMES)).result()
    with pytest.raises(RuntimeError, match="before the first reset"):
        simulation.step(np.zeros(2, np.float32)).result()


def test_refused_objects_do_not_touch_the_random_stream():
    env, same = LangTableEnv(images=False), LangTableEnv(images=False)
    for one in (env, same):
        one.reset(seed=3)
    with pytest.raises(ConfigError):
        env.reset(seed=4, options={"objects": ("red elephant",)})
    for one in (env, same):
        one.reset()
    assert np.array_equal(env.scene().positions, same.scene().positions)
    for one in (env, same):
        one.close()
