# SPDX-License-Identifier: Apache-2.0
"""Checks 3, 6 and 7: how the effector follows its command, and how blocks move when they are pushed."""

from __future__ import annotations

import numpy as np

from sim_bridges.langtable.fidelity.measurement import Measurement, between, near, original
from sim_bridges.langtable.fidelity.staging import push, put
from sim_bridges.langtable.world import World

_PUSH_TOLERANCE = 4.0  # mm
# (peg start, action, axis looked at): final coordinate of a block that stood at (0.4, 0), m
_STRAIGHT = {
    ((0.32, 0.0), (0.02, 0.0), 0): {"cube": 0.4764, "moon": 0.462, "star": 0.4775, "pentagon": 0.479},
    ((0.4, -0.08), (0.0, 0.02), 1): {"cube": 0.0763, "moon": 0.0744, "star": 0.0782, "pentagon": 0.0723},
    ((0.48, 0.0), (-0.02, 0.0), 0): {"cube": 0.320, "moon": 0.3245, "star": 0.322, "pentagon": 0.3226},
}


def step_response(world: World) -> list[Measurement]:
    """Check 3: the flange's path for constant actions, its lag, and the clipping of the command."""
    rows = []
    for item in original()["step_responses"]:
        put(world, item["start"])
        errors, lags = [], []
        for step, theirs in enumerate(item["positions"]):
            world.move(np.array(item["action"]) if step < item["steps"] else np.zeros(2))
            errors.append(np.linalg.norm(world.flange()[:2] - theirs))
            lags.append(np.linalg.norm(world.command - world.flange()[:2]))
        name = f"step response {tuple(item['start'])} by {tuple(item['action'])}"
        rows.append(near(3, f"{name}, largest deviation, mm", 1e3 * max(errors), 0, 1.5))
        rows.append(between(3, f"{name}, steady lag, mm", 1e3 * lags[item["steps"] - 1], 2.4, 4.0))
        rest = 1e3 * (lags[item["steps"]] - lags[-1])
        rows.append(between(3, f"{name}, lag left a step later, mm", rest, -0.5, 0.5))
    for _ in range(40):
        world.move(np.array([0.03, 0.03]))
    rows.append(near(3, "command at the corner, x, m", world.command[0], 0.6, 0))
    return [*rows, near(3, "command at the corner, y, m", world.command[1], 0.3048, 0)]


def straight_pushes(world: World) -> list[Measurement]:
    """Check 6: one block at (0.4, 0), pushed along an axis; off centre; fast and slow; against a second block."""
    rows = []
    for (start, action, axis), finals in _STRAIGHT.items():
        for shape, theirs in finals.items():
            final = push(world, {shape: (0.4, 0.0, 0.0)}, start, action, 6)[shape]
            direction = f"{'-' if min(action) < 0 else '+'}{'xy'[axis]}"
            rows.append(near(6, f"{shape} pushed {direction}, mm", 1e3 * final[axis], 1e3 * theirs, _PUSH_TOLERANCE))
            if direction == "+x":
                sideways = 18.0 if shape == "moon" else 0.0
                rows.append(near(6, f"{shape} pushed +x, sideways, mm", 1e3 * final[1], sideways, 10))
    return [*rows, *_uncommon_pushes(world)]


def _uncommon_pushes(world: World) -> list[Measurement]:
    cube = {"cube": (0.4, 0.0, 0.0)}
    x, y, yaw = push(world, cube, (0.32, 0.012), (0.02, 0.0), 6)["cube"]
    rows = [
        near(6, "cube 12 mm off centre, yaw, rad", yaw, -1.06, 0.25),
        near(6, "cube 12 mm off centre, x, mm", 1e3 * x, 460.6, 8),
        near(6, "cube 12 mm off centre, y, mm", 1e3 * y, -17, 8),
    ]
    for speed, steps, theirs in ((0.03, 4, 0.4705), (0.005, 24, 0.4723)):
        final = push(world, cube, (0.32, 0.0), (speed, 0.0), steps)["cube"]
        rows.append(
            near(6, f"cube, {steps} steps of {1e3 * speed:g} mm, x, mm", 1e3 * final[0], 1e3 * theirs, _PUSH_TOLERANCE)
        )
    chain = push(world, {**cube, "star": (0.46, 0.0, 0.0)}, (0.32, 0.0), (0.02, 0.0), 7)
    for shape, place in (("cube", (0.492, 0.011)), ("star", (0.5345, 0.002))):
        for axis in (0, 1):
            ours = 1e3 * chain[shape][axis]
            rows.append(near(6, f"chain, {shape} {'xy'[axis]}, mm", ours, 1e3 * place[axis], 8))
    return rows


def random_pushes(world: World) -> list[Measurement]:
    """Check 7: pushes of random direction and offset; the original differs from itself by 3 mm at the median."""
    distances, along = [], []
    for item in original()["pushes"]:
        shape = item["shape"]
        final = push(world, {shape: item["block"]}, item["peg"], item["action"], item["steps"])[shape]
        deviations = final[:2] - np.array(item["finals"])[:, :2]
        distances += np.linalg.norm(deviations, axis=1).tolist()
        direction = np.array(item["action"]) / np.linalg.norm(item["action"])
        along.append((deviations @ direction).mean())
    return [
        between(7, "random pushes, median deviation, mm", 1e3 * np.median(distances), 0, 6),
        between(7, "random pushes, 90th percentile, mm", 1e3 * np.quantile(distances, 0.9), 0, 12),
        between(7, "random pushes, bias along the push, mm", 1e3 * np.mean(along), -2.5, 2.5),
    ]
