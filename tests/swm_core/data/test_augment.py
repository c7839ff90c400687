# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tabletop

from swm_core.data import augment
from swm_core.data.augment import Augmentation
from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import SaqaDataset, SaqaSettings
from swm_core.data.trajectories import Trajectories
from swm_core.errors import ConfigError
from swm_core.tasks.langtable_questions import LANGTABLE_QUESTIONS

SWAP = {"left": "right", "right": "left"}


def swapped(option: str) -> str:
    return " ".join(SWAP.get(word, word) for word in option.split())


def spot(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(2,) continuous centre (u, v) of the pixels of a colour."""
    rows, columns = np.nonzero((image == colour).all(-1))
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def lonely() -> tabletop.Tabletop:
    """One red block away from the tool."""
    env = tabletop.Tabletop()
    env.reset(seed=5, options={"objects": ("red moon",)})
    env.blocks, env.tool = np.array([[0.4, 0.15]]), np.array([0.3, -0.1])
    return env


def test_shift_moves_frame_and_projection_alike() -> None:
    env = lonely()
    camera, image = tabletop.SPEC.camera, env.render()
    point = env.scene().positions[0]
    for right, down in ((3, -2), (-4, 5), (0, 0)):
        moved, seen_by = augment.shift_image(image, camera, right, down)
        np.testing.assert_allclose(seen_by.project(point) - camera.project(point), (right, down), atol=1e-9)
        red = tabletop.COLOURS["red"]
        np.testing.assert_allclose(spot(moved, red) - spot(image, red), (right, down), atol=1e-9)


def test_mirrored_frame_shows_the_mirrored_scene() -> None:
    env = lonely()
    image, scene = augment.mirror_image(env.render()), augment.mirror_scenes(env.scene())
    red = tabletop.COLOURS["red"]
    seen = tabletop.SPEC.camera.project(scene.positions[0])
    assert np.abs(spot(image, red) - seen).max() < 1.0
    assert np.abs(spot(env.render(), red) - seen).max() > 5.0


def test_a_fingers_push_is_mirrored_with_the_scene() -> None:
    scene = lonely().scene()
    fingers = np.zeros((2, len(scene.names), 3))
    fingers[0, 0] = (0.6, 0.8, 0.0)
    mirrored = augment.mirror_scenes(replace(scene, fingers=fingers))
    np.testing.assert_array_equal(mirrored.fingers[0, 0], [0.6, -0.8, 0.0])


def test_mirrored_step_is_the_step_of_the_mirrored_world() -> None:
    env = lonely()
    env.blocks = env.tool[None] + (0.03, 0.01)
    action = np.array([0.02, 0.015])
    before = augment.mirror_scenes(env.scene())
    env.step(action)
    expected = augment.mirror_scenes(env.scene())
    env.blocks, env.tool = before.positions[:, :2].copy(), before.effector[:2].copy()
    env.step(augment.mirror_actions(action, tabletop.SPEC.action_names))
    np.testing.assert_allclose(env.scene().positions, expected.positions, atol=1e-12)
    np.testing.assert_allclose(env.scene().effector, expected.effector, atol=1e-12)


def test_mirrored_truth_is_truth_with_left_and_right_swapped(data: Trajectories) -> None:
    scenes = data.episodes[0].scenes
    before, after = scenes[:1], scenes[5:]
    mirrored = augment.mirror_scenes(before), augment.mirror_scenes(after)
    with_sides = 0
    for kind in LANGTABLE_QUESTIONS:
        instances = kind.instances(scenes.names)
        plain, _ = kind.truth(before, after)
        flipped, _ = kind.truth(*mirrored)
        places = [
            kind.instance_index(scenes.names, (*i[:-1], swapped(i[-1])) if kind.options else i) for i in instances
        ]
        np.testing.assert_array_equal(flipped[:, places], plain)
        with_sides += bool(kind.options) and not np.array_equal(flipped, plain)
    assert with_sides >= 3


def test_mirrored_samples_are_consistent(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    settings = SaqaSettings(augmentation=Augmentation(mirror=1.0))
    dataset = SaqaDataset(data, catalogue, settings)
    for i in range(30):
        sample = dataset[i]
        episode, t = data.episodes[sample.source[0]], sample.source[1]
        np.testing.assert_array_equal(sample.image, episode.frame(t)[:, ::-1])
        expected = episode.scenes.effector[t : t + 21] * (1, -1, 1)
        np.testing.assert_allclose(sample.effector[: len(expected)], expected, atol=1e-6)
        np.testing.assert_allclose(sample.actions[: sample.available, 1], -episode.actions[t : t + 20, 1])
        np.testing.assert_allclose(sample.scene_pixels[-1], data.spec.camera.project(expected[0]), atol=1e-3)


def test_shifted_samples_keep_world_targets(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    plain = SaqaDataset(data, catalogue)
    shifted = SaqaDataset(data, catalogue, SaqaSettings(augmentation=Augmentation(shift_px=4)))
    moves = set()
    for i in range(20):
        a, b = plain[i], shifted[i]
        assert a.texts == b.texts
        np.testing.assert_array_equal(a.targets, b.targets)
        move = b.scene_pixels[-1] - a.scene_pixels[-1]
        right, down = np.rint(move).astype(int)
        np.testing.assert_allclose(move, (right, down), atol=1e-3)
        np.testing.assert_array_equal(augment.shift_image(a.image, data.spec.camera, right, down)[0], b.image)
        moves.add((right, down))
    assert len(moves) > 10
    assert max(abs(m) for move in moves for m in move) <= 4


def test_relight_stays_within_limits() -> None:
    image = np.full((20, 30, 3), 100, np.uint8)
    change = Augmentation(brightness=0.1)
    means = [augment.relight(image, change, np.random.default_rng(i)).mean() for i in range(50)]
    assert 100 - 26 <= min(means) < 90
    assert 110 < max(means) <= 100 + 26
    noisy = augment.relight(image, Augmentation(noise=0.05), np.random.default_rng(0)).astype(float)
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.15)
    assert noisy.mean() == pytest.approx(100, abs=2)


def test_mirror_needs_a_symmetric_environment(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    augment.check_mirror(data.spec)
    with pytest.raises(ConfigError, match="not declared mirror-symmetric"):
        augment.check_mirror(replace(data.spec, mirror_symmetric=False))
    aside = replace(data.spec.camera, position=(0.375, 0.1, 0.8))
    with pytest.raises(ConfigError, match="does not see world y and -y"):
        augment.check_mirror(replace(data.spec, camera=aside))


def test_ranges_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"mirror is 1\.5"):
        Augmentation(mirror=1.5)
    with pytest.raises(ConfigError, match="shift_px"):
        Augmentation(shift_px=-1)


def test_recolouring_changes_what_is_of_the_colour_and_nothing_else() -> None:
    env = tabletop.Tabletop()
    env.reset(seed=4, options={"objects": tabletop.SPEC.object_sets["FOUR"]})
    image, hues = env.render(), augment.colour_hues(("red", "green", "blue", "yellow", "moon", "grey"))
    assert set(hues) == {"red", "green", "blue", "yellow"}
    for seed in range(20):
        changed = augment.recolour(image, ["red"], hues, np.random.default_rng(seed))
        red = (image == tabletop.COLOURS["red"]).all(-1)
        np.testing.assert_array_equal((changed != image).any(-1), red)
        new = augment.colour_hues(("#" + changed[red][0].tobytes().hex(),))
        distances = augment.hue_distance(np.array(list(hues.values())), next(iter(new.values())))
        assert distances.min() > augment.HUE_GAP - 2.0


def test_another_backdrop_leaves_things_as_they_are() -> None:
    random = np.random.default_rng(0)
    floor, tile = (30, 42, 60), (45, 60, 84)
    image = np.full((64, 96, 3), floor, np.uint8)
    image[:, ::8] = tile
    image[10:20, 10:20], image[30:40, 50:60], image[50:60, 80:90] = (60, 120, 250), (250, 60, 60), (120, 120, 120)
    things = ~((image == floor).all(-1) | (image == tile).all(-1))
    colours = set()
    for _ in range(20):
        changed = augment.repaint_backdrop(image, random)
        np.testing.assert_array_equal(changed[things], image[things])
        dark, light = changed[0, 1].astype(int), changed[0, 0].astype(int)
        assert (light >= dark).all()
        assert light.sum() > dark.sum(), "what was lighter still is"
        assert (changed[~things].reshape(-1, 3) == light).all(-1).mean() == pytest.approx(1 / 8, abs=0.03)
        colours.add(tuple(dark))
    assert len(colours) == 20
    assert np.ptp(np.array(list(colours)), axis=0).min() > 60, "all hues"


def test_a_black_frame_has_a_backdrop_too() -> None:
    assert augment.repaint_backdrop(np.zeros((8, 8, 3), np.uint8), np.random.default_rng(0)).shape == (8, 8, 3)


def test_what_is_recoloured_is_seen_and_not_named(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    """Its shape is still taught; no question names it, and its name is nowhere."""
    dataset = SaqaDataset(data, catalogue, SaqaSettings(augmentation=Augmentation(recolour=0.4)))
    hidden_somewhere = 0
    for i in range(20):
        sample = dataset[i]
        full = data.episodes[sample.source[0]].scenes.names
        hidden = [name for name in full if name not in sample.names]
        assert not {name.split()[0] for name in hidden} & {name.split()[0] for name in sample.names}
        assert len(sample.names) >= 2
        assert not any(name in text for name in hidden for text in sample.texts)
        for name in hidden:
            assert np.isnan(sample.scene_pixels[catalogue.names.index(name)]).all()
        shapes = sorted(catalogue.words[word - 1] for word in sample.thing_words[: len(full), 1])
        assert shapes == sorted(name.split()[1] for name in full)
        assert (sample.thing_words[: len(full), 0] == 0).sum() == len(hidden)
        hidden_somewhere += len(hidden)
    assert hidden_somewhere >= 20


def test_names_that_the_data_never_show_are_not_told(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    shown = {name for episode in data.episodes for name in episode.scenes.names}
    more = QuestionCatalogue(
        catalogue.types, catalogue.locate, catalogue.effector_words, (*catalogue.names, "red star"), catalogue.words
    )
    assert "red star" not in shown
    assert np.isinf(SaqaDataset(data, more)[0].scene_pixels[-2]).all()


def test_the_backdrop_changes_without_any_other_light(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    plain = SaqaDataset(data, catalogue, SaqaSettings())
    painted = SaqaDataset(data, catalogue, SaqaSettings(augmentation=Augmentation(backdrop=1.0)))
    assert all(plain[i].source == painted[i].source for i in range(4))
    assert not any(np.array_equal(plain[i].image, painted[i].image) for i in range(4))
