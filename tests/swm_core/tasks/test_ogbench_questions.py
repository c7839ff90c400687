# SPDX-License-Identifier: Apache-2.0
"""Cubes and a gripper: truth on both sides of every threshold in scenes placed by hand, and the questions' words."""

import math
from dataclasses import replace

import numpy as np
import pytest

from swm_core.errors import ConfigError
from swm_core.scene import SceneState
from swm_core.tasks import (
    OGBENCH_LOCATE,
    OGBENCH_QUESTIONS,
    GraspingThresholds,
    StackingLimits,
    find_type,
    mentions,
    ogbench_questions,
    tokenize,
    vocabulary,
)
from swm_core.tasks.ogbench_questions import EFFECTOR_WORDS

NAMES = ("red cube", "blue cube", "yellow cube", "green cube")
R, B, Y, G = NAMES
FLAT = 0.02  # height of a resting cube's centre
STANDING = {R: (0.4, 0.0, FLAT), B: (0.4, 0.2, FLAT), Y: (0.5, -0.2, FLAT), G: (0.3, -0.2, FLAT)}
HIGH = (0.35, 0.1, 0.3)
LEFT, RIGHT, DOWN = np.array([0.0, -1.0, 0.0]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])


def scene(
    at: dict[str, tuple[float, float, float]] | None = None,
    effector: tuple[float, float, float] = HIGH,
    touching: tuple[tuple[str, str], ...] = (),
    pushes: dict[str, tuple[np.ndarray, ...]] | None = None,
    gaps: dict[str, float] | None = None,
) -> SceneState:
    """Cubes at rest apart from each other but for what is said; a finger that pushes touches."""
    count, places = len(NAMES), STANDING | (at or {})
    contacts, fingers = np.zeros((count + 1, count + 1), bool), np.zeros((2, count, 3))
    for pair in touching:
        a, b = (NAMES.index(name) for name in pair)
        contacts[a, b] = contacts[b, a] = True
    for name, each in (pushes or {}).items():
        for finger, push in enumerate(each):
            fingers[finger, NAMES.index(name)] = push
        contacts[NAMES.index(name), -1] = contacts[-1, NAMES.index(name)] = True
    return SceneState(
        NAMES,
        np.array([places[name] for name in NAMES]),
        np.zeros(count),
        np.array(effector),
        contacts,
        np.array(0.5),
        fingers,
        np.array([(gaps or {}).get(name, 0.1) for name in NAMES]),
    )


def told(kind: str, arguments: tuple[str, ...], before: SceneState, after: SceneState | None = None) -> bool:
    """Answer of one instance."""
    question_type = find_type(kind, OGBENCH_QUESTIONS)
    answers, defined = question_type.truth(before, before if after is None else after)
    index = question_type.instance_index(NAMES, arguments)
    assert defined[index]
    return bool(answers[index])


def turned(vector: np.ndarray, degrees: float) -> np.ndarray:
    """A vector turned about the x axis."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ vector


@pytest.mark.parametrize(
    ("pushes", "answer"),
    [
        ((LEFT, RIGHT), True),
        ((turned(LEFT, 44), RIGHT), True),
        ((turned(LEFT, 46), RIGHT), False),
        ((turned(LEFT, 30), turned(RIGHT, 30)), True),  # a tilted cube between the fingers
        ((RIGHT, RIGHT), False),  # the closed gripper pushes it along
        ((DOWN, DOWN), False),  # both tips press on it from above
        ((LEFT, DOWN), False),  # one beside it, one on its top
        ((LEFT,), False),  # one side only
        ((np.zeros(3), RIGHT), False),
    ],
)
def test_a_cube_is_grasped_between_opposing_fingers(pushes: tuple[np.ndarray, ...], answer: bool) -> None:
    there = scene(pushes={R: pushes})
    assert told("cube_grasped", (R,), there) is answer
    assert not told("cube_grasped", (B,), there)
    assert told("gripper_touching_block", (R,), there)


def test_two_cubes_between_the_fingers_are_not_grasped_by_one_each() -> None:
    """Each finger presses on another cube; neither cube has a finger on both sides."""
    assert not told("cube_grasped", (R,), scene(pushes={R: (LEFT,), B: (np.zeros(3), RIGHT)}))


def test_a_near_miss_is_no_touch() -> None:
    around = scene(effector=STANDING[R], gaps={R: 0.001})  # the open fingers on both sides of the cube
    assert not told("gripper_touching_block", (R,), around)
    assert not told("cube_grasped", (R,), around)


def test_without_fingers_grasping_is_undefined() -> None:
    blind = replace(scene(), fingers=np.zeros((0, len(NAMES), 3)))
    answers, defined = find_type("cube_grasped", OGBENCH_QUESTIONS).truth(blind, blind)
    assert not answers.any()
    assert not defined.any()


def test_cubes_touch_by_contact_and_not_by_nearness() -> None:
    beside = {R: (0.4, 0.16, FLAT)}
    assert told("block_touching", (R, B), scene(beside, touching=((R, B),)))
    assert told("block_touching", (B, R), scene(beside, touching=((R, B),)))
    assert not told("block_touching", (R, B), scene(beside))
    assert not told("block_touching", (R, Y), scene(beside, touching=((R, B),)))


@pytest.mark.parametrize(
    ("rise", "aside", "touch", "answer"),
    [
        (0.04, 0.0, True, True),
        (0.031, 0.0, True, True),
        (0.029, 0.0, True, False),  # tilted, one edge on the neighbour and one on the table
        (0.049, 0.0, True, True),
        (0.051, 0.0, True, False),  # on one of its edges
        (0.04, 0.029, True, True),
        (0.04, 0.031, True, False),
        (0.04, 0.0, False, False),  # held above it, not yet let down
        (0.0, 0.04, True, False),  # beside it
        (-0.04, 0.0, True, False),  # under it
        (0.08, 0.0, False, False),  # on top of what is on top of it
    ],
)
@pytest.mark.parametrize("direction", [(1.0, 0.0), (-0.6, 0.8)])
def test_on_top_is_contact_and_height_and_nearness(
    rise: float, aside: float, touch: bool, answer: bool, direction: tuple[float, float]
) -> None:
    x, y, z = STANDING[B]
    at = {R: (x + aside * direction[0], y + aside * direction[1], z + rise)}
    there = scene(at, touching=((R, B),) if touch else ())
    assert told("block_on_top", (R, B), there) is answer
    assert told("block_on_top", (B, R), there) is (rise == -0.04)
    assert not told("block_on_top", (R, Y), there)


def test_in_a_tower_each_is_on_top_of_the_next_only() -> None:
    x, y, z = STANDING[B]
    tower = scene({R: (x, y, z + 0.08), Y: (x, y, z + 0.04)}, touching=((R, Y), (Y, B)))
    on_top = find_type("block_on_top", OGBENCH_QUESTIONS)
    answers, _ = on_top.truth(tower, tower)
    assert {pair for pair, yes in zip(on_top.instances(NAMES), answers, strict=True) if yes} == {(R, Y), (Y, B)}


@pytest.mark.parametrize(("change", "answer"), [(0.011, True), (0.009, False), (-0.05, False)])
def test_closer_needs_a_centimetre_in_any_direction(change: float, answer: bool) -> None:
    x, y, z = STANDING[R]
    above, lower = scene(effector=(x, y, 0.2)), scene(effector=(x, y, 0.2 - change))
    assert told("gripper_block_closer", (R,), above, lower) is answer
    raised = scene({B: (x, y, 0.2)}), scene({B: (x, y, 0.2 - change)})
    assert told("block_block_closer", (R, B), *raised) is answer
    assert told("block_block_closer", (B, R), *raised) is answer
    aside = scene({B: (x, y + 0.2, z)}), scene({B: (x, y + 0.2 - change, z)})
    assert told("block_block_closer", (R, B), *aside) is answer


def test_nothing_is_closer_at_horizon_zero() -> None:
    for kind in ("gripper_block_closer", "block_block_closer"):
        answers, defined = find_type(kind, OGBENCH_QUESTIONS).truth(scene(), scene())
        assert defined.all()
        assert not answers.any()


def random_scenes(batch: tuple[int, ...], seed: int) -> SceneState:
    """Scenes crowded enough that every type has both answers."""
    rng, count = np.random.default_rng(seed), len(NAMES)
    contacts = np.triu(rng.random((*batch, count + 1, count + 1)) < 0.6, 1)
    fingers = rng.normal(size=(*batch, 2, count, 3))
    return SceneState(
        NAMES,
        rng.choice([0.02, 0.06], (*batch, count, 1)) * (0.0, 0.0, 1.0) + rng.uniform(0, 0.02, (*batch, count, 3)),
        rng.uniform(0, 6, (*batch, count)),
        rng.uniform(0, 0.1, (*batch, 3)),
        contacts | np.swapaxes(contacts, -1, -2),
        np.zeros(batch),
        fingers / np.linalg.norm(fingers, axis=-1, keepdims=True),
        rng.uniform(0, 0.1, (*batch, count)),
    )


@pytest.mark.parametrize("question_type", OGBENCH_QUESTIONS, ids=lambda t: t.name)
def test_batches_equal_single_scenes(question_type) -> None:
    before, after = random_scenes((3, 4), 1), random_scenes((3, 4), 2)
    answers, defined = question_type.truth(before, after)
    assert answers.shape == defined.shape == (3, 4, len(question_type.instances(NAMES)))
    assert answers.any()
    assert not answers.all()
    for i in np.ndindex(3, 4):
        np.testing.assert_array_equal(question_type.truth(before[i], after[i])[0], answers[i])
    np.testing.assert_array_equal(question_type.truth(before[0, 0], after)[0][0, 0], answers[0, 0])


@pytest.mark.parametrize("question_type", OGBENCH_QUESTIONS, ids=lambda t: t.name)
def test_a_cube_out_of_sight_is_undefined_where_it_matters(question_type) -> None:
    before, after = random_scenes((), 1), random_scenes((), 2)
    hidden = after.positions.copy()
    hidden[3] = np.nan
    answers, defined = question_type.truth(before, replace(after, positions=hidden, contacts=after.contacts | True))
    matters = np.array([NAMES[3] in instance for instance in question_type.instances(NAMES)])
    np.testing.assert_array_equal(defined, ~matters)
    assert not answers[matters].any()


PAPER_TABLE_14 = [
    ("cube_grasped", (R,), "Is the red cube grasped by the robot?"),
    ("gripper_touching_block", (B,), "Is the blue cube touching the robot gripper?"),
    ("block_touching", (G, Y), "Is the green cube touching the yellow cube?"),
    ("block_on_top", (R, B), "Is the red cube on top of the blue cube?"),
    ("gripper_block_closer", (G,), "Is the gripper closer to the green cube?"),
    ("block_block_closer", (R, B), "Is the red cube closer to the blue cube?"),
]


def texts(question_type, instance: tuple[str, ...], held_out: bool = False) -> list[str]:
    choices = question_type.held_out if held_out else question_type.phrasings
    return [question_type.ask(instance, i, held_out=held_out).text for i in range(len(choices))]


def test_the_types_are_the_six_of_table_14_with_its_examples_among_their_words() -> None:
    assert [t.name for t in OGBENCH_QUESTIONS] == [name for name, _, _ in PAPER_TABLE_14]
    for name, arguments, text in PAPER_TABLE_14:
        assert text in texts(find_type(name, OGBENCH_QUESTIONS), arguments)


@pytest.mark.parametrize("question_type", OGBENCH_QUESTIONS, ids=lambda t: t.name)
def test_words_are_clean_and_held_out_ones_new(question_type) -> None:
    assert len({p.template for p in question_type.phrasings}) >= 8
    known = {w for t in OGBENCH_QUESTIONS for i in t.instances(NAMES) for text in texts(t, i) for w in tokenize(text)}
    trained = {text for t in OGBENCH_QUESTIONS for i in t.instances(NAMES) for text in texts(t, i)}
    for instance in question_type.instances(NAMES):
        held = texts(question_type, instance, held_out=True)
        assert len(set(held)) >= 2
        assert not set(held) & trained
        for text in (*texts(question_type, instance), *held):
            assert text.endswith("?")
            assert not set("{}") & set(text)
            assert set(tokenize(text)) <= known
            found = [k for _, k in mentions(text, NAMES, EFFECTOR_WORDS) if k < len(NAMES)]
            assert sorted(found) == sorted(NAMES.index(name) for name in instance)


def test_no_text_means_two_things() -> None:
    meaning: dict[str, tuple] = {}
    for kind in OGBENCH_QUESTIONS:
        for instance in kind.instances(NAMES):
            for text in (*texts(kind, instance), *texts(kind, instance, held_out=True)):
                assert meaning.setdefault(text, (kind.name, instance)) == (kind.name, instance)


def test_locate_answers_in_three_dimensions() -> None:
    there = scene({R: (0.4, 0.0, 0.17)}, effector=(0.41, 0.0, 0.18))
    instances = OGBENCH_LOCATE.instances(NAMES)
    positions = dict(zip(instances, OGBENCH_LOCATE.positions(there).tolist(), strict=True))
    assert positions[(R,)] == [0.4, 0.0, 0.17]
    assert positions[("effector",)] == [0.41, 0.0, 0.18]
    assert OGBENCH_LOCATE.texts(("effector",))[0] == "Where is the robotic gripper?"
    assert {"gripper", "robotic", "cube", "grasping"} <= set(vocabulary(OGBENCH_QUESTIONS, OGBENCH_LOCATE))


def test_thresholds_are_settings() -> None:
    loose = ogbench_questions(GraspingThresholds(on_top=StackingLimits(offset=0.04)), ("hand",))
    x, y, z = STANDING[B]
    there = scene({R: (x + 0.035, y, z + 0.04)}, touching=((R, B),))
    on_top = find_type("block_on_top", loose)
    assert on_top.truth(there, there)[0][on_top.instance_index(NAMES, (R, B))]
    assert find_type("gripper_touching_block", loose).ask((R,)).text == "Is the hand touching the red cube?"
    with pytest.raises(ConfigError, match="opposing"):
        GraspingThresholds(opposing=0.0)
    with pytest.raises(ConfigError, match="tolerance"):
        StackingLimits(tolerance=math.inf)
