# SPDX-License-Identifier: Apache-2.0
"""First guesses of action chunks: the last plan, a base policy, straight lines, ways round things and through them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from swm_core.planning.routes import different, round_and_through, straight_to
from swm_core.planning.search import Bounds
from swm_core.planning.settings import POLICY, PlannerConfig


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


def shifted(actions: Tensor, steps: int) -> Tensor:
    """What remains of a chunk after some of its steps, its last action repeated to keep the length.

    Args:
        actions: (H, A).
        steps: how many were executed.
    """
    steps = min(steps, len(actions) - 1)
    return torch.cat([actions[steps:], actions[-1:].expand(steps, -1)]) if steps else actions


@dataclass(frozen=True)
class Known:
    """What first guesses can be made of.

    Attributes:
        previous: (H, A) the last plan, or None.
        executed: how many of its actions were executed.
        positions: (K, M, 3) where the effector (first) and what each question names are, world frame, m, NaN beyond
            that; or None.
        drawn: (C, H, A) from the base policy, or None.
    """

    previous: Tensor | None
    executed: int
    positions: Tensor | None
    drawn: Tensor | None


def first_guesses(
    config: PlannerConfig, bounds: Bounds, axes: tuple[int, ...], known: Known, random: torch.Generator
) -> Tensor:
    """(C, H, A) chunks of the kinds that the settings name, as far as there is something to make them of.

    For the base policy alone they are what was drawn from it.

    Args:
        config: which kinds, and the horizon.
        bounds: limits and committed actions.
        axes: per action dimension, the world axis it moves along, or -1.
        known: what there is.
        random: source of the uniform ones.
    """
    if config.planner == POLICY and known.drawn is not None:
        return known.drawn
    shape, parts = (config.horizon, len(bounds.low)), []
    if "previous" in config.proposals and known.previous is not None:
        parts.append(shifted(known.previous, known.executed)[None])
    if known.drawn is not None:
        parts.append(known.drawn)
    if known.positions is not None:
        start, targets = known.positions[0, 0], known.positions[:, 1:].flatten(0, 1)
        targets = different(targets[targets.isfinite().all(-1)])
        if "named" in config.proposals and len(targets):
            parts.append(straight_to(start, targets, axes, shape[0], bounds))
        if "around" in config.proposals and len(targets):
            way = config.sides, config.around_radius, (config.around_speed, config.push_speed)
            parts.append(round_and_through(start, targets, *way, axes, shape[0], bounds))
    if "headings" in config.proposals and config.directions:
        parts.append(headings(config.directions, config.speeds, shape[0], bounds))
    if "uniform" in config.proposals:
        parts.append(uniform_chunk(shape, bounds, random))
    if "still" in config.proposals or not parts:
        parts.append(torch.zeros(1, *shape))
    return torch.cat(parts)


def uniform_chunk(shape: tuple[int, int], bounds: Bounds, random: torch.Generator) -> Tensor:
    """(1, H, A) actions drawn uniformly inside the limits."""
    return bounds.low + torch.rand(1, *shape, generator=random) * (bounds.high - bounds.low)
