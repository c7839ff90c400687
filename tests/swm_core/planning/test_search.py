# SPDX-License-Identifier: Apache-2.0
"""The record that planners share: which candidate counts as the best so far."""

import math

import pytest
import torch

from swm_core.planning.search import Search
from swm_core.planning.value import Scored


def scored(*values: float) -> Scored:
    return Scored(torch.tensor(values), torch.zeros(len(values), 1, 1), None)


def chunks(*numbers: float) -> torch.Tensor:
    """A chunk of two one-dimensional actions for each number."""
    return torch.tensor(numbers)[:, None, None].expand(-1, 2, 1)


@pytest.mark.parametrize("later", [-3.0, 0.0, 1.0])
def test_a_first_candidate_without_a_value_is_beaten_by_any_other(later: float) -> None:
    search = Search()
    search.record(chunks(1.0), scored(math.nan))
    assert search.actions.tolist() == [[1.0], [1.0]]  # there is a plan all the same
    search.record(chunks(2.0), scored(later))
    search.record(chunks(3.0), scored(math.nan))
    assert (search.value, search.actions.tolist()) == (later, [[2.0], [2.0]])


def test_candidates_without_a_value_lose_to_those_beside_them() -> None:
    search = Search()
    search.record(chunks(1.0, 2.0, 3.0), scored(math.nan, -5.0, math.nan))
    assert (search.value, search.actions[0, 0]) == (-5.0, 2.0)


def test_a_chunk_without_a_value_is_not_deferred_to() -> None:
    search = Search()
    search.record(chunks(1.0), scored(-5.0))
    search.defer_to(chunks(2.0), scored(math.nan), margin=10.0)
    assert search.actions[0, 0] == 1.0
