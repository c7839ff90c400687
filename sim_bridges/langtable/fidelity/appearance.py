# SPDX-License-Identifier: Apache-2.0
"""Checks 1, 2, 4 and 5: projection, table, blocks and peg as the camera sees them."""

from __future__ import annotations

import numpy as np

from sim_bridges.langtable import blocks
from sim_bridges.langtable.fidelity.measurement import Measurement, between, near, original
from sim_bridges.langtable.fidelity.staging import changed, frame, put
from sim_bridges.langtable.specification import CAMERA, PEG_RADIUS
from sim_bridges.langtable.world import World

_BOARD_GREY = 47
_BOARD_ROWS = {60: (44, 276), 100: (30, 290), 140: (15, 305), 160: (8, 312)}  # row: first and last column
_BOARD_COLUMN = 200, (18, 167)
_FLOOR = {"left": ((100, 5), (162, 186, 224)), "right": ((100, 315), (239, 239, 239))}
_BLOCK_POSES = ((0.375, 0.0, 0.0), (0.55, 0.2, 0.0), (0.2, 0.2, 0.0), (0.375, 0.0, np.pi / 4))
_BLOCK_PIXELS = {
    "cube": (372, 643, 325, 425),
    "moon": (244, 443, 208, 299),
    "star": (301, 464, 250, 317),
    "pentagon": (342, 544, 275, 355),
}
_AREAS = {
    "cube": (15.6, 15.6),
    "moon": (9.2, 10.5),
    "star": (10.0, 12.6),
    "pentagon": (13.2, 13.1),
}  # outline, hull; cm2
_PEG_VIEWS = {(0.375, 0.0): (86, 11.5), (0.3, -0.2): (63, 12), (0.5, 0.2): (135, 16.5), (0.2, 0.1): (38, 10)}


def projection() -> list[Measurement]:
    """Check 1: pixel coordinates of table points."""
    rows = []
    for item in original()["projection"]:
        for axis, ours, theirs in zip("uv", CAMERA.project(np.array(item["point"])), item["pixel"], strict=True):
            rows.append(near(1, f"{axis} of {tuple(item['point'])}, px", ours, theirs, 0.1))
    return rows


def board(world: World) -> list[Measurement]:
    """Check 2: where the empty board ends in the picture, and the floor's colours."""
    put(world, (0.3, -0.2))
    picture = frame(world)
    dark = (np.abs(picture - _BOARD_GREY) <= 3).all(-1)
    rows = []
    lines = [(f"board row {row}", dark[row], ends) for row, ends in _BOARD_ROWS.items()]
    column, ends = _BOARD_COLUMN
    for name, line, expected in [*lines, (f"board column {column}", dark[:, column], ends)]:
        found = np.flatnonzero(line)
        rows += [
            near(2, f"{name} begins, px", found[0], expected[0], 1),
            near(2, f"{name} ends, px", found[-1], expected[1], 1),
        ]
    for side, (at, colour) in _FLOOR.items():
        for channel, ours, theirs in zip("RGB", picture[at], colour, strict=True):
            rows.append(near(2, f"floor {side} {channel}", ours, theirs, 3))
    return rows


def footprints() -> list[Measurement]:
    """Check 4, sizes: outline and hull areas, height."""
    rows = []
    for shape, (outline, hull) in _AREAS.items():
        ours = blocks.outline(shape)
        rows.append(near(4, f"{shape} area, cm2", 1e4 * blocks.area(ours), outline, 0.05 * outline))
        rows.append(near(4, f"{shape} hull area, cm2", 1e4 * blocks.area(blocks.convex_hull(ours)), hull, 0.05 * hull))
    return [*rows, near(4, "height, mm", 1e3 * blocks.hull_points("cube")[:, 2].max(), 38.1, 0.1)]


def block_views(world: World) -> list[Measurement]:
    """Check 4, pictures: visible pixels, centroids and colours of the four shapes."""
    put(world, (0.55, -0.28))
    rows = []
    for index, shape in enumerate(blocks.SHAPES):
        away = world.poses()[0][index]
        empty = frame(world)
        for pose, expected in zip(_BLOCK_POSES, _BLOCK_PIXELS[shape], strict=True):
            world.place(index, pose[0], pose[1], pose[2])
            picture = frame(world)
            seen = changed(picture, empty)
            label = f"{shape} at ({pose[0]:g}, {pose[1]:g}, {pose[2]:.2f})"
            rows.append(near(4, f"{label}, visible px", seen.sum(), expected, 0.08 * expected))
            if pose == _BLOCK_POSES[0]:
                row, column = (axis.mean() for axis in np.nonzero(seen))
                rows += [
                    between(4, f"{shape} mean row, px", row, 79.1, 81.4),
                    between(4, f"{shape} mean column, px", column, 158.5, 161.8),
                ]
                rows.append(near(4, f"{shape} lit face, strongest channel", picture[seen].max(), 239, 6))
                rows.append(near(4, f"{shape} darkest side, weakest channel", picture[seen].min(), 61, 6))
        world.place(index, away[0], away[1], 0.0)
    return rows


def peg(world: World) -> list[Measurement]:
    """Check 5: the peg's lower end, measured and seen."""
    rows = [near(5, "peg radius, mm", 1e3 * PEG_RADIUS, 12.7, 0.05)]
    for target, (lowest, width) in _PEG_VIEWS.items():
        put(world, target)
        picture, height = frame(world), world.peg()[2]
        put(world, (0.45, -0.28 if target[1] >= 0 else 0.28))
        seen = changed(picture, frame(world))
        column = int(CAMERA.project(np.array([*target, 0.0]))[0])
        seen[:, : column - 14], seen[:, column + 15 :] = False, False
        last = np.flatnonzero(seen.any(1)).max()
        if target == (0.375, 0.0):
            rows.append(between(5, "peg lower end z, mm", 1e3 * height, 8.3, 9.0))
        rows.append(near(5, f"peg at {target}, lowest row, px", last, lowest, 2))
        rows.append(near(5, f"peg at {target}, width, px", np.median(seen[last - 8 : last - 2].sum(1)), width, 2))
    return rows
