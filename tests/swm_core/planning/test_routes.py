# SPDX-License-Identifier: Apache-2.0
"""Chunks along routes: where they lead, how fast, and that they keep away from what they go round."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swm_core.planning.routes import approaches, different, follow, round_and_through, straight_to
from swm_core.planning.search import Bounds

LIMIT, AXES = 0.03, (0, 1)
LOW, HIGH = torch.tensor([-LIMIT, -LIMIT]), torch.tensor([LIMIT, LIMIT])
FREE = Bounds(LOW, HIGH, torch.zeros(0, 2))
place = st.tuples(st.floats(0.15, 0.6), st.floats(-0.3, 0.3))


def path(start: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """(N, H + 1, 2) where the effector comes."""
    return torch.cat([torch.zeros(len(actions), 1, 2), actions.cumsum(1)], 1) + start[:2]


@settings(deadline=None)
@given(start=place, end=place)
def test_a_straight_line_ends_where_it_should_and_never_too_fast(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    here, there = torch.tensor([*start, 0.0]), torch.tensor([[*end, 0.0]])
    actions = straight_to(here, there, AXES, 30, FREE)
    assert float(actions.abs().max()) <= LIMIT + 1e-6
    torch.testing.assert_close(path(here, actions)[0, -1], there[0, :2], atol=1e-5, rtol=0)
    steps = max(1, math.ceil(float((there[0] - here).abs().max()) / LIMIT - 1e-3))
    assert not actions[0, steps:].abs().max() > 1e-6 if steps < 30 else True


def test_committed_actions_come_first_and_are_allowed_for() -> None:
    bounds = Bounds(LOW, HIGH, torch.tensor([[-0.03, 0.0], [0.0, 0.02]]))
    start, end = torch.tensor([0.3, 0.0, 0.0]), torch.tensor([[0.36, 0.1, 0.0]])
    actions = straight_to(start, end, AXES, 12, bounds)
    torch.testing.assert_close(actions[0, :2], bounds.committed)
    torch.testing.assert_close(path(start, actions)[0, -1], end[0, :2])


def test_dimensions_without_an_axis_do_not_move() -> None:
    limits = Bounds(
        torch.tensor([-0.03, -0.03, -1.0]), torch.tensor([0.03, 0.03, 1.0]), torch.tensor([[0.01, 0.0, 0.7]])
    )
    actions = straight_to(torch.zeros(3), torch.tensor([[0.1, 0.05, 0.2]]), (0, 1, -1), 8, limits)
    assert not actions[0, 1:, 2].any()
    assert actions[0, 0, 2] == pytest.approx(0.7)


def test_stretches_have_their_own_speed() -> None:
    corners = torch.tensor([[[0.0, 0.0, 0.0], [0.06, 0.0, 0.0], [0.06, 0.03, 0.0]]])
    actions = follow(corners, torch.tensor([1.0, 0.5]), AXES, 6, FREE)
    expected = [[0.03, 0.0], [0.03, 0.0], [0.0, 0.015], [0.0, 0.015], [0.0, 0.0], [0.0, 0.0]]
    torch.testing.assert_close(actions[0], torch.tensor(expected))


@settings(deadline=None)
@given(start=place, thing=place, radius=st.floats(0.04, 0.08))
def test_the_way_round_keeps_its_distance_until_the_push(
    start: tuple[float, float], thing: tuple[float, float], radius: float
) -> None:
    here, centre = torch.tensor([*start, 0.0]), torch.tensor([[*thing, 0.0]])
    actions = round_and_through(here, centre, 8, radius, (1.0, 1.0), AXES, 60, FREE)
    assert len(actions) == 8
    for k, way in enumerate(path(here, actions)):
        heading = torch.tensor([math.cos(2 * math.pi * k / 8), math.sin(2 * math.pi * k / 8)])
        along = (way - centre[0, :2]) @ heading
        assert float(along[-1]) < -radius  # it went through
        distance = (way - centre[0, :2]).norm(dim=1)
        near = distance <= 0.8 * radius  # straight pieces between the vertices of an arc come a little nearer
        if distance[0] > radius and near.any():
            before = int(near.nonzero()[0]) - 1
            assert along[before] == pytest.approx(float(distance[before]), abs=0.02)


def test_a_thing_is_also_pushed_in_line_with_another() -> None:
    things, angles = approaches(torch.tensor([[0.3, 0.0, 0.0], [0.3, 0.1, 0.0]]), 4)
    assert things.tolist() == [0] * 6 + [1] * 6
    assert angles[4] == pytest.approx(-math.pi / 2)  # from -y, towards the other
    assert angles[10] == pytest.approx(math.pi / 2)


def test_the_same_place_is_one() -> None:
    places = torch.tensor([[0.3, 0.0, 0.0], [0.3, 0.001, 0.0], [0.4, 0.0, 0.0]])
    torch.testing.assert_close(different(places), places[[0, 2]])
    assert different(places[:0]).shape == (0, 3)
