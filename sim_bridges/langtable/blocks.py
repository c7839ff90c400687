# SPDX-License-Identifier: Apache-2.0
"""The blocks of Language-Table: names, sets, outlines, and the prisms that are simulated and drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from swm_core.errors import ConfigError

COLOURS: dict[str, tuple[float, float, float, float]] = {
    "red": (1.0, 0.4, 0.4, 1.0),
    "blue": (0.4, 0.4, 1.0, 1.0),
    "yellow": (1.0, 1.0, 0.4, 1.0),
    "green": (0.4, 1.0, 0.4, 1.0),
    "purple": (1.0, 0.4, 1.0, 1.0),
}
SHAPES = ("moon", "cube", "star", "pentagon")
ALL_BLOCKS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)

OBJECT_SETS: dict[str, tuple[str, ...]] = {
    "BLOCK_8": (
        "red moon",
        "red pentagon",
        "blue moon",
        "blue cube",
        "green cube",
        "green star",
        "yellow star",
        "yellow pentagon",
    ),
    "BLOCK_4": ("red moon", "blue cube", "green star", "yellow pentagon"),
    "BLOCK_1": ("green star",),
    "NOVEL_8": (
        "red cube",
        "red star",
        "blue star",
        "purple pentagon",
        "green moon",
        "green pentagon",
        "yellow moon",
        "purple cube",
    ),
}

HEIGHT = 0.0381  # 1.5 inch
MASS = 0.01
LATERAL_FRICTION = 0.5
ROLLING_FRICTION = 1e-4
COLLISION_MARGIN = 0.001
INERTIA_MARGIN = 0.003  # the original's inertia is that of a bounding box wider by this much on every side
BEVEL = 0.002
FACE_SCALE = 0.915  # size of top and bottom face relative to the widest section


def validate_objects(names: Iterable[str]) -> tuple[str, ...]:
    """The names as a tuple, in the given order.

    Raises:
        ConfigError: there are none, one repeats, or one is not a block.
    """
    chosen = tuple(names)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ConfigError(f"objects must be one or more different block names, got {chosen}")
    unknown = [name for name in chosen if name not in ALL_BLOCKS]
    if unknown:
        raise ConfigError(f"no such block: {', '.join(map(str, unknown))}; known: {', '.join(ALL_BLOCKS)}")
    return chosen


def _rounded(corners: np.ndarray, radius: float, points: int) -> np.ndarray:
    """Replace each convex corner of a counter-clockwise outline by an arc of `points` vertices."""
    outline = []
    for before, corner, after in zip(np.roll(corners, 1, 0), corners, np.roll(corners, -1, 0), strict=True):
        a, b = before - corner, after - corner
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        half = np.arccos(np.clip(a @ b, -1, 1)) / 2
        bisector = (a + b) / np.linalg.norm(a + b)
        centre = corner + bisector * radius / np.sin(half)
        start = -bisector
        for angle in np.linspace(-(np.pi / 2 - half), np.pi / 2 - half, points):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            outline.append(centre + radius * turn @ start)
    return np.array(outline)


def _polar(radii: Iterable[float], first_angle: float) -> np.ndarray:
    radii = np.array(list(radii))
    angles = first_angle + 2 * np.pi * np.arange(len(radii)) / len(radii)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)


def _moon() -> np.ndarray:
    outer = [(-26.2, 8.1), (-24.3, 1.0), (-20.0, -4.7), (-14.0, -9.2), (-7.2, -12.0), (0.0, -12.9)]
    inner = [(24.5, 12.9), (18.9, 12.0), (12.2, 9.6), (6.2, 8.6), (0.0, 8.4)]
    right = [(-x, y) for x, y in reversed(outer[:-1])]
    left_inner = [(-x, y) for x, y in reversed(inner[:-1])]
    return np.array(outer + right + inner + left_inner) * 1e-3


@cache
def outline(shape: str) -> np.ndarray:
    """Widest horizontal section of a block in its own frame at yaw 0.

    Returns:
        (V, 2) float64, counter-clockwise, m; x to the right-hand side of y.

    Raises:
        ConfigError: there is no such shape.
    """
    if shape == "cube":
        corners = _polar([0.03965 / np.sqrt(2)] * 4, np.pi / 4)
        return _rounded(corners, 0.0035, 3)
    if shape == "pentagon":
        return _rounded(_polar([0.0237] * 5, np.pi / 2), 0.005, 4) + np.array([0.0, 0.0013])
    if shape == "star":
        return _polar([0.0228, 0.0146] * 5, np.pi / 2) + np.array([0.0, -0.00195])
    if shape == "moon":
        return _moon()
    raise ConfigError(f"no shape {shape!r}; shapes are {', '.join(SHAPES)}")


@cache
def radius(shape: str) -> float:
    """Largest distance of a block's outline from its origin, m."""
    return float(np.linalg.norm(outline(shape), axis=1).max())


@dataclass(frozen=True)
class Mesh:
    """Triangles with one normal per vertex (vertices are not shared between faces of different direction).

    Attributes:
        vertices: (V, 3) float64, m.
        faces: (F, 3) int, counter-clockwise seen from outside.
        normals: (V, 3) float64, unit length.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray


def _sections(shape: str) -> list[tuple[np.ndarray, float]]:
    """Outline and height of the four horizontal edges of a bevelled prism, from the table up."""
    wide = outline(shape)
    centre = (wide.max(0) + wide.min(0)) / 2
    narrow = centre + (wide - centre) * FACE_SCALE
    return [(narrow, 0.0), (wide, BEVEL), (wide, HEIGHT - BEVEL), (narrow, HEIGHT)]


def hull_points(shape: str) -> np.ndarray:
    """(V, 3) float64, m: points whose convex hull is the block's collision shape."""
    return np.concatenate([np.column_stack([xy, np.full(len(xy), z)]) for xy, z in _sections(shape)])


def _flat(triangles: np.ndarray) -> Mesh:
    """Mesh of unconnected triangles (F, 3, 3) with their own normals."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    size = np.linalg.norm(normals, axis=1)
    triangles, normals = triangles[size > 0], normals[size > 0] / size[size > 0, None]
    return Mesh(triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3), np.repeat(normals, 3, 0))


def _cap(shape: str, count: int) -> list[tuple[int, int, int]]:
    """Triangles (indices into the outline) that fill it, hollows of star and moon excepted."""
    if shape == "star":
        tips = [(2 * i + 9, 2 * i, 2 * i + 1) for i in range(5)]
        core = [(1, 3, 5), (1, 5, 7), (1, 7, 9)]
        return [(a % 10, b % 10, c % 10) for a, b, c in tips + core]
    if shape == "moon":  # a strip between the outer arc 0..10 and the inner arc, which runs back from 11 to 19
        partner = [0, *range(19, 10, -1), 10]
        strip = []
        for i in range(10):
            a, b, c, d = i, i + 1, partner[i + 1], partner[i]
            strip += [t for t in ((a, b, c), (a, c, d)) if len(set(t)) == 3]
        return strip
    return [(0, i, i + 1) for i in range(1, count - 1)]


@cache
def visual_mesh(shape: str) -> Mesh:
    """The block as drawn: bevelled prism over the true outline, without the bottom face (never seen)."""
    sections = _sections(shape)
    rings = [np.column_stack([xy, np.full(len(xy), z)]) for xy, z in sections]
    count = len(rings[0])
    triangles = []
    for lower, upper in pairwise(rings):
        for i in range(count):
            j = (i + 1) % count
            triangles += [(lower[i], lower[j], upper[j]), (lower[i], upper[j], upper[i])]
    top = rings[-1]
    triangles += [(top[a], top[b], top[c]) for a, b, c in _cap(shape, count)]
    return _flat(np.array(triangles))


def bounding_inertia(shape: str) -> np.ndarray:
    """(3,) float64, kg m^2: principal inertia that the original gives a block (bounding box plus margin)."""
    points = hull_points(shape)
    x, y, z = (points.max(0) - points.min(0) + 2 * INERTIA_MARGIN) ** 2
    return MASS / 12 * np.array([y + z, x + z, x + y])


def area(polygon: np.ndarray) -> float:
    """Area of a simple polygon, m^2.

    Args:
        polygon: (V, 2) float64, counter-clockwise, m.
    """
    x, y = polygon.T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of points in the plane.

    Args:
        points: (P, 2) float64, m.

    Returns:
        (V, 2) float64, counter-clockwise.
    """

    def chain(ordered: list[np.ndarray]) -> list[np.ndarray]:
        kept: list[np.ndarray] = []
        for point in ordered:
            while len(kept) > 1 and np.cross([*(kept[-1] - kept[-2]), 0], [*(point - kept[-1]), 0])[2] <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    ordered = [points[i] for i in np.lexsort((points[:, 1], points[:, 0]))]
    return np.array(chain(ordered) + chain(ordered[::-1]))
