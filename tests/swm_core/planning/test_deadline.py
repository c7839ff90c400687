# SPDX-License-Identifier: Apache-2.0
"""Planners end in time with the best so far, however long they were told to work."""

import time

import pytest
import torch
from torch import Tensor

from swm_core.planning.gradient import GradientConfig, climb
from swm_core.planning.mppi import MppiConfig, sample_plan
from swm_core.planning.search import Bounds, Deadline
from swm_core.planning.value import Scored

SHAPE = (4, 2)
TURN = 0.03  # s that one scoring takes


def slow(actions: Tensor) -> Scored:
    time.sleep(TURN)
    values = actions.sum((1, 2))
    return Scored(values, values[:, None, None], None)


def gradient(bounds: Bounds, deadline: Deadline):
    return climb(slow, torch.zeros(3, *SHAPE), bounds, GradientConfig(iterations=1000, rate=0.001), deadline)


def mppi(bounds: Bounds, deadline: Deadline):
    random = torch.Generator().manual_seed(0)
    return sample_plan(slow, None, SHAPE, bounds, MppiConfig(iterations=1000), random, deadline)


@pytest.mark.parametrize("plan", [gradient, mppi])
def test_a_slow_score_stops_in_time(bounds: Bounds, plan) -> None:
    deadline = Deadline(0.6)
    found = plan(bounds, deadline)
    assert deadline.missed
    assert deadline.elapsed < 0.6 + 6 * TURN  # a busy machine may oversleep
    assert 3 <= len(found.values) <= 0.6 / TURN + 1
    assert found.value == max(found.values)


@pytest.mark.parametrize("plan", [gradient, mppi])
def test_a_deadline_that_has_passed_still_gives_a_plan(bounds: Bounds, plan) -> None:
    deadline = Deadline(0.0)
    found = plan(bounds, deadline)
    assert deadline.missed
    assert found.actions.shape == SHAPE
    assert deadline.elapsed < 12 * TURN


def test_without_a_deadline_all_iterations_are_done(bounds: Bounds) -> None:
    deadline = Deadline()
    found = climb(slow, torch.zeros(1, *SHAPE), bounds, GradientConfig(iterations=5), deadline)
    assert not deadline.missed
    assert len(found.values) == 6
