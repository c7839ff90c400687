# SPDX-License-Identifier: Apache-2.0
"""Where an episode begins: peg target and block poses, drawn in the original's order from the original's generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_bridges.langtable.specification import EFFECTOR_HEIGHT, SPAWN_MARGIN, WORKSPACE_HIGH, WORKSPACE_LOW
from swm_core.errors import BridgeError

MIN_BLOCK_DISTANCE = 0.0175  # centre to centre: blocks may overlap and are pushed apart while they settle
MIN_PEG_DISTANCE = 0.06
MAX_TRIES = 20


@dataclass(frozen=True)
class Layout:
    """A drawn start.

    Attributes:
        peg: (2,) float64, effector command, m.
        blocks: (N, 3) float64, x, y in m and yaw in [0, 2 pi), in the order of the objects.
    """

    peg: np.ndarray
    blocks: np.ndarray


def draw_layout(rng: np.random.RandomState, count: int) -> Layout:
    """Draw the next layout of a generator's stream.

    A `RandomState(seed)` gives the original's layout of that seed first: the numbers of each draw, the unused z of the
    peg included, are consumed in the original's order.

    Args:
        rng: generator; advanced.
        count: number of blocks.

    Raises:
        BridgeError: a block found no free place in 20 tries.
    """
    low, high = WORKSPACE_LOW + SPAWN_MARGIN, WORKSPACE_HIGH - SPAWN_MARGIN
    peg = rng.uniform([*low, EFFECTOR_HEIGHT], [*high, EFFECTOR_HEIGHT])[:2]
    blocks: list[np.ndarray] = []
    for index in range(count):
        for _ in range(MAX_TRIES):
            xy = rng.uniform([*low, 0.0], [*high, 0.0])[:2]
            yaw = rng.uniform(0.0, 2 * np.pi)
            far = all(np.linalg.norm(xy - other[:2]) >= MIN_BLOCK_DISTANCE for other in blocks)
            if far and np.linalg.norm(xy - peg) >= MIN_PEG_DISTANCE:
                blocks.append(np.array([*xy, yaw]))
                break
        else:
            raise BridgeError(f"no free place for block {index} of {count} after {MAX_TRIES} tries")
    return Layout(peg, np.array(blocks))
