# SPDX-License-Identifier: Apache-2.0
"""What is looked for in every frame: found where it is, known to be absent, and seen by what no question names."""

from dataclasses import replace

import pytest
import torch

from swm_core.models.compact import CompactWorldModel, name_words
from swm_core.models.grounded import GroundedModel
from swm_core.models.grounding import Cells, Grounding
from swm_core.models.vision import FINE_STRIDE, cell_index
from swm_core.training.losses import ABSENT_WEIGHT, grounding_loss

ONE = ["Is the red moon touching the blue cube?"]


def cells_with(grounding: Grounding, query: torch.Tensor, where: int, strength: float) -> Cells:
    """A map whose cell `where` is what the query looks for."""
    count = grounding.cell_points.shape[0]
    keys = torch.zeros(1, count, query.shape[-1])
    keys[0, where] = strength * query / query.norm()
    return Cells(keys, torch.zeros(1, count, grounding.value.out_features), grounding.cell_points[None])


def test_a_thing_is_found_where_its_words_match_and_only_if_they_do(network: CompactWorldModel) -> None:
    grounding = network.grounding
    query = torch.randn(grounding.ask.out_features, generator=torch.Generator().manual_seed(0))
    there = grounding.match(cells_with(grounding, query, 7, 2000.0), query[None, None])
    assert bool(there.present)
    torch.testing.assert_close(there.places[0, 0], grounding.cell_points[7])
    nowhere = grounding.match(cells_with(grounding, -query, 7, 2000.0), query[None, None])
    assert float(nowhere.logits[..., :-1].softmax(-1)[0, 0, 7]) < 1e-6


def test_names_are_made_of_their_words(network: CompactWorldModel) -> None:
    vocabulary = network.config.vocabulary
    words = [["", *vocabulary, "effector"][i] for i in name_words(network.config).flatten()]
    assert words == ["red", "moon", "blue", "cube", "green", "star", "yellow", "pentagon", "", "effector"]


def test_a_query_is_the_sum_of_what_its_two_words_look_for(network: CompactWorldModel) -> None:
    words = torch.randn(3, 2, network.config.width, generator=torch.Generator().manual_seed(1))
    colour, shape = words[:, 0], words[:, 1]
    expected = network.grounding.ask(shape) + network.grounding.ask_before(colour)
    torch.testing.assert_close(network.grounding.query(words)[:, 1], expected)


def test_answers_depend_on_things_that_no_question_names(model: GroundedModel, frame: torch.Tensor) -> None:
    """The world model sees what is in the way: the tokens of things that were found are part of the image."""
    network, actions = model.network, torch.full((1, 1, 4, 2), 0.02)
    context = model.observe(frame.numpy())
    ids, named = model.encode(ONE)
    before = network.read(network.prefix(context, ids, named), actions).logits
    hidden = context.past.seen.clone()
    hidden[:, -3] = ~hidden[:, -3]  # the green star is (not) there
    changed = replace(context, past=replace(context.past, seen=hidden))
    after = network.read(network.prefix(changed, ids, named), actions).logits
    assert float((before - after).abs().max()) > 1e-6


def test_the_loss_wants_each_thing_in_its_cell_or_nowhere(network: CompactWorldModel, model: GroundedModel) -> None:
    camera, names = network.config.camera, len(network.config.names) + 1
    pixels = torch.full((1, names, 2), torch.nan)
    pixels[0, 0], pixels[0, -1] = torch.tensor([20.0, 12.0]), torch.tensor([40.0, 30.0])
    scene = network.look(torch.zeros(1, 3, camera.height, camera.width))[1]
    targets = cell_index(camera, FINE_STRIDE, pixels)[0]
    right = torch.zeros_like(scene.logits)
    for i, target in enumerate(targets):
        right[0, i, target if target >= 0 else -1] = 50.0
    total, weight = grounding_loss(replace(scene, logits=right), {"scene_pixels": pixels}, camera)
    assert float(total) == pytest.approx(0.0, abs=1e-6)
    assert float(weight) == pytest.approx(2 + ABSENT_WEIGHT * (names - 2))
    wrong = right.roll(1, -1)
    assert float(grounding_loss(replace(scene, logits=wrong), {"scene_pixels": pixels}, camera)[0]) > 50.0
