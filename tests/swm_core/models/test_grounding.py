# SPDX-License-Identifier: Apache-2.0
"""What is looked for in every frame: found where it is, known to be absent, and seen by what no question names."""

from dataclasses import replace

import pytest
import torch

from swm_core.errors import ConfigError
from swm_core.models.compact import CompactWorldModel
from swm_core.models.grounded import GroundedModel
from swm_core.models.grounding import Cells, Grounding
from swm_core.models.vision import FINE_STRIDE, Residual, cell_index
from swm_core.tasks.words import name_words
from swm_core.training.losses import ABSENT_WEIGHT, grip_loss, grounding_loss, place_loss, word_loss

ONE = ["Is the red moon touching the blue cube?"]


def cells_with(grounding: Grounding, shown: dict[int, torch.Tensor]) -> Cells:
    """A map whose cells have these keys, the others the opposite of their sum."""
    count = grounding.cell_points.shape[0]
    keys = -sum(shown.values()).expand(1, count, -1).clone()
    for cell, key in shown.items():
        keys[0, cell] = key
    return Cells(keys, torch.zeros(1, count, grounding.value.out_features), grounding.cell_points[None])


def test_a_thing_is_found_where_both_its_words_match_and_only_there(network: CompactWorldModel) -> None:
    """However much a cell is what one word names, it has to be what the other names, too."""
    grounding = network.grounding
    colour, shape = 80.0 * torch.eye(grounding.ask.out_features)[:2]
    seen = cells_with(grounding, {3: 9.0 * colour - shape, 7: colour + shape, 9: 9.0 * shape - colour})
    there = grounding.match(seen, torch.stack([colour, shape])[None, None])
    assert bool(there.present)
    torch.testing.assert_close(there.places[0, 0], grounding.cell_points[7])
    nowhere = cells_with(grounding, {3: 9.0 * colour - shape, 9: 9.0 * shape - colour})
    assert not bool(grounding.match(nowhere, torch.stack([colour, shape])[None, None]).present)


def test_names_are_made_of_their_words(network: CompactWorldModel) -> None:
    vocabulary = network.config.vocabulary
    words = [["", *vocabulary, "effector"][i] for i in name_words(network.config.names, vocabulary).flatten()]
    assert words == ["red", "moon", "blue", "cube", "green", "star", "yellow", "pentagon", "effector", "effector"]


def test_a_word_looks_for_itself_beside_the_word_before_it(network: CompactWorldModel) -> None:
    words = torch.randn(3, 2, network.config.width, generator=torch.Generator().manual_seed(1))
    colour, shape = words[:, 0], words[:, 1]
    expected = torch.stack([network.grounding.ask_before(colour), network.grounding.ask(shape)], 1)
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


def test_the_loss_of_places_wants_each_thing_where_it_is_and_nothing_of_what_is_not_there() -> None:
    wanted = torch.full((1, 3, 3), torch.nan)
    wanted[0, 0], wanted[0, 2] = torch.tensor([0.4, 0.1, 0.02]), torch.tensor([0.5, 0.0, 0.2])
    total, weight = place_loss(wanted.nan_to_num(7.0), {"scene_positions": wanted})
    assert (float(total), float(weight)) == (0.0, 2.0)
    lower = wanted.nan_to_num(7.0) - torch.tensor([0.0, 0.0, 0.1])
    assert float(place_loss(lower, {"scene_positions": wanted})[0]) == pytest.approx(2 * (5.0 - 0.125))  # 5 units each


@pytest.mark.parametrize("dilations", [(), (0,), (65,), (1,) * 65])
def test_absurd_dilations_are_refused(network: CompactWorldModel, dilations: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="dilations"):
        replace(network.config, dilations=dilations)


def test_the_opening_of_the_gripper_is_read_from_its_looks_and_taught(
    network: CompactWorldModel, frame: torch.Tensor
) -> None:
    image = network.encode_image(frame.permute(2, 0, 1)[None].float() / 255.0)
    assert image.closed.shape == (1,)
    assert torch.equal(image.closed, network.closed(image.scene))
    total, weight = grip_loss(torch.tensor([0.0, 0.56, 1.0]), {"gripper": torch.tensor([0.0, 0.56, 0.8])})
    assert float(weight) == 3.0
    assert float(total) == pytest.approx(2.0 - 0.125)  # two units off


def test_a_block_with_a_wider_dilation_sees_farther() -> None:
    for dilation in (1, 4):
        image = torch.zeros(1, 16, 1, 32, requires_grad=True)
        block = Residual(16, dilation).body[2:]  # without the norm, which sees everything
        block(image)[0, :, 0, 16].sum().backward()
        assert image.grad.abs().sum((0, 1, 2)).nonzero().flatten().tolist() == [16 - dilation, 16, 16 + dilation]


def test_nothing_is_said_about_names_that_the_data_never_show(network: CompactWorldModel) -> None:
    camera, names = network.config.camera, len(network.config.names) + 1
    scene = network.look(torch.zeros(1, 3, camera.height, camera.width))[1]
    pixels = torch.full((1, names, 2), torch.inf)
    total, weight = grounding_loss(scene, {"scene_pixels": pixels}, camera)
    assert float(total) == float(weight) == 0.0


def test_the_loss_of_words_wants_what_they_name_whatever_else_it_is(network: CompactWorldModel) -> None:
    """A moon in a colour without a word is a moon; neighbours of its cell are left alone."""
    camera, names = network.config.camera, network.names
    scene = network.look(torch.zeros(1, 3, camera.height, camera.width))[1]
    pixels = torch.full((1, len(names), 2), torch.nan)
    pixels[0, 0] = torch.tensor([20.0, 12.0])
    words = torch.zeros(1, len(names), 2, dtype=torch.int64)
    words[0, 0, 1] = names[0, 1]  # the moon
    cell = int(cell_index(camera, FINE_STRIDE, pixels)[0, 0])
    right = torch.full_like(scene.words, -50.0)
    right[0, 0, 1, cell] = 50.0
    batch = {"thing_pixels": pixels, "thing_words": words}
    assert float(word_loss(replace(scene, words=right), names, batch, camera)[0]) == pytest.approx(0.0, abs=1e-6)
    near, far = right.clone(), right.clone()
    near[0, 0, 1, cell + 1] = far[0, 0, 1, cell + 2] = 50.0
    assert float(word_loss(replace(scene, words=near), names, batch, camera)[0]) == pytest.approx(0.0, abs=1e-6)
    assert float(word_loss(replace(scene, words=far), names, batch, camera)[0]) == pytest.approx(50.0)
    missed = torch.full_like(right, -50.0)
    assert float(word_loss(replace(scene, words=missed), names, batch, camera)[0]) == pytest.approx(50.0)
