# SPDX-License-Identifier: Apache-2.0
"""Where the cubes stand at an episode's start: random poses with room between them."""

from __future__ import annotations

import numpy as np

from swm_core.errors import BridgeError

LOW, HIGH = np.array([0.3, -0.3]), np.array([0.55, 0.3])  # where the package puts cubes, world xy, m
MIN_DISTANCE = 0.07  # m between centres: two cubes are apart from 0.057 on, however turned; the rest is for a finger
MAX_TRIES = 1000


def draw_layout(rng: np.random.Generator, count: int) -> np.ndarray:
    """Poses of cubes that do not overlap; the package's own draws may.

    Args:
        rng: generator; advanced.
        count: number of cubes.

    Returns:
        (count, 3) float64, x and y in m and yaw in [0, 2 pi).

    Raises:
        BridgeError: a cube found no free place.
    """
    poses: list[np.ndarray] = []
    for index in range(count):
        for _ in range(MAX_TRIES):
            pose = np.array([*rng.uniform(LOW, HIGH), rng.uniform(0.0, 2 * np.pi)])
            if all(np.linalg.norm(pose[:2] - other[:2]) >= MIN_DISTANCE for other in poses):
                poses.append(pose)
                break
        else:
            raise BridgeError(f"no free place for cube {index} of {count} after {MAX_TRIES} tries")
    return np.array(poses)
