# SPDX-License-Identifier: Apache-2.0
"""Fewer triangles in the robot's meshes: in the picture they are smaller than a pixel, and each of them costs time."""

from __future__ import annotations

import mujoco
import numpy as np


def coarsen(model: mujoco.MjModel, cell: float) -> int:
    """Draw the meshes of a compiled model with fewer triangles; to be called before they are uploaded.

    Vertices in the same cell of a grid are drawn as the one of them that is nearest to their mean, and triangles that
    have no area then are left out. Only the faces change, which nothing but drawing reads: collisions use the convex
    hulls, and the inertias were computed at compilation.

    Args:
        model: changed in place.
        cell: edge of the grid's cells, m; 0 changes nothing.

    Returns:
        triangles left, over all meshes.
    """
    if cell > 0.0:
        for mesh in range(model.nmesh):
            _coarsen_mesh(model, mesh, cell)
    return int(model.mesh_facenum.sum())


def _coarsen_mesh(model: mujoco.MjModel, mesh: int, cell: float) -> None:
    """Rewrite one mesh's faces; its vertices and normals stay where they are."""
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    begin, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    rows = slice(begin, begin + faces)
    drawn = _representatives(model.mesh_vert[first : first + count].astype(np.float64), cell)[model.mesh_face[rows]]
    solid = (drawn[:, 0] != drawn[:, 1]) & (drawn[:, 1] != drawn[:, 2]) & (drawn[:, 2] != drawn[:, 0])
    _, unique = np.unique(np.sort(drawn[solid], 1), axis=0, return_index=True)  # both sides of a thin plate become one
    kept = np.flatnonzero(solid)[np.sort(unique)]
    if not len(kept):
        return  # a mesh smaller than a cell stays as it is
    normals = model.mesh_facenormal[rows][kept]
    rows = slice(begin, begin + len(kept))
    model.mesh_face[rows], model.mesh_facenormal[rows] = drawn[kept], normals
    model.mesh_facenum[mesh] = len(kept)


def _representatives(vertices: np.ndarray, cell: float) -> np.ndarray:
    """(V,) for each vertex (V, 3) the index of the one that stands for all in its cell."""
    keys = np.floor((vertices - vertices.min(0)) / cell).astype(np.int64)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.reshape(-1)
    sizes = np.bincount(group)
    means = np.stack([np.bincount(group, vertices[:, axis]) / sizes for axis in range(3)], -1)
    distance = np.linalg.norm(vertices - means[group], axis=1)
    order = np.lexsort((distance, group))  # by cell, the nearest to its mean first
    nearest = order[np.concatenate([[0], np.cumsum(sizes)[:-1]])]
    return nearest[group]
