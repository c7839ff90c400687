# SPDX-License-Identifier: Apache-2.0
"""A path that somebody drew on the image, as actions. Pure logic: no ROS."""

from __future__ import annotations

import numpy as np

from swm_core.environment import EnvironmentSpec, action_axes
from swm_core.errors import PlanningError

SPEED = 0.6  # of the largest action, along the path


def path_actions(pixels: np.ndarray, start: np.ndarray, spec: EnvironmentSpec, longest: int) -> np.ndarray:
    """Actions that lead the effector to a drawn path and along it, in its present height.

    Args:
        pixels: (N, 2) (u, v) in the order in which they were drawn, px.
        start: (3,) where the effector is, world frame, m.
        spec: camera and actions.
        longest: most actions; what is beyond is left out.

    Returns:
        (h, A) float32, h from 1 to `longest`, inside the bounds.

    Raises:
        PlanningError: no point, or none that the camera sees at that height.
    """
    drawn = np.asarray(pixels, float).reshape(-1, 2)
    ground = spec.camera.unproject(drawn, float(start[2]))[:, :2] if len(drawn) else np.zeros((0, 2))
    ground = ground[np.isfinite(ground).all(1)]
    if not len(ground):
        raise PlanningError("draw a path on the image first")
    axes = action_axes(spec.action_names)
    columns = [axes.index(axis) for axis in (0, 1)]
    largest = np.array([spec.largest_action[column] for column in columns])
    way = np.vstack([np.asarray(start[:2], float), ground])
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
    stride = SPEED * float(largest.min())
    count = min(longest, max(1, round(lengths[-1] / stride)))
    stops = np.minimum(stride * np.arange(count + 1), lengths[-1])
    points = np.stack([np.interp(stops, lengths, way[:, i]) for i in range(2)], 1)
    actions = np.zeros((count, spec.action_dim), np.float32)
    actions[:, columns] = np.diff(points, axis=0)
    return np.clip(actions, spec.action_low, spec.action_high).astype(np.float32)
