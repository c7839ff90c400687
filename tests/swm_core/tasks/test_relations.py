# SPDX-License-Identifier: Apache-2.0
"""Truth of every question type on both sides of its threshold, batches against single scenes, undefined answers."""

import math

import numpy as np
import pytest

from swm_core.errors import ConfigError, QuestionError
from swm_core.scene import SceneState
from swm_core.tasks import LANGTABLE_QUESTIONS, TablePlaces, Thresholds, find_type, langtable_questions

A, B, C = "red moon", "green star", "blue cube"
HERE = (0.4, 0.0)
UP, RIGHT = np.array([-1.0, 0.0]), np.array([0.0, 1.0])  # as the camera of Language-Table shows the table


def told(kind, arguments, before, after=None):
    """Answer of one instance."""
    after = before if after is None else after
    question_type = find_type(kind, LANGTABLE_QUESTIONS)
    answers, defined = question_type.truth(before, after)
    index = question_type.instance_index(before.names, arguments)
    assert defined[index]
    return bool(answers[index])


def at(offset):
    """HERE moved by an offset."""
    return (HERE[0] + float(offset[0]), HERE[1] + float(offset[1]))


@pytest.mark.parametrize(("gap", "answer"), [(0.049, True), (0.051, False)])
@pytest.mark.parametrize("along", [UP, RIGHT, -(UP + RIGHT) / math.sqrt(2)])
def test_blocks_touch_below_five_centimetres(place, gap, answer, along):
    scene = place({A: HERE, B: at(gap * along), C: (0.25, 0.2)})
    assert told("block_touching", (A, B), scene) is answer
    assert told("block_touching", (B, A), scene) is answer
    assert not told("block_touching", (A, C), scene)


@pytest.mark.parametrize(("gap", "answer"), [(0.049, True), (0.051, False)])
def test_peg_is_next_to_block_below_five_centimetres(place, gap, answer):
    scene = place({A: HERE, B: (0.25, 0.2)}, effector=at(gap * RIGHT))
    assert told("peg_to_block", (A,), scene) is answer
    assert not told("peg_to_block", (B,), scene)


def test_peg_touching_is_contact_and_not_nearness(place):
    near = place({A: HERE, B: (0.25, 0.2)}, effector=at(0.04 * UP))
    touching = place({A: HERE, B: (0.25, 0.2)}, effector=at(0.04 * UP), touched=[A])
    assert not told("peg_touching_block", (A,), near)
    assert told("peg_touching_block", (A,), touching)
    assert not told("peg_touching_block", (B,), touching)


ANCHORS = {
    "top left": (0.125, -0.3048), "top": (0.125, 0.0), "top right": (0.125, 0.3048),
    "left": (0.35, -0.3048), "center": (0.35, 0.0), "right": (0.35, 0.3048),
    "bottom left": (0.575, -0.3048), "bottom": (0.575, 0.0), "bottom right": (0.575, 0.3048),
}  # fmt: skip


@pytest.mark.parametrize("anchor", ANCHORS)
def test_board_places_end_at_their_radius(place, anchor):
    x, y = ANCHORS[anchor]
    limit = 0.10 if anchor == "center" else 0.115
    inward = -1.0 if y > 0 else 1.0
    inside = place({A: (x, y + inward * (limit - 0.001))})
    outside = place({A: (x, y + inward * (limit + 0.001))})
    assert told("block_board_position", (A, anchor), inside)
    assert not told("block_board_position", (A, anchor), outside)
    assert sum(told("block_board_position", (A, other), inside) for other in ANCHORS) == 1


VECTORS = {
    "up": UP, "down": -UP, "left": -RIGHT, "right": RIGHT,
    "up left": UP - RIGHT, "up right": UP + RIGHT, "down left": -UP - RIGHT, "down right": -UP + RIGHT,
}  # fmt: skip


@pytest.mark.parametrize("direction", VECTORS)
@pytest.mark.parametrize("kind", ["block_block_direction", "peg_block_direction"])
def test_directions_hold_inside_their_band_only(place, kind, direction):
    unit = VECTORS[direction] / np.linalg.norm(VECTORS[direction])
    side = np.array([-unit[1], unit[0]])
    reach = 0.052 * math.sqrt(2) if " " in direction else 0.104
    cases = [
        (0.06 * unit, True),
        ((reach + 0.039) * unit, True),
        ((reach + 0.041) * unit, False),
        (0.06 * unit + 0.039 * side, True),
        (0.06 * unit + 0.041 * side, False),
        (-0.06 * unit, False),
    ]
    for offset, answer in cases:
        if kind == "peg_block_direction":
            said = told(kind, (B, direction), place({B: HERE}, effector=at(offset)))
        else:
            said = told(kind, (A, B, direction), place({A: at(offset), B: HERE}))
        assert said is answer, (offset, answer)


@pytest.mark.parametrize("direction", VECTORS)
@pytest.mark.parametrize("kind", ["block_move_direction", "peg_move_direction"])
def test_motion_directions_hold_inside_their_cone_only(place, kind, direction):
    unit = VECTORS[direction] / np.linalg.norm(VECTORS[direction])
    cone = 30.0 if " " in direction else 20.0

    def moved(length, degrees):
        turn = math.radians(degrees)
        step = length * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ unit
        if kind == "peg_move_direction":
            return told(kind, (direction,), place({A: HERE}, effector=HERE), place({A: HERE}, effector=at(step)))
        return told(kind, (A, direction), place({A: HERE}), place({A: at(step)}))

    assert moved(0.041, 0)
    assert not moved(0.039, 0)
    for sign in (-1, 1):
        assert moved(0.06, sign * (cone - 1))
        assert not moved(0.06, sign * (cone + 1))
    assert not moved(0.06, 180)


@pytest.mark.parametrize(("step", "answer"), [(0.039, False), (0.041, True)])
def test_did_it_move_is_yes_when_it_moved(place, step, answer):
    before, after = place({A: HERE, B: (0.3, 0.2)}), place({A: at(step * RIGHT), B: (0.3, 0.2)})
    assert told("block_move", (A,), before, after) is answer
    assert not told("block_move", (B,), before, after)


@pytest.mark.parametrize(("change", "answer"), [(0.041, True), (0.039, False), (-0.1, False)])
def test_closer_needs_four_centimetres(place, change, answer):
    before = place({A: HERE, B: at(0.15 * RIGHT)}, effector=at(0.15 * UP))
    after = place({A: HERE, B: at((0.15 - change) * RIGHT)}, effector=at((0.15 - change) * UP))
    assert told("block_block_closer", (A, B), before, after) is answer
    assert told("block_block_closer", (B, A), before, after) is answer
    assert told("peg_block_closer", (A,), before, after) is answer


@pytest.mark.parametrize(
    "kind", ["block_move_direction", "block_move", "peg_move_direction", "block_block_closer", "peg_block_closer"]
)
def test_nothing_has_changed_at_horizon_zero(random_scenes, block_8, kind):
    scene = random_scenes(block_8, (5,), 0)
    answers, defined = find_type(kind, LANGTABLE_QUESTIONS).truth(scene, scene)
    assert defined.all()
    assert not answers.any()


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_batches_equal_single_scenes(random_scenes, block_8, question_type):
    before, after = random_scenes(block_8, (3, 4), 1), random_scenes(block_8, (3, 4), 2)
    answers, defined = question_type.truth(before, after)
    assert answers.shape == defined.shape == (3, 4, len(question_type.instances(block_8)))
    assert answers.any()
    assert not answers.all()
    for i in np.ndindex(3, 4):
        one, known = question_type.truth(before[i], after[i])
        np.testing.assert_array_equal(one, answers[i])
        np.testing.assert_array_equal(known, defined[i])


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_one_scene_before_serves_many_after(random_scenes, block_8, question_type):
    before, after = random_scenes(block_8, (), 1), random_scenes(block_8, (4,), 2)
    answers, _ = question_type.truth(before, after)
    for i in range(4):
        np.testing.assert_array_equal(answers[i], question_type.truth(before, after[i])[0])
    backwards, _ = question_type.truth(after, before)
    assert backwards.shape == answers.shape


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_an_object_out_of_sight_is_undefined_where_it_matters(random_scenes, block_8, question_type):
    before, after = random_scenes(block_8, (), 1), random_scenes(block_8, (), 2)
    hidden = after.positions.copy()
    hidden[3] = np.nan
    after = SceneState(after.names, hidden, after.yaws, after.effector, after.contacts | True, after.gripper)
    answers, defined = question_type.truth(before, after)
    matters = np.array([block_8[3] in instance for instance in question_type.instances(block_8)])
    np.testing.assert_array_equal(defined, ~matters)
    assert not answers[matters].any()


def test_answers_do_not_depend_on_the_order_of_objects(random_scenes, block_8):
    before, after = random_scenes(block_8, (), 3), random_scenes(block_8, (), 4)
    order = np.random.default_rng(0).permutation(len(block_8))
    both = np.append(order, len(block_8))

    def reordered(s):
        names = tuple(s.names[i] for i in order)
        return SceneState(
            names, s.positions[order], s.yaws[order], s.effector, s.contacts[np.ix_(both, both)], s.gripper
        )

    for question_type in LANGTABLE_QUESTIONS:
        answers, _ = question_type.truth(before, after)
        others, _ = question_type.truth(reordered(before), reordered(after))
        names = reordered(before).names
        for instance, answer in zip(question_type.instances(block_8), answers, strict=True):
            assert others[question_type.instance_index(names, instance)] == answer


def test_a_mirrored_scene_swaps_left_and_right(random_scenes, block_8):
    before, after = random_scenes(block_8, (), 3), random_scenes(block_8, (), 4)
    flip = np.array([1.0, -1.0, 1.0])

    def mirrored(s):
        return SceneState(s.names, s.positions * flip, -s.yaws, s.effector * flip, s.contacts, s.gripper)

    swap = {"left": "right", "right": "left"}
    for question_type in LANGTABLE_QUESTIONS:
        answers, _ = question_type.truth(before, after)
        others, _ = question_type.truth(mirrored(before), mirrored(after))
        for instance, answer in zip(question_type.instances(block_8), answers, strict=True):
            *objects, last = instance
            if last in question_type.options:
                last = " ".join(swap.get(word, word) for word in last.split())
            assert others[question_type.instance_index(block_8, (*objects, last))] == answer


def test_another_table_brings_its_own_directions_and_thresholds(place):
    turned = TablePlaces(up=(0.0, 1.0), right=(1.0, 0.0), anchors={"center": (0.0, 0.0)})
    types = langtable_questions(Thresholds(touching=0.2), turned, ("gripper",))
    scene = place({A: (0.1, 0.0), B: (0.0, 0.0)})

    def answer(kind, arguments):
        found = find_type(kind, types)
        return bool(found.truth(scene, scene)[0][found.instance_index(scene.names, arguments)])

    assert answer("block_block_direction", (A, B, "right"))
    assert not answer("block_block_direction", (A, B, "down"))
    assert answer("block_touching", (A, B))
    assert answer("block_board_position", (B, "center"))
    assert find_type("peg_touching_block", types).ask((A,)).text == "Is the gripper touching the red moon?"


def test_wrong_settings_are_refused(place):
    with pytest.raises(ConfigError, match="touching"):
        Thresholds(touching=0.0)
    with pytest.raises(ConfigError, match="near"):
        Thresholds(near=math.nan)
    with pytest.raises(QuestionError, match="different objects"):
        LANGTABLE_QUESTIONS[0].truth(place({A: HERE}), place({B: HERE}))
