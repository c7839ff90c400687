# SPDX-License-Identifier: Apache-2.0
"""Chunks that follow routes: straight to a point, or round a thing and through it from a chosen side."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from swm_core.planning.search import Bounds

BEND = 5  # vertices of the way round
BEYOND = 0.3  # m that a push goes on behind the thing's centre; a chunk is over before that
SAME = 0.002  # m; places nearer than this are one


def follow(vertices: Tensor, speeds: Tensor, axes: tuple[int, ...], horizon: int, bounds: Bounds) -> Tensor:
    """Actions along polylines, and rest at their end; they begin after the committed actions.

    Args:
        vertices: (N, V, 3) world frame, m; the first is where the effector is now.
        speeds: (V - 1,) along each stretch, as a share of the largest action of its busiest axis.
        axes: per action dimension, the world axis it moves along, in m per unit, or -1 for none: it does not move.
        horizon: H.
        bounds: limits and committed actions.

    Returns:
        (N, H, A).
    """
    moved = torch.zeros(len(vertices), vertices.shape[1], len(axes))
    for i, axis in enumerate(axes):
        if axis >= 0:
            moved[..., i] = vertices[..., axis] - vertices[:, :1, axis]
            moved[:, 0, i] = bounds.committed[:, i].sum()  # where it will be, seen from where it is
    fixed = len(bounds.committed)
    stretches = (moved.diff(dim=1).abs() / bounds.half_range).amax(-1) / speeds
    times = torch.nn.functional.pad(stretches.clamp(min=1e-6).cumsum(1), (1, 0))  # (N, V), in actions
    asked = torch.arange(horizon - fixed + 1, dtype=times.dtype).expand(len(times), -1).contiguous()
    after = torch.searchsorted(times, asked, right=True).clamp(1, times.shape[1] - 1)
    begin, end = times.gather(1, after - 1), times.gather(1, after)
    share = ((asked - begin) / (end - begin)).clamp(max=1.0).unsqueeze(-1)
    places = [moved.gather(1, at.unsqueeze(-1).expand(-1, -1, len(axes))) for at in (after - 1, after)]
    steps = torch.lerp(places[0], places[1], share).diff(dim=1)
    return torch.cat([bounds.committed.expand(len(vertices), -1, -1), steps], 1)


def straight_to(start: Tensor, targets: Tensor, axes: tuple[int, ...], horizon: int, bounds: Bounds) -> Tensor:
    """(N, H, A) actions that lead straight from start (3,) to targets (N, 3) as fast as allowed; see `follow`."""
    vertices = torch.stack([start.expand_as(targets), targets], 1)
    return follow(vertices, torch.ones(1), axes, horizon, bounds)


def different(places: Tensor) -> Tensor:
    """(N, 3) places, each that is the same as an earlier one left out."""
    kept: list[Tensor] = []
    for place in places:
        if all(float((place - other).norm()) > SAME for other in kept):
            kept.append(place)
    return torch.stack(kept) if kept else places[:0]


def approaches(targets: Tensor, directions: int) -> tuple[Tensor, Tensor]:
    """From where to push each thing: evenly all around, and on the lines through the other things.

    Args:
        targets: (N, 3) things' places, m.
        directions: number of even directions.

    Returns:
        (P,) which thing, and (P,) angle of the side that it is pushed from, in the plane of the first two world axes.
    """
    things, angles = [], []
    for i, place in enumerate(targets):
        even = [2 * math.pi * k / directions for k in range(directions)]
        lines = [math.atan2(float(d[1]), float(d[0])) for j, d in enumerate(place - targets) if j != i]
        sides = [*even, *lines, *(angle + math.pi for angle in lines)]
        things += [i] * len(sides)
        angles += sides
    return torch.tensor(things, dtype=torch.long), torch.tensor(angles)


def round_and_through(
    start: Tensor,
    targets: Tensor,
    directions: int,
    radius: float,
    speeds: tuple[float, float],
    axes: tuple[int, ...],
    horizon: int,
    bounds: Bounds,
) -> Tensor:
    """Actions that go round each thing to a side of it, at a distance, and then push through its centre.

    Args:
        start: (3,) effector at present, world frame, m.
        targets: (N, 3) things' places.
        directions: sides all around; see `approaches` for further ones.
        radius: distance kept on the way round, m.
        speeds: on the way round and while pushing, as shares of the largest action.
        axes: see `follow`.
        horizon: H.
        bounds: limits and committed actions.

    Returns:
        (P, H, A).
    """
    things, angles = approaches(targets, directions)
    centres, gap = targets[things], start - targets[things]  # (P, 3)
    far = gap[:, :2].norm(dim=1).clamp(min=radius)
    begin = torch.atan2(gap[:, 1], gap[:, 0])
    turn = torch.remainder(angles - begin + math.pi, 2 * math.pi) - math.pi
    share = torch.linspace(0.0, 1.0, BEND)
    heading, distance = begin[:, None] + turn[:, None] * share, far[:, None] + (radius - far)[:, None] * share
    last = heading[:, -1:]
    heading, distance = torch.cat([heading, last], 1), torch.cat([distance, torch.full_like(last, -BEYOND)], 1)
    offset = torch.stack([distance * heading.cos(), distance * heading.sin(), torch.zeros_like(heading)], -1)
    way = torch.cat([start.expand(len(things), 1, -1), centres[:, None] + offset], 1)
    return follow(way, torch.tensor([speeds[0]] * BEND + [speeds[1]]), axes, horizon, bounds)
