# SPDX-License-Identifier: Apache-2.0
"""Gradient ascent on action chunks: what it never does, and that it climbs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swm_core.errors import ConfigError
from swm_core.planning.gradient import GradientConfig, ascent_step, climb
from swm_core.planning.search import Bounds
from swm_core.planning.value import Scored

HORIZON = 5
NOTHING = torch.zeros(0, 2)
few = settings(max_examples=20, deadline=None)
BOUNDS = Bounds(torch.tensor([-0.03, -0.01]), torch.tensor([0.03, 0.02]), NOTHING)
TARGET = torch.tensor([0.02, -0.005])
CONFIGS = [GradientConfig(), GradientConfig(unit=False, rate=0.02), GradientConfig(trust=0.3), GradientConfig(keep=3)]


def hill(actions: Tensor) -> Scored:
    """Highest where every action is the target."""
    values = -((actions - TARGET) * 100).square().sum((1, 2))
    return Scored(values, values[:, None, None], None)


def wild(actions: Tensor) -> Scored:
    """Many hills and steep walls."""
    values = (actions * 400).sin().sum((1, 2)) + (actions * 1e4).sum((1, 2))
    return Scored(values, values[:, None, None], None)


def chunks(count: int, seed: int) -> Tensor:
    return 0.1 * torch.randn(count, HORIZON, 2, generator=torch.Generator().manual_seed(seed))


def inside(actions: Tensor) -> bool:
    return bool(((actions >= BOUNDS.low) & (actions <= BOUNDS.high)).all())


@pytest.mark.parametrize("config", CONFIGS)
@few
@given(seed=st.integers(0, 2**31), score=st.sampled_from([hill, wild]))
def test_actions_stay_inside_the_bounds(config: GradientConfig, seed: int, score) -> None:
    search = climb(score, chunks(4, seed), BOUNDS, config)
    assert inside(search.actions)
    assert inside(search.candidates)


@pytest.mark.parametrize("config", CONFIGS)
@few
@given(seed=st.integers(0, 2**31), m=st.integers(1, HORIZON - 1))
def test_committed_actions_do_not_change(config: GradientConfig, seed: int, m: int) -> None:
    committed = BOUNDS.low + (BOUNDS.high - BOUNDS.low) * torch.rand(m, 2)
    bounds = Bounds(BOUNDS.low, BOUNDS.high, committed)
    search = climb(wild, chunks(3, seed), bounds, config)
    assert torch.equal(search.actions[:m], committed)
    assert torch.equal(search.candidates[:, :m], committed.expand(len(search.candidates), -1, -1))


@pytest.mark.parametrize("config", CONFIGS)
@few
@given(seed=st.integers(0, 2**31))
def test_the_best_so_far_is_kept(config: GradientConfig, seed: int) -> None:
    search = climb(wild, chunks(3, seed), BOUNDS, config)
    assert search.value == max(search.values)
    assert float(wild(search.actions[None]).values) == pytest.approx(search.value, rel=1e-5)
    assert len(search.values) == config.iterations + 1
    assert len(search.step_sizes) == config.iterations
    fewer = climb(wild, chunks(3, seed), BOUNDS, GradientConfig(**vars(config) | {"iterations": 4}))
    assert search.value >= fewer.value


@few
@given(st.integers(0, 2**31))
def test_it_is_never_worse_than_the_best_proposal(seed: int) -> None:
    proposals = chunks(3, seed)
    best = float(wild(BOUNDS.apply(proposals)).values.max())
    assert climb(wild, proposals, BOUNDS, GradientConfig()).value >= best


def test_it_climbs_a_smooth_hill() -> None:
    search = climb(hill, torch.zeros(1, HORIZON, 2), BOUNDS, GradientConfig(iterations=60, rate=0.03))
    assert search.values[0] == pytest.approx(float(hill(torch.zeros(1, HORIZON, 2)).values))
    assert search.value > -0.1
    torch.testing.assert_close(search.actions, TARGET.expand(HORIZON, 2), atol=2e-3, rtol=0)


@few
@given(st.integers(0, 2**31), st.floats(0.05, 0.8))
def test_the_trust_region_is_kept(seed: int, trust: float) -> None:
    proposals = BOUNDS.apply(chunks(1, seed))
    search = climb(wild, proposals, BOUNDS, GradientConfig(trust=trust, rate=0.5))
    reach = trust * BOUNDS.half_range + 1e-7
    assert bool(((search.candidates - proposals).abs() <= reach).all())
    assert bool(((search.actions - proposals[0]).abs() <= reach).all())


def test_a_trust_region_limits_what_a_free_search_exceeds() -> None:
    start = torch.zeros(1, HORIZON, 2)
    free = climb(hill, start, BOUNDS, GradientConfig(iterations=30))
    assert float(free.actions.abs().max()) > 0.1 * 0.03


def test_gradients_that_are_not_finite_do_no_harm() -> None:
    def broken(actions: Tensor) -> Scored:
        values = torch.where(actions[..., 0] > 0.001, actions[..., 0] * float("nan"), actions[..., 0]).sum(1)
        return Scored(values, values[:, None, None], None)

    start = torch.full((2, HORIZON, 2), 0.002)
    start[1] = -0.02
    search = climb(broken, start, BOUNDS, GradientConfig(keep=2))
    assert inside(search.actions)
    assert bool(search.candidates.isfinite().all())
    assert search.value >= -0.02 * HORIZON


def test_a_function_that_is_never_finite_leaves_the_proposal() -> None:
    def broken(actions: Tensor) -> Scored:
        values = (actions * float("nan")).sum((1, 2))
        return Scored(values, values[:, None, None], None)

    start = torch.full((1, HORIZON, 2), 0.002)
    search = climb(broken, start, BOUNDS, GradientConfig())
    assert torch.equal(search.actions, start[0])


def test_same_proposals_same_result() -> None:
    one, two = (climb(wild, chunks(4, 7), BOUNDS, GradientConfig(keep=2)) for _ in range(2))
    assert torch.equal(one.actions, two.actions)
    assert one.values == two.values


def test_the_best_proposals_are_refined() -> None:
    proposals = torch.stack([torch.full((HORIZON, 2), x) for x in (-0.01, 0.015, 0.0)])
    search = climb(hill, proposals, BOUNDS, GradientConfig(iterations=0, keep=1))
    torch.testing.assert_close(search.actions, proposals[1])
    assert len(search.candidates) == 1


def test_papers_step_is_the_clipped_gradient() -> None:
    gradient = torch.tensor([[[3.0, 4.0], [0.3, 0.4]]])
    step = ascent_step(gradient, GradientConfig(unit=False, rate=0.02, clip=1.0), BOUNDS)
    torch.testing.assert_close(step, torch.tensor([[[0.012, 0.016], [0.006, 0.008]]]))


def test_papers_step_in_shares_fits_dimensions_of_any_unit() -> None:
    bounds = Bounds(torch.tensor([-0.05, -1.0]), torch.tensor([0.05, 1.0]), NOTHING)
    gradient = torch.tensor([[[60.0, 4.0], [2.0, 0.4]]])  # by shares: (3, 4) and (0.1, 0.4)
    step = ascent_step(gradient, GradientConfig(unit=False, shares=True, rate=0.2, clip=1.0), bounds)
    torch.testing.assert_close(step, torch.tensor([[[0.006, 0.16], [0.001, 0.08]]]))


def test_unit_step_moves_the_busiest_action_by_the_rate() -> None:
    bounds = Bounds(torch.full((2,), -0.03), torch.full((2,), 0.03), NOTHING)
    gradient = torch.tensor([[[3.0, 4.0], [0.3, 0.4]], [[0.0, 0.0], [0.0, 0.0]]])
    step = ascent_step(gradient, GradientConfig(rate=0.5), bounds)
    torch.testing.assert_close(step[0], torch.tensor([[0.009, 0.012], [0.0009, 0.0012]]))
    assert torch.equal(step[1], torch.zeros(2, 2))


@pytest.mark.parametrize(
    "wrong", [{"iterations": -1}, {"rate": 0.0}, {"clip": float("nan")}, {"trust": -1}, {"keep": 0}]
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        GradientConfig(**wrong)
