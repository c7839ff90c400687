# SPDX-License-Identifier: Apache-2.0
"""Gradient ascent on action chunks (paper Sec. 3.3.2, Eq. 4): from proposals uphill in value, several in one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from swm_core.errors import ConfigError
from swm_core.planning.search import Bounds, Deadline, Search
from swm_core.planning.value import Score


@dataclass(frozen=True)
class GradientConfig:
    """How to climb.

    Attributes:
        iterations: gradient steps.
        rate: step per iteration; multiplies the clipped gradient, or with `unit` is the largest change of an action
            as a share of half its range.
        clip: largest norm of the gradient of one action (paper: 1 for Language-Table, 10 for OGBench).
        unit: scale each candidate's gradient so that its largest action gradient has norm 1, instead of clipping.
        shares: without `unit`, measure actions as shares of half their range in rate and clip, not in the environment's
            units; where dimensions have different units, one rate fits them all.
        trust: farthest that an action may leave its proposal, as a share of half its range; 0 for no limit.
        keep: candidates that are refined, the best of the proposals.
    """

    iterations: int = 10
    rate: float = 0.25
    clip: float = 1.0
    unit: bool = True
    shares: bool = False
    trust: float = 0.0
    keep: int = 1

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.iterations < 0 or self.keep < 1 or not self.rate > 0 or not self.clip > 0 or self.trust < 0:
            raise ConfigError(f"iterations and trust at least 0, keep at least 1, rate and clip above 0; got {self}")


def ascent_step(gradient: Tensor, config: GradientConfig, bounds: Bounds) -> Tensor:
    """Change of the actions for a gradient.

    Args:
        gradient: (C, H, A) of the value.
        config: rate and clipping.
        bounds: limits, for the scale of a unit step.

    Returns:
        (C, H, A), in the environment's unit; 0 where the gradient is not finite.
    """
    gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
    scale = bounds.half_range if config.unit or config.shares else torch.ones_like(bounds.half_range)
    scaled = gradient * scale
    norms = scaled.norm(dim=-1, keepdim=True)
    if config.unit:
        factor = 1.0 / norms.amax(1, keepdim=True).clamp(min=1e-12)
    else:
        factor = (config.clip / norms.clamp(min=1e-12)).clamp(max=1.0)
    return config.rate * scale * scaled * factor


def climb(
    score: Score, proposals: Tensor, bounds: Bounds, config: GradientConfig, deadline: Deadline | None = None
) -> Search:
    """Refine proposals by gradient ascent on their values; the best of all iterations is kept.

    Args:
        score: value of candidates, differentiable.
        proposals: (C, H, A) chunks, in the environment's unit.
        bounds: limits and committed actions.
        config: how.
        deadline: stop in time with the best so far.

    Returns:
        The search; iteration 0 is the proposals as given.
    """
    deadline = deadline or Deadline()
    proposals, search, fixed = bounds.apply(proposals), Search(), len(bounds.committed)
    deadline.begin()
    if len(proposals) > config.keep:
        with torch.no_grad():
            scored = score(proposals)
        proposals = proposals[scored.values.nan_to_num(-torch.inf).topk(config.keep).indices]
    reach = config.trust * bounds.half_range if config.trust else None
    actions = proposals.clone()
    for iteration in range(config.iterations + 1):
        last = iteration == config.iterations
        actions = actions.detach().requires_grad_(not last)
        with torch.set_grad_enabled(not last):
            scored = score(actions)
        search.record(actions, scored)
        if last or not deadline.fits():
            break
        (gradient,) = torch.autograd.grad(scored.values.sum(), actions)
        gradient = torch.cat([torch.zeros_like(gradient[:, :fixed]), gradient[:, fixed:]], 1)
        moved = actions.detach() + ascent_step(gradient, config, bounds)
        if reach is not None:
            moved = torch.maximum(torch.minimum(moved, proposals + reach), proposals - reach)
        moved = bounds.apply(moved)
        search.step_sizes.append(float((moved - actions.detach()).abs().max()))
        actions = moved
    return search
