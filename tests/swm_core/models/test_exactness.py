# SPDX-License-Identifier: Apache-2.0
"""The cached, batched passes against the plain one over the whole sequence, and the promises of the layout."""

import copy

import pytest
import torch
from torch import Tensor

from swm_core.models.compact import CompactWorldModel
from swm_core.models.grounded import GroundedModel

QUESTIONS = [
    "Is the red moon touching the blue cube?",
    "Does the robotic peg touch the green star?",
    "Is there contact between the yellow pentagon block and the red moon block?",
]
TOLERANCE = 1e-5


def some_actions(candidates: int = 3, horizon: int = 6, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return 0.03 * (2 * torch.rand(candidates, horizon, 2, generator=random) - 1)


def pixels(frame: Tensor) -> Tensor:
    return frame.permute(2, 0, 1)[None].float() / 255.0


def plain(model: GroundedModel, frame: Tensor, question: str, actions: Tensor) -> Tensor:
    """(h + 1,) probability of yes from one uncached pass about one question and one candidate."""
    readout = model.network.forward_plain(pixels(frame), *model.encode([question]), actions[None], "causal_readout")
    return readout.logits[0, 0].sigmoid()


def cached(model: GroundedModel, frame: Tensor, questions: list[str], actions: Tensor) -> Tensor:
    """(C, K, h + 1)."""
    return model.answer(model.read(model.observe(frame.numpy()), questions), actions).yes


def test_cached_batched_answers_equal_the_plain_pass(model: GroundedModel, frame: Tensor) -> None:
    actions = some_actions()
    found = cached(model, frame, QUESTIONS, actions)
    assert found.shape == (3, 3, 7)
    for c in range(3):
        for k, question in enumerate(QUESTIONS):
            torch.testing.assert_close(found[c, k], plain(model, frame, question, actions[c]), atol=TOLERANCE, rtol=0)
    assert found.std() > 100 * TOLERANCE  # the answers differ, so that equality says something


def test_positions_equal_the_plain_pass(model: GroundedModel, frame: Tensor) -> None:
    questions, actions = [*QUESTIONS, "Did the red moon move?"], some_actions(1)
    answers = model.answer(model.read(model.observe(frame.numpy()), questions), actions)
    words = model.encode(questions)
    readout = model.network.forward_plain(pixels(frame), *words, actions, "causal_readout")
    named = torch.nn.functional.pad(words[1][0] >= 0, (1, 0), value=True)  # the effector, then what each question names
    assert not named.all()
    assert torch.equal(answers.positions[0].isfinite().all(-1).all(1), named)
    expected = readout.positions[:, 0].transpose(1, 2)[named]
    torch.testing.assert_close(answers.positions[0].transpose(1, 2)[named], expected, atol=TOLERANCE, rtol=0)


def test_action_gradients_equal_the_plain_pass(model: GroundedModel, frame: Tensor) -> None:
    weights = torch.tensor([0.5, 0.3, 0.2])
    batched = some_actions().requires_grad_()
    value = (cached(model, frame, QUESTIONS, batched)[..., [3, 6]].sum(-1) * weights).sum()
    (found,) = torch.autograd.grad(value, batched)
    for c in range(3):
        alone = some_actions()[c].requires_grad_()
        answers = torch.stack([plain(model, frame, q, alone)[[3, 6]].sum() for q in QUESTIONS])
        (expected,) = torch.autograd.grad((answers * weights).sum(), alone)
        scale = expected.abs().max()
        assert scale > 0
        torch.testing.assert_close(found[c] / scale, expected / scale, atol=TOLERANCE, rtol=0)


def test_gradients_equal_finite_differences(network: CompactWorldModel, frame: Tensor) -> None:
    double = copy.deepcopy(network).double()
    ids, mentions = GroundedModel(network).encode(QUESTIONS)
    prefix = double.prefix(double.encode_image(pixels(frame).double()), ids, mentions)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)

    def value(actions: Tensor) -> Tensor:
        return (double.read(prefix, actions[None]).logits.sigmoid()[:, 0, [2, 5]].sum(-1) * weights).sum()

    actions = some_actions(1, 5).double().requires_grad_()
    assert value(actions).dtype == torch.float64
    (gradient,) = torch.autograd.grad(value(actions), actions)
    step, start = 1e-6, actions.detach()
    for t in range(5):
        for axis in range(2):
            change = torch.zeros_like(start)
            change[0, t, axis] = step
            slope = (value(start + change) - value(start - change)) / (2 * step)
            assert float(gradient[0, t, axis]) == pytest.approx(float(slope), rel=1e-5, abs=1e-7)


def test_padding_changes_nothing(network: CompactWorldModel, model: GroundedModel, frame: Tensor) -> None:
    ids, mentions = model.encode(QUESTIONS[1:2])
    image = network.encode_image(pixels(frame))
    actions = some_actions(2)[None]
    bare = network.read(network.prefix(image, ids, mentions), actions).logits
    padded = torch.nn.functional.pad(ids, (0, 7))
    more = network.read(network.prefix(image, padded, mentions), actions).logits
    torch.testing.assert_close(more, bare, atol=TOLERANCE, rtol=0)
    plain_more = network.forward_plain(pixels(frame), padded, mentions, actions[0, :1], "causal_readout").logits
    torch.testing.assert_close(plain_more[0, 0], bare[0, 0], atol=TOLERANCE, rtol=0)


def test_padding_changes_nothing_in_the_papers_layout(
    network: CompactWorldModel, model: GroundedModel, frame: Tensor
) -> None:
    ids, mentions = model.encode(QUESTIONS[:1])
    actions = some_actions(1)
    bare, more = (
        network.forward_plain(
            pixels(frame), torch.nn.functional.pad(ids, (0, n)), mentions, actions, "prefix_lm"
        ).logits
        for n in (0, 5)
    )
    torch.testing.assert_close(more, bare, atol=TOLERANCE, rtol=0)


def test_an_answer_does_not_depend_on_later_actions(model: GroundedModel, frame: Tensor) -> None:
    first, other = some_actions(1), some_actions(1, seed=9)
    for j in range(7):
        mixed = torch.cat([first[:, :j], other[:, j:]], 1)
        a, b = (cached(model, frame, QUESTIONS, actions)[0] for actions in (first, mixed))
        torch.testing.assert_close(a[:, : j + 1], b[:, : j + 1], atol=TOLERANCE, rtol=0)
        short = cached(model, frame, QUESTIONS, first[:, :j])[0]
        torch.testing.assert_close(a[:, : j + 1], short, atol=TOLERANCE, rtol=0)
        if j < 6:
            assert (a[:, j + 1 :] - b[:, j + 1 :]).abs().max() > 10 * TOLERANCE


def test_questions_do_not_influence_each_other(model: GroundedModel, frame: Tensor) -> None:
    actions = some_actions()
    together = cached(model, frame, QUESTIONS, actions)
    turned = cached(model, frame, QUESTIONS[::-1], actions)
    torch.testing.assert_close(together, turned.flip(1), atol=TOLERANCE, rtol=0)
    for k, question in enumerate(QUESTIONS):
        alone = cached(model, frame, [question], actions)[:, 0]
        torch.testing.assert_close(together[:, k], alone, atol=TOLERANCE, rtol=0)


def test_candidates_do_not_influence_each_other(model: GroundedModel, frame: Tensor) -> None:
    actions = some_actions(4)
    together = cached(model, frame, QUESTIONS, actions)
    for c in range(4):
        alone = cached(model, frame, QUESTIONS, actions[c : c + 1])[0]
        torch.testing.assert_close(together[c], alone, atol=TOLERANCE, rtol=0)


def test_the_papers_layout_lets_the_question_see_the_actions(model: GroundedModel, frame: Tensor) -> None:
    words = model.encode(QUESTIONS)
    first, other = some_actions(1), some_actions(1, seed=9)
    readouts = [model.network.forward_plain(pixels(frame), *words, a, "prefix_lm") for a in (first, other)]
    assert readouts[0].logits.shape == (3, 1, 1)
    assert (readouts[0].logits - readouts[1].logits).abs().min() > 10 * TOLERANCE
