# SPDX-License-Identifier: Apache-2.0
"""Hand-placed scenes."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from swm_core.scene import SceneState

FAR_AWAY = (0.2, -0.28)

SceneFactory = Callable[..., SceneState]


def _place(
    blocks: dict[str, tuple[float, float]],
    effector: tuple[float, float] = FAR_AWAY,
    touched: Sequence[str] = (),
) -> SceneState:
    names = tuple(blocks)
    count = len(names)
    contacts = np.zeros((count + 1, count + 1), bool)
    for name in touched:
        contacts[-1, names.index(name)] = contacts[names.index(name), -1] = True
    return SceneState(
        names=names,
        positions=np.array([(*xy, 0.0) for xy in blocks.values()], float).reshape(count, 3),
        yaws=np.zeros(count),
        effector=np.array((*effector, 0.145)),
        contacts=contacts,
        gripper=np.array(0.0),
    )


def _random(names: Sequence[str], batch: tuple[int, ...], seed: int) -> SceneState:
    """Scenes crowded enough that every question type has both answers."""
    rng, count = np.random.default_rng(seed), len(names)
    low, high = np.array([0.3, -0.12, 0.0]), np.array([0.5, 0.12, 0.1])
    contacts = np.triu(rng.random((*batch, count + 1, count + 1)) < 0.3, 1)
    return SceneState(
        names=tuple(names),
        positions=rng.uniform(low, high, (*batch, count, 3)),
        yaws=rng.uniform(0, 6, (*batch, count)),
        effector=rng.uniform(low, high, (*batch, 3)),
        contacts=contacts | np.swapaxes(contacts, -1, -2),
        gripper=np.zeros(batch),
    )


@pytest.fixture
def place() -> SceneFactory:
    """Builds one scene from named xy positions, the effector's xy and the blocks it touches."""
    return _place


@pytest.fixture
def random_scenes() -> SceneFactory:
    """Builds a batch of random scenes: names, batch shape, seed."""
    return _random


@pytest.fixture
def block_8() -> tuple[str, ...]:
    """The eight blocks of Language-Table's standard set."""
    return (
        "red moon", "red pentagon", "blue moon", "blue cube",
        "green cube", "green star", "yellow star", "yellow pentagon",
    )  # fmt: skip
