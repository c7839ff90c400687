# SPDX-License-Identifier: Apache-2.0
"""First guesses of action chunks where there is no base policy: straight lines in several directions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from swm_core.planning.search import Bounds


def headings(directions: int, speeds: tuple[float, ...], horizon: int, bounds: Bounds) -> Tensor:
    """Constant actions in evenly spread directions of the first two dimensions.

    Args:
        directions: how many.
        speeds: each a share of the largest action.
        horizon: H.
        bounds: limits.

    Returns:
        (directions * len(speeds), H, A).
    """
    angles = torch.arange(directions) * (2 * math.pi / directions)
    flat = torch.zeros(directions, len(bounds.low))
    flat[:, 0], flat[:, 1] = angles.cos(), angles.sin()
    chunks = [speed * flat * bounds.half_range for speed in speeds]
    return torch.cat(chunks)[:, None].expand(-1, horizon, -1)


def straight_to(start: Tensor, targets: Tensor, axes: tuple[int, ...], horizon: int, bounds: Bounds) -> Tensor:
    """Actions that lead straight to points as fast as allowed and then rest; they begin after the committed actions.

    Args:
        start: (3,) effector at present, world frame, m.
        targets: (N, 3), world frame, m.
        axes: per action dimension, the world axis it moves along, in m per unit, or -1.
        horizon: H.
        bounds: limits and committed actions.

    Returns:
        (N, H, A).
    """
    gap, fixed = torch.zeros(len(targets), len(axes)), len(bounds.committed)
    for i, axis in enumerate(axes):
        if axis >= 0:
            gap[:, i] = targets[:, axis] - start[axis] - bounds.committed[:, i].sum()
    steps = (gap.abs() / bounds.half_range).amax(-1)[:, None].clamp(min=1e-6)  # at full speed of the busiest axis
    time = torch.arange(horizon - fixed)[None]
    share = (time + 1).minimum(steps) - time.minimum(steps)
    line = share[..., None] * (gap / steps)[:, None]
    return torch.cat([bounds.committed.expand(len(targets), -1, -1), line], 1)


def shifted(actions: Tensor, steps: int) -> Tensor:
    """What remains of a chunk after some of its steps, its last action repeated to keep the length.

    Args:
        actions: (H, A).
        steps: how many were executed.
    """
    steps = min(steps, len(actions) - 1)
    return torch.cat([actions[steps:], actions[-1:].expand(steps, -1)]) if steps else actions
