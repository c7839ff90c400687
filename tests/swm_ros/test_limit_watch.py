# SPDX-License-Identifier: Apache-2.0
"""What the rig holds for a breach of the guard's limits, and that the guard commits none."""

import math

import numpy as np
import pytest

from swm_ros.guard import Guard
from swm_ros.guard_config import GuardConfig
from swm_ros.limit_watch import LimitWatch
from swm_ros.motion import Motion

LIMITS = GuardConfig(
    max_velocity=(0.3, 0.3, 0.0),
    max_acceleration=(1.0, 1.0, 0.0),
    max_jerk=(8.0, 3.0, 0.0),
    max_gripper_rate=5.0,
    workspace_low=(0.15, -0.3, 0.0),
    workspace_high=(0.6, 0.3, 0.1),
)


def commands(*speeds: tuple[float, ...]) -> LimitWatch:
    """A watch that has seen some velocities along x, y, and a gripper's rate."""
    watch = LimitWatch(LIMITS)
    for x, y, gripper in speeds:
        watch.command(np.array((x, y, 0.0, 0.0, 0.0, 0.0, gripper)))
    return watch


@pytest.mark.parametrize(
    ("speeds", "said"),
    [
        ([(0.08, 0.0, 0.0), (0.18, 0.0, 0.0), (0.28, 0.0, 0.0)], ""),
        ([(0.08, 0.0, 0.0), (0.18, 0.0, 0.0), (0.0, 0.0, 0.0), (-0.08, 0.0, 5.0)], ""),
        ([(0.0, 0.0, 5.1)], "too fast"),
        ([(0.08, 0.0, 0.0), (0.18, 0.0, 0.0), (0.28, 0.0, 0.0), (0.31, 0.0, 0.0)], "too fast"),
        ([(math.nan, 0.0, 0.0)], "not finite"),
        ([(0.0, 0.03, 0.0), (0.0, 0.09, 0.0), (0.0, 0.18, 0.0), (0.0, 0.28, 0.0)], ""),
        ([(0.09, 0.0, 0.0)], "too abrupt"),
        ([(0.0, 0.03, 0.0), (0.0, 0.1, 0.0)], "too abrupt"),
        ([(0.0, 0.03, 0.0), (0.0, 0.09, 0.0), (0.0, 0.19, 0.0)], "too abrupt"),
        ([(0.0, 0.03, 0.0), (0.0, 0.06, 0.0), (0.0, 0.01, 0.0), (0.0, -0.03, 0.0)], "too abrupt"),
        ([(0.08, 0.0, 0.0), (0.19, 0.0, 0.0)], "too abrupt"),
        ([(0.08, 0.0, 0.0), (-0.08, 0.0, 0.0)], "too abrupt"),
    ],
)
def test_what_no_limit_allows_is_found(speeds, said):
    assert [text.partition(":")[0] for text in commands(*speeds).broken] == ([said] if said else [])


def test_an_effector_out_of_the_workspace_is_found():
    watch = LimitWatch(LIMITS)
    watch.effector(np.array([0.605, -0.3, 0.0]))
    assert not watch.broken
    watch.effector(np.array([0.62, -0.3, 0.0]))
    assert "out of the workspace" in watch.broken[0]


def test_what_leaves_the_guard_breaks_nothing():
    guard, watch, random = Guard(LIMITS), LimitWatch(LIMITS), np.random.default_rng(5)
    position, moved = np.array([0.4, 0.0, 0.05]), 0
    for step in range(3000):
        now = 0.1 * step + random.uniform(0.0, 0.09)
        guard.see_effector(tuple(position), now)
        x, y, z = (float(v) for v in random.uniform(-0.6, 0.6, 3))
        out = guard.judge(Motion((x, y, z), gripper=float(random.uniform(-9, 9)), order=(1, 1, step)), now)
        if out is not None:
            moved += not out.still
            watch.command(np.array((*out.linear, *out.angular, out.gripper)))
            position = position + 0.1 * np.array(out.linear)
            watch.effector(position)
    assert moved > 2000
    assert not watch.broken
