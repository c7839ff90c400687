# SPDX-License-Identifier: Apache-2.0
"""PaliGemma as a world model: stock answers without actions, exact caching, causality, gradients, planning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_paligemma import make_tokenizer, write_checkpoint

from swm_core.errors import ConfigError, ModelError, QuestionError
from swm_core.models.gemma_tokens import GemmaTokens
from swm_core.models.paligemma import PaliGemmaWorldModel
from swm_core.models.paligemma_settings import PaliGemmaSettings
from swm_core.planning.controller import Controller, PlannerConfig
from swm_core.planning.gradient import GradientConfig
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion

LAYOUTS = ("causal_readout", "prefix_lm")
LIMIT = 0.03
SETTINGS = PaliGemmaSettings((LIMIT, LIMIT), (12, 20, 3), horizon=8)
QUESTIONS = [
    "Is the red moon touching the blue cube?",
    "Is the robotic peg near?",
    "Is the green star near to the peg?",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("paligemma"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("paligemma2"), family="gemma2")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SETTINGS.image_shape, np.uint8)


def load(folder: Path, layout: str = "causal_readout") -> PaliGemmaWorldModel:
    torch.manual_seed(1)
    return PaliGemmaWorldModel.load(folder, settings=replace(SETTINGS, layout=layout))


def some_actions(candidates: int, length: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return (torch.rand(candidates, length, 2, generator=generator, dtype=dtype) * 2 - 1) * LIMIT


def plain_yes(model: PaliGemmaWorldModel, picture: np.ndarray, questions: list[str], actions: torch.Tensor):
    """(C, K, h + 1) probability of yes by the training pass, one candidate after the other."""
    words, horizons = model.tokens.encode(questions), torch.arange(actions.shape[1] + 1)[None]
    rows = []
    for chunk in actions:
        logits = model(model.pixels([picture]), words.ids[None], words.seen[None], chunk[None], horizons)[0]
        rows.append(logits[..., [model.tokens.no, model.tokens.yes]].softmax(-1)[..., 1])
    return torch.stack(rows)


@pytest.mark.parametrize("question", QUESTIONS)
def test_tokens_and_pixels_are_those_of_the_processor(checkpoint: Path, picture: np.ndarray, question: str) -> None:
    model = load(checkpoint)
    stock = model.processor(images=picture, text="<image>" + question, return_tensors="pt")
    words = model.tokens.encode([question])
    image_tokens = [model.vlm.config.image_token_id] * 4
    assert stock["input_ids"][0].tolist() == [*image_tokens, *words.ids[0].tolist(), model.tokens.separator]
    torch.testing.assert_close(stock["pixel_values"], model.pixels([picture]), rtol=0, atol=0)
    assert model.processor.tokenizer.unk_token_id not in words.ids


@pytest.mark.parametrize("family", ["checkpoint", "second"])
def test_prefix_lm_without_actions_is_the_stock_model(
    request: pytest.FixtureRequest, picture: np.ndarray, family: str
) -> None:
    model = load(request.getfixturevalue(family), "prefix_lm")
    answers = model.answer(model.read(model.observe(picture), QUESTIONS), torch.zeros(1, 0, 2)).yes[0, :, 0]
    for question, yes in zip(QUESTIONS, answers, strict=True):
        stock = model.processor(images=picture, text="<image>" + question, return_tensors="pt")
        stock.pop("labels", None)
        logits = model.vlm(**stock).logits[0, -1, [model.tokens.no, model.tokens.yes]]
        torch.testing.assert_close(yes, logits.softmax(0)[1], rtol=1e-5, atol=1e-5)
    assert float(answers.std()) > 1e-3


def test_layouts_differ_only_in_whether_the_image_sees_the_question(
    tmp_path: Path, checkpoint: Path, picture: np.ndarray
) -> None:
    """Without actions both are image, question, separator at the same places; in one layer, that sees all the same."""
    one_layer = write_checkpoint(tmp_path / "one", layers=1)
    gaps = {}
    for name, folder in (("one", one_layer), ("two", checkpoint)):
        yes = []
        for layout in LAYOUTS:
            model = load(folder, layout)
            yes.append(model.answer(model.read(model.observe(picture), QUESTIONS), torch.zeros(1, 0, 2)).yes)
        gaps[name] = float((yes[0] - yes[1]).abs().max())
    assert gaps["one"] < 1e-5
    assert gaps["two"] > 1e-4  # image tokens that saw the question are other keys for the second layer


@pytest.mark.parametrize("family", ["checkpoint", "second"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batched_answers_and_gradients_equal_the_plain_pass(
    request: pytest.FixtureRequest, picture: np.ndarray, layout: str, family: str
) -> None:
    model = load(request.getfixturevalue(family), layout)
    actions = some_actions(3, 4).requires_grad_()
    weights = torch.randn(3, 3, 5, generator=torch.Generator().manual_seed(3))
    batched = model.answer(model.read(model.observe(picture), QUESTIONS), actions).yes
    alone = torch.cat([plain_yes(model, picture, [question], actions) for question in QUESTIONS], 1)
    packed = plain_yes(model, picture, QUESTIONS, actions)
    assert batched.shape == (3, 3, 5)
    gradients = [torch.autograd.grad((yes * weights).sum(), actions)[0] for yes in (batched, alone, packed)]
    for yes, gradient in zip((batched, packed), (gradients[0], gradients[2]), strict=True):
        torch.testing.assert_close(yes, alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradient, gradients[1], rtol=1e-4, atol=1e-5 * float(gradients[1].abs().max()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_answers_depend_on_earlier_actions_only(checkpoint: Path, picture: np.ndarray, layout: str) -> None:
    model = load(checkpoint, layout)
    prefix, actions = model.read(model.observe(picture), QUESTIONS), some_actions(1, 6)
    before = model.answer(prefix, actions).yes
    changed = actions.clone()
    changed[:, 3] += 0.02
    after = model.answer(prefix, changed).yes
    torch.testing.assert_close(after[..., :4], before[..., :4], rtol=1e-6, atol=1e-6)
    assert (after[..., 4:] - before[..., 4:]).abs().amax((0, 1)).min() > 1e-5
    shorter = model.answer(prefix, actions[:, :2]).yes
    torch.testing.assert_close(shorter, before[..., :3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_action_gradients_equal_finite_differences(checkpoint: Path, picture: np.ndarray, layout: str) -> None:
    model = load(checkpoint, layout).double()
    prefix = model.read(model.observe(picture), QUESTIONS[:2])
    actions = some_actions(1, 3, torch.float64).requires_grad_()
    yes = model.answer(prefix, actions).yes
    assert yes.dtype == torch.float64
    (gradient,) = torch.autograd.grad(yes[0, :, 1:].sum(), actions)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    direction = torch.randn(actions.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    step = 1e-3 * LIMIT  # Gemma's norms round to float32, so no smaller
    with torch.no_grad():
        ahead, behind = (model.answer(prefix, actions + s * direction).yes[0, :, 1:].sum() for s in (step, -step))
    expected = (gradient * direction).sum()
    assert abs(float(expected)) > 0.1
    assert float((ahead - behind) / (2 * step)) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_controller_plans_with_it(checkpoint: Path, picture: np.ndarray, layout: str) -> None:
    config = PlannerConfig(horizon=4, sub_chunk=2, directions=4, gradient=GradientConfig(iterations=4))
    controller = Controller(load(checkpoint, layout), (-LIMIT, -LIMIT), (LIMIT, LIMIT), ("dx", "dy"), config)
    controller.start(Task("go", (Subgoal((WeightedQuestion(QUESTIONS[0]), WeightedQuestion(QUESTIONS[1], False))),)))
    plan = controller.plan(picture)
    assert plan.actions.shape == (4, 2)
    assert float(np.abs(plan.actions).max()) <= LIMIT
    assert plan.value == pytest.approx(plan.values.max())
    assert plan.values.max() > plan.values[0]  # refinement found better than it was given
    answers = controller.ask(picture, QUESTIONS, plan.actions)
    assert answers.shape == (3, 5)
    found = [*answers[0, [2, 4]], *(1 - answers[1, [2, 4]])]
    assert plan.value == pytest.approx(sum(found), rel=1e-4)


def test_wrong_frames_and_actions_are_refused(checkpoint: Path, picture: np.ndarray) -> None:
    model = load(checkpoint)
    for frame in (picture[:-1], picture.astype(np.float32)):
        with pytest.raises(ModelError, match="the model takes uint8"):
            model.observe(frame)
    prefix = model.read(model.observe(picture), QUESTIONS)
    for shape in ((1, 9, 2), (1, 4, 3), (4, 2)):
        with pytest.raises(ModelError, match="h <= 8"):
            model.answer(prefix, torch.zeros(shape))


@pytest.mark.parametrize("question", ["", " \n ", "<image> is the peg near?", "near " * 65])
def test_questions_that_cannot_be_read_are_refused(checkpoint: Path, question: str) -> None:
    tokens = load(checkpoint).tokens
    with pytest.raises(QuestionError, match="cannot be read"):
        tokens.encode([QUESTIONS[0], question])
    with pytest.raises(QuestionError, match="no questions"):
        tokens.encode([])


def test_tokenizers_that_cannot_tell_answers_are_refused() -> None:
    with pytest.raises(ModelError, match="cannot tell the answers 'yes' and 'maybe'"):
        GemmaTokens(make_tokenizer(["near"]), "yes", "maybe", 8)
    with pytest.raises(ModelError, match="cannot tell the answers"):
        GemmaTokens(make_tokenizer(["near"]), "no", "no near", 8)
    with pytest.raises(ModelError, match="line's end"):
        GemmaTokens(make_tokenizer(["near"], line_end=False), "yes", "no", 8)


@pytest.mark.parametrize(
    "change",
    [{"layout": "other"}, {"action_scale": ()}, {"action_scale": (0.1, 0.0)}, {"image_shape": (1, 2)}, {"horizon": 0}],
)
def test_settings_are_checked(change: dict) -> None:
    with pytest.raises(ConfigError):
        replace(SETTINGS, **change)
