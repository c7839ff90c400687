# SPDX-License-Identifier: Apache-2.0
"""MPPI: Eq. 3 by hand, bounds, determinism, and that it finds better chunks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swm_core.errors import ConfigError
from swm_core.planning.mppi import MppiConfig, reweigh, sample_plan
from swm_core.planning.search import Bounds, Search
from swm_core.planning.value import Scored

SHAPE = (4, 2)
few = settings(max_examples=20, deadline=None)
BOUNDS = Bounds(torch.tensor([-0.03, -0.01]), torch.tensor([0.03, 0.02]), torch.zeros(0, 2))
TARGET = torch.tensor([0.02, -0.005])


def hill(actions: Tensor) -> Scored:
    values = -((actions - TARGET) * 30).square().sum((1, 2))
    return Scored(values, values[:, None, None], None)


def search(seed: int = 0, proposals: Tensor | None = None, bounds: Bounds = BOUNDS, **settings: float) -> Search:
    random = torch.Generator().manual_seed(seed)
    return sample_plan(hill, proposals, SHAPE, bounds, MppiConfig(**settings), random)


def test_equation_3_by_hand() -> None:
    samples = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1)
    values = torch.tensor([0.0, math.log(2.0), math.log(5.0)]) * 0.5
    mean, deviation = reweigh(samples, values, temperature=0.5)
    # weights 1 : 2 : 5, mean (0 + 2 + 15) / 8, variance (1 * 17^2 + 2 * 9^2 + 5 * 7^2) / 8^3
    assert float(mean) == pytest.approx(17 / 8)
    assert float(deviation) == pytest.approx(math.sqrt((289 + 162 + 245) / 512))


def test_equation_3_is_safe_for_large_values() -> None:
    mean, deviation = reweigh(torch.tensor([1.0, 2.0]).view(2, 1, 1), torch.tensor([1e6, 1e6 + 100]), 0.01)
    assert float(mean) == pytest.approx(2.0)
    assert float(deviation) == pytest.approx(0.0, abs=1e-6)


@few
@given(st.integers(0, 2**31), st.booleans())
def test_actions_stay_inside_the_bounds(seed: int, uniform: bool) -> None:
    found = search(seed, None if uniform else torch.full((2, *SHAPE), 0.5), spread=3.0)
    for actions in (found.actions, found.candidates):
        assert bool(((actions >= BOUNDS.low) & (actions <= BOUNDS.high)).all())


@few
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_committed_actions_do_not_change(seed: int, m: int) -> None:
    committed = torch.full((m, 2), 0.007)
    found = search(seed, None, Bounds(BOUNDS.low, BOUNDS.high, committed))
    assert torch.equal(found.actions[:m], committed)
    assert torch.equal(found.candidates[:, :m], committed.expand(len(found.candidates), -1, -1))


def test_values_that_are_never_finite_leave_a_plan_inside_the_bounds() -> None:
    def broken(actions: Tensor) -> Scored:
        values = actions.sum((1, 2)) * float("nan")
        return Scored(values, values[:, None, None], None)

    found = sample_plan(broken, None, SHAPE, BOUNDS, MppiConfig(), torch.Generator().manual_seed(0))
    assert found.actions.shape == SHAPE
    assert bool(((found.actions >= BOUNDS.low) & (found.actions <= BOUNDS.high)).all())


def test_same_seed_same_plan_and_another_seed_another() -> None:
    one, two, other = search(3), search(3), search(4)
    assert torch.equal(one.actions, two.actions)
    assert one.values == two.values
    assert not torch.equal(one.actions, other.actions)


@pytest.mark.parametrize("seed", range(5))
def test_it_improves_on_its_first_samples(seed: int) -> None:
    found = search(seed, samples=64, iterations=12)
    assert found.value > found.values[0]
    assert found.value == max(found.values)
    assert found.value > 0.6 * found.values[0]  # values are below 0, the top of the hill
    assert float((found.actions - TARGET).abs().mean()) < 0.008  # uniform samples are about 0.018 away


def test_it_is_never_worse_than_a_given_proposal() -> None:
    proposal = TARGET.expand(1, *SHAPE)
    assert search(0, proposal).value >= float(hill(proposal).values)


def test_the_mean_of_the_last_round_is_scored() -> None:
    found = search(0, iterations=3)
    assert len(found.values) == 4
    assert len(found.candidates) == 17
    torch.testing.assert_close(found.candidate_values[:1], hill(found.candidates[:1]).values)


@pytest.mark.parametrize(
    "wrong", [{"iterations": 0}, {"samples": 1}, {"temperature": 0.0}, {"spread": -1.0}, {"least_spread": -0.1}]
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        MppiConfig(**wrong)
