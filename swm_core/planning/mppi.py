# SPDX-License-Identifier: Apache-2.0
"""Model predictive path integral control (paper Sec. 3.3.1, Eq. 3; Williams et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from swm_core.errors import ConfigError
from swm_core.planning.search import Bounds, Deadline, Search
from swm_core.planning.value import Score


@dataclass(frozen=True)
class MppiConfig:
    """How to sample.

    Attributes:
        iterations: rounds of sampling.
        samples: chunks per round, K of Eq. 3.
        temperature: lambda of Eq. 3, in units of value.
        spread: standard deviation around given proposals in the first round, as a share of half the range.
        least_spread: the standard deviation never falls below this share of half the range.
    """

    iterations: int = 8
    samples: int = 16
    temperature: float = 0.05
    spread: float = 0.3
    least_spread: float = 0.05

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.iterations < 1 or self.samples < 2:
            raise ConfigError(
                f"MPPI needs at least 1 iteration and 2 samples, got {self.iterations} and {self.samples}"
            )
        if not (self.temperature > 0 and self.spread > 0 and self.least_spread >= 0):
            raise ConfigError(f"MPPI needs temperature and spread above 0, got {self.temperature} and {self.spread}")


def reweigh(samples: Tensor, values: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of samples weighted by the exponential of their values (Eq. 3).

    Args:
        samples: (K, H, A).
        values: (K,); -inf for no weight, equal weights where all are.
        temperature: lambda, above 0.

    Returns:
        two (H, A).
    """
    weights = (values / temperature).softmax(0).nan_to_num(1.0 / len(values))[:, None, None]
    mean = (weights * samples).sum(0)
    return mean, (weights * (samples - mean).square()).sum(0).sqrt()


def sample_plan(
    score: Score,
    proposals: Tensor | None,
    shape: tuple[int, int],
    bounds: Bounds,
    config: MppiConfig,
    random: torch.Generator,
    deadline: Deadline | None = None,
) -> Search:
    """Search by MPPI; the mean of the last round is scored too, and executed unless an earlier candidate was better.

    Args:
        score: value of candidates.
        proposals: (C, H, A) chunks around which the first round samples, or None for uniform (the paper's way).
        shape: (H, A).
        bounds: limits and committed actions.
        config: how.
        random: source of the samples.
        deadline: stop in time with the best so far.
    """
    deadline, search = deadline or Deadline(), Search()

    def noise() -> Tensor:
        return torch.randn(config.samples, *shape, generator=random)

    if proposals is None:
        uniform = torch.rand(config.samples, *shape, generator=random)
        samples = bounds.low + uniform * (bounds.high - bounds.low)
    else:
        centres = proposals[torch.arange(config.samples) % len(proposals)]
        near = centres + config.spread * bounds.half_range * noise()
        samples = torch.cat([proposals, near[len(proposals) :]])[: config.samples]
    mean = samples.mean(0)
    deadline.begin()
    for _ in range(config.iterations):
        samples = bounds.apply(samples)
        with torch.no_grad():
            scored = score(samples)
        search.record(samples, scored)
        previous = mean
        mean, deviation = reweigh(samples, search.candidate_values, config.temperature)
        search.step_sizes.append(float((mean - previous).abs().max()))
        if not deadline.fits():
            break
        deviation = deviation.maximum(config.least_spread * bounds.half_range)
        samples = torch.cat([mean[None], mean + deviation * noise()[1:]])
    final = bounds.apply(mean[None])
    with torch.no_grad():
        scored = score(final)
    candidates, values = search.candidates, search.candidate_values
    search.record(final, scored)
    search.candidates, search.candidate_values = torch.cat([final, candidates]), torch.cat([scored.values, values])
    return search
