# SPDX-License-Identifier: Apache-2.0
"""Shortest ways round round obstacles on the table, by a visibility graph small enough for every control step."""

from __future__ import annotations

import numpy as np

from sim_bridges.langtable.specification import WORKSPACE_HIGH, WORKSPACE_LOW

_RING = 6  # corners of the polygon that stands for an obstacle


def segment_distance(starts: np.ndarray, ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distances between segments and points.

    Args:
        starts: (S, 2) m.
        ends: (S, 2) m.
        points: (P, 2) m.

    Returns:
        (S, P) float64, m.
    """
    along = (ends - starts)[:, None]
    offset = points[None] - starts[:, None]
    length = np.maximum((along**2).sum(-1), 1e-12)
    t = np.clip((offset * along).sum(-1) / length, 0, 1)
    return np.linalg.norm(offset - t[..., None] * along, axis=-1)


def route(start: np.ndarray, goal: np.ndarray, obstacles: np.ndarray, radius: float, margin: float = 0.0) -> np.ndarray:
    """Waypoints of the shortest way that keeps clear of obstacles as far as start and goal allow.

    Args:
        start: (2,) m.
        goal: (2,) m.
        obstacles: (N, 2) centres, m.
        radius: clearance wanted from every centre, m; less where the start or the goal is nearer.
        margin: distance that the way keeps from the workspace's edge, m.

    Returns:
        (W, 2) waypoints after the start, the goal last; only the goal where no way exists.
    """
    if len(obstacles) == 0:
        return goal[None]
    nearest = np.minimum(np.linalg.norm(obstacles - start, axis=1), np.linalg.norm(obstacles - goal, axis=1))
    clearance = np.minimum(radius, 0.98 * nearest)
    if (segment_distance(start[None], goal[None], obstacles)[0] >= clearance).all():
        return goal[None]
    angles = 2 * np.pi * np.arange(_RING) / _RING
    ring = 1.02 * radius / np.cos(np.pi / _RING) * np.stack([np.cos(angles), np.sin(angles)], -1)
    corners = (obstacles[:, None] + ring).reshape(-1, 2)
    inside = ((corners >= WORKSPACE_LOW + margin) & (corners <= WORKSPACE_HIGH - margin)).all(1)
    free = (np.linalg.norm(corners[:, None] - obstacles, axis=-1) >= clearance).all(1)
    nodes = np.concatenate([start[None], corners[inside & free], goal[None]])
    first, second = np.triu_indices(len(nodes), 1)
    clear = (segment_distance(nodes[first], nodes[second], obstacles) >= clearance).all(1)
    cost = np.full((len(nodes), len(nodes)), np.inf)
    cost[first[clear], second[clear]] = np.linalg.norm(nodes[first] - nodes[second], axis=1)[clear]
    path = _dijkstra(np.minimum(cost, cost.T))
    return nodes[path] if path else goal[None]


def _dijkstra(cost: np.ndarray) -> list[int]:
    """Nodes after node 0 on the cheapest way to the last node; empty where there is none."""
    count = len(cost)
    best, previous = np.full(count, np.inf), np.full(count, -1)
    best[0] = 0.0
    open_best = best.copy()
    for _ in range(count):
        node = int(np.argmin(open_best))
        if not np.isfinite(open_best[node]) or node == count - 1:
            break
        open_best[node] = np.inf
        through = best[node] + cost[node]
        better = through < best
        best[better], previous[better], open_best[better] = through[better], node, through[better]
    if previous[-1] < 0:
        return []
    path = [count - 1]
    while previous[path[-1]] > 0:
        path.append(int(previous[path[-1]]))
    return path[::-1]
