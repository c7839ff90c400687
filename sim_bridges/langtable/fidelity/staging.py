# SPDX-License-Identifier: Apache-2.0
"""Puts single blocks on an otherwise empty table, pushes them, and looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sim_bridges.langtable.blocks import SHAPES
from sim_bridges.langtable.layout import Layout
from sim_bridges.langtable.world import World

STAGE_OBJECTS = ("red moon", "blue cube", "yellow star", "green pentagon")  # one of each shape, in the order of SHAPES
_AWAY = 3.0  # m; where blocks that are not looked at stand


def stage_world() -> World:
    """A world with one block of each shape."""
    return World(STAGE_OBJECTS)


def put(world: World, peg: Sequence[float], blocks: Mapping[str, Sequence[float]] | None = None) -> None:
    """Begin with the peg at rest over (2,) m and the named shapes at (x, y, yaw); all others far away."""
    wanted = blocks or {}
    poses = [wanted.get(shape, (_AWAY, _AWAY + index, 0.0)) for index, shape in enumerate(SHAPES)]
    world.start(Layout(np.array(peg, float), np.array(poses, float)))


def push(
    world: World, blocks: Mapping[str, Sequence[float]], peg: Sequence[float], action: Sequence[float], steps: int
) -> dict[str, np.ndarray]:
    """Move the peg by (2,) m a number of times.

    Returns:
        Per shape its (3,) final x, y in m and yaw in rad, at the end of the last step.
    """
    put(world, peg, blocks)
    for _ in range(steps):
        world.move(np.array(action, float))
    positions, yaws, _ = world.poses()
    return {shape: np.array([*positions[i, :2], yaws[i]]) for i, shape in enumerate(SHAPES) if shape in blocks}


def frame(world: World) -> np.ndarray:
    """(180, 320, 3) int, so that differences may be negative."""
    return world.render().astype(int)


def changed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(180, 320) bool: where two frames differ."""
    return (first != second).any(-1)
