# SPDX-License-Identifier: Apache-2.0
"""Where words look, on frames of coloured discs; and `semworld attend`."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from swm_core.camera import Camera
from swm_core.cli import main
from swm_core.data.frames import encode_png
from swm_core.models.compact import CompactWorldModel
from swm_core.models.compact_config import CompactConfig
from swm_core.models.grounded import GroundedModel
from swm_core.models.looking import NEAR, Looking, look
from swm_core.models.vision import FINE_STRIDE, cell_index
from swm_core.models.weights import load_model, save_model
from swm_core.tasks import LANGTABLE_QUESTIONS, vocabulary
from swm_core.tasks.words import tokenize

CAMERA = Camera(96, 64, 80.0, (0.375, 0.0, 0.8), ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)))
COLOURS = {
    "red moon": (255, 60, 60),
    "blue cube": (60, 60, 255),
    "green star": (60, 255, 60),
    "yellow pentagon": (255, 255, 60),
}
NAMES = tuple(COLOURS)
APART = 24  # px


def draw_scene(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A frame (64, 96, 3) with a disc per name, and their centres (4, 2), px."""
    centres: list[np.ndarray] = []
    while len(centres) < len(NAMES):
        centre = random.integers((8, 8), (88, 56))
        if all(np.linalg.norm(centre - other) > APART for other in centres):
            centres.append(centre)
    image = np.full((64, 96, 3), 47, np.uint8)
    for centre, colour in zip(centres, COLOURS.values(), strict=True):
        cv2.circle(image, [int(c) for c in centre], 5, colour, -1)
    return image, np.array(centres, float)


def learn(steps: int = 120) -> CompactWorldModel:
    """A small model that was shown for some seconds which disc is called what."""
    torch.manual_seed(0)
    network = CompactWorldModel(
        CompactConfig(
            vocabulary=vocabulary(LANGTABLE_QUESTIONS),
            names=NAMES,
            effector_words=("robotic peg",),
            camera=CAMERA,
            action_scale=(0.03, 0.03),
            action_axes=(0, 1),
            origin=(0.375, 0.0, 0.0),
            width=32,
            layers=2,
            action_layers=1,
            heads=2,
            fine_width=16,
        )
    )
    words, random = GroundedModel(network), np.random.default_rng(0)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    ids, named = words.encode([f"Is the {a} touching the {b}?" for a, b in zip(NAMES, NAMES[::-1], strict=True)])
    for _ in range(steps):
        images, centres = (np.stack(part) for part in zip(*(draw_scene(random) for _ in range(16)), strict=True))
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0
        prefix = network.prefix(network.encode_image(pixels), ids.expand(16, -1, -1), named.expand(16, -1, -1))
        asked = torch.from_numpy(np.stack([centres, centres[:, ::-1]], 2))  # (16, 4, 2, 2)
        target = cell_index(CAMERA, FINE_STRIDE, asked).flatten()
        loss = torch.nn.functional.cross_entropy(prefix.cells[:, 1:].flatten(0, 1), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("discs")
    save_model(path, learn())
    return path


def found_share(model: GroundedModel, asked: Sequence[str], scenes: int = 40) -> float:
    """How often a disc gets more attention than all others, each, when its words are those in `asked`."""
    random, right = np.random.default_rng(1), []
    for _ in range(scenes):
        image, centres = draw_scene(random)
        for i, name in enumerate(asked):
            (attention,) = look(model, image, [f"Is the {name} touching the {asked[i - 1]}?"])
            shares = [[word.share_near(c, APART / 2) for c in centres] for word in attention.names[1:]]
            right += [np.argmax(shares[0]) == i, np.argmax(shares[1]) == (i - 1) % len(asked)]
    return float(np.mean(right))


def test_the_named_object_gets_more_attention_than_any_other(folder: Path) -> None:
    assert found_share(GroundedModel(load_model(folder)), NAMES) > 0.95


def test_with_swapped_names_it_does_not(folder: Path) -> None:
    assert found_share(GroundedModel(load_model(folder)), NAMES[1:] + NAMES[:1]) < 0.05


def test_without_training_it_is_chance(folder: Path) -> None:
    torch.manual_seed(5)
    untrained = CompactWorldModel(load_model(folder).config).eval().requires_grad_(False)
    assert found_share(GroundedModel(untrained), NAMES) < 0.5


def test_centre_and_share_by_hand() -> None:
    weights = np.zeros((3, 8))
    weights[0, 0], weights[2, 0], weights[1, 7] = 0.25, 0.25, 0.5
    looking = Looking("moon", weights, 8)
    assert looking.centre == pytest.approx([(4 + 60) / 2, 12])
    assert looking.share_near(np.array([4, 4]), 16) == pytest.approx(0.5)
    assert looking.share_near(looking.centre) == 0  # all of it is farther than 24 px
    assert NEAR == 24


def test_the_command_draws_and_tells_where_words_look(folder: Path, tmp_path: Path, capsys) -> None:
    image, centres = draw_scene(np.random.default_rng(7))
    frame, out, found = tmp_path / "frame.png", tmp_path / "drawn", tmp_path / "out.json"
    frame.write_bytes(encode_png(image))
    questions = ["Is the red moon touching the green star?", "Is the robotic peg near the wubba cube?"]
    words = ["--image", str(frame), "--model", str(folder), "--out", str(out), "--json", str(found)]
    assert main(["attend", *words, *questions]) == 0
    result = json.loads(found.read_text())
    first, second = result["questions"]
    assert [row["word"] for row in first["names"]] == ["effector", "red moon", "green star"]
    for row, centre in zip(first["names"][1:], centres[[0, 2]], strict=True):
        assert row["centre_px"] == pytest.approx(centre.tolist(), abs=8)
        assert row["share_near"] > 0.5
    assert [row["word"] for row in first["words"]] == ["effector", *tokenize(questions[0])]
    assert all(0 < row["on_image"] < 1 for row in first["words"])
    assert "wubba" not in [row["word"] for row in second["words"]]
    assert [Path(q["picture"]).read_bytes()[:4] for q in (first, second)] == [b"\x89PNG"] * 2
    assert sorted(out.iterdir())[0].name == "01_is_the_red_moon_touching_the_green_star.png"
    assert "red moon" in capsys.readouterr().out


def test_a_model_of_one_block_has_matches_alone(model_folder: Path) -> None:
    loaded = GroundedModel(load_model(model_folder))
    (found,) = look(loaded, np.zeros(loaded.image_shape, np.uint8), ["Is the red moon touching the green star?"])
    assert len(found.names) == 3
    assert found.words == ()
    assert found.together is None


def test_an_unreadable_question_is_refused(model_folder: Path, tmp_path: Path, capsys) -> None:
    frame = tmp_path / "frame.png"
    frame.write_bytes(encode_png(np.zeros((180, 320, 3), np.uint8)))
    assert main(["attend", "--model", str(model_folder), "--image", str(frame), "?!"]) == 1
    assert "cannot be read" in capsys.readouterr().err
