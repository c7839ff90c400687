# SPDX-License-Identifier: Apache-2.0
"""Eq. 1 and 2 of the paper by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swm_core.models.interface import Answers
from swm_core.planning.value import chunk_value, desired, make_score, sub_chunk_ends
from swm_core.tasks.task import WeightedQuestion

QUESTIONS = (WeightedQuestion("a", True, 0.8), WeightedQuestion("b", False, 0.2))


@pytest.mark.parametrize(
    ("horizon", "sub_chunk", "ends"),
    [(16, 8, [8, 16]), (16, 1, list(range(1, 17))), (16, 16, [16]), (10, 4, [4, 8, 10]), (1, 1, [1])],
)
def test_sub_chunks_grow_to_the_whole_chunk(horizon: int, sub_chunk: int, ends: list[int]) -> None:
    assert sub_chunk_ends(horizon, sub_chunk) == ends


@pytest.mark.parametrize(("horizon", "sub_chunk"), [(4, 5), (4, 0), (4, -1)])
def test_impossible_sub_chunks_are_refused(horizon: int, sub_chunk: int) -> None:
    with pytest.raises(ValueError, match="sub-chunk"):
        sub_chunk_ends(horizon, sub_chunk)


def test_value_by_hand() -> None:
    answers = torch.tensor([[[0.5, 1.0], [0.25, 0.75]], [[0.0, 0.0], [1.0, 1.0]]])
    found = chunk_value(answers, torch.tensor([0.8, 0.2]))
    # 0.8 (0.5 + 1.0) + 0.2 (0.25 + 0.75) = 1.4, and 0.2 * 2 = 0.4
    torch.testing.assert_close(found, torch.tensor([1.4, 0.4]))


def test_number_of_questions_must_fit() -> None:
    with pytest.raises(ValueError, match="weights of 3"):
        chunk_value(torch.zeros(1, 2, 2), torch.ones(3))


def test_unwanted_answers_are_turned_round() -> None:
    yes = torch.tensor([[[0.9, 0.1], [0.7, 0.4]]])
    torch.testing.assert_close(desired(yes, QUESTIONS), torch.tensor([[[0.9, 0.1], [0.3, 0.6]]]))


def test_score_reads_the_ends_of_sub_chunks_only() -> None:
    yes = torch.tensor([[0.0, 0.1, 0.2, 0.3, 0.4], [1.0, 0.9, 0.8, 0.7, 0.6]])[None].requires_grad_()
    scored = make_score(lambda actions: Answers(yes, None), QUESTIONS, 2)(torch.zeros(1, 4, 2))
    # after 2 and after 4 actions: 0.8 (0.2 + 0.4) + 0.2 ((1 - 0.8) + (1 - 0.6)) = 0.6
    torch.testing.assert_close(scored.values, torch.tensor([0.6]))
    torch.testing.assert_close(scored.probabilities, torch.tensor([[[0.2, 0.4], [0.2, 0.4]]]))
    (gradient,) = torch.autograd.grad(scored.values.sum(), yes)
    torch.testing.assert_close(gradient, torch.tensor([[[0, 0, 0.8, 0, 0.8], [0, 0, -0.2, 0, -0.2]]]))


def test_answers_to_further_questions_do_not_count() -> None:
    yes = torch.rand(2, 3, 5)
    two, three = (make_score(lambda actions, n=n: Answers(yes[:, :n], None), QUESTIONS, 2) for n in (2, 3))
    torch.testing.assert_close(two(torch.zeros(2, 4, 2)).values, three(torch.zeros(2, 4, 2)).values)


few = settings(max_examples=50, deadline=None)
shares = st.floats(0, 1, width=32)


@few
@given(st.lists(shares, min_size=6, max_size=6), st.lists(st.floats(0.125, 8, width=32), min_size=2, max_size=2))
def test_value_is_within_its_range_and_monotone(answers: list[float], weights: list[float]) -> None:
    p, w = torch.tensor(answers).view(1, 2, 3), torch.tensor(weights)
    value = float(chunk_value(p, w))
    assert -1e-6 <= value <= 3 * float(w.sum()) * (1 + 1e-5)
    assert float(chunk_value(p + 0.1, w)) == pytest.approx(value + 0.3 * float(w.sum()), rel=1e-4, abs=1e-5)
