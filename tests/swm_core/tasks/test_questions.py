# SPDX-License-Identifier: Apache-2.0
"""Instances, phrasings, negation and held-out words of the question types."""

import itertools
import pickle

import numpy as np
import pytest

from swm_core.errors import QuestionError
from swm_core.tasks import (
    LANGTABLE_LOCATE,
    LANGTABLE_QUESTIONS,
    Question,
    find_type,
    question_text,
    question_truth,
    tokenize,
    vocabulary,
)
from swm_core.tasks.questions import read_question

A, B = "red moon", "green star"

# Per type: instances among eight blocks, and templates at least as many as the generator of the paper counts.
COUNTS = {
    "block_touching": (28, 8),
    "peg_to_block": (8, 6),
    "block_board_position": (72, 5),
    "peg_block_direction": (64, 6),
    "block_block_direction": (448, 7),
    "block_move_direction": (64, 5),
    "block_move": (8, 8),
    "peg_move_direction": (8, 4),
    "block_block_closer": (28, 5),
    "peg_block_closer": (8, 4),
    "peg_touching_block": (8, 8),
}

PAPER_TOUCHING = [
    "Is the {a} touching the {b}?",
    "Are the {a} and {b} blocks in contact with each other?",
    "Is there contact between the {a} block and the {b} block?",
    "Does the {a} touch the {b}?",
    "Is the {a} block in physical contact with the {b} block?",
    "Are the {a} and {b} blocks touching each other?",
    "Is the {a} and {b} directly touching?",
    "Do the {a} and {b} blocks meet?",
]

PAPER_TABLE_14 = [
    ("block_touching", ("red star", "blue cube"), "Is the red star touching the blue cube?"),
    ("peg_to_block", ("green cube",), "Is the green cube next to the peg?"),
    ("block_board_position", ("red star", "center"), "Is the red star in the center of the board?"),
    ("peg_block_direction", ("red cube", "up"), "Is the peg above the red cube block?"),
    ("block_block_direction", ("red star", "blue cube", "right"), "Is the red star to the right of the blue cube?"),
    ("block_move_direction", ("red cube", "left"), "Did the red cube move left?"),
    ("block_move", ("red star",), "Did the red star block move?"),
    ("peg_move_direction", ("down",), "Did the robotic peg move downward?"),
    ("block_block_closer", ("red star", "blue cube"), "Are the red star and blue cube closer together?"),
    ("peg_block_closer", ("red cube",), "Is the robotic peg closer to the red cube?"),
]


def trained_texts(question_type, instance):
    return [question_type.ask(instance, i).text for i in range(len(question_type.phrasings))]


def held_out_texts(question_type, instance):
    return [question_type.ask(instance, i, held_out=True).text for i in range(len(question_type.held_out))]


def test_the_types_are_those_of_table_14_and_peg_contact():
    assert [t.name for t in LANGTABLE_QUESTIONS] == list(COUNTS)


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_instances_and_phrasings_are_as_many_as_stated(question_type, block_8):
    instances, templates = COUNTS[question_type.name]
    found = question_type.instances(block_8)
    assert len(found) == len(set(found)) == instances
    assert [question_type.instance_index(block_8, i) for i in found] == list(range(instances))
    assert len({p.template for p in question_type.phrasings}) >= templates
    assert len({(p.template, p.synonym) for p in question_type.phrasings}) == len(question_type.phrasings)


def test_touching_is_the_papers_list_and_gives_448_texts(block_8):
    touching = find_type("block_touching", LANGTABLE_QUESTIONS)
    assert [p.template for p in touching.phrasings] == PAPER_TOUCHING
    orders = [o for pair in touching.instances(block_8) for o in (pair, pair[::-1])]
    assert len({touching.ask(o, i).text for o in orders for i in range(8)}) == 448


@pytest.mark.parametrize(("name", "arguments", "text"), PAPER_TABLE_14)
def test_examples_of_table_14_are_trained(name, arguments, text):
    assert text in trained_texts(find_type(name, LANGTABLE_QUESTIONS), arguments)


def test_no_text_means_two_things(block_8):
    """A text belongs to one type and instance: otherwise one question had two answers."""
    meaning = {}
    for question_type in LANGTABLE_QUESTIONS:
        for instance in question_type.instances(block_8[:3]):
            for text in (*trained_texts(question_type, instance), *held_out_texts(question_type, instance)):
                key = (question_type.name, instance)
                assert meaning.setdefault(text, key) == key


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_held_out_texts_are_new_but_their_words_are_not(question_type, block_8):
    instances = question_type.instances(block_8)
    trained = {t for other in LANGTABLE_QUESTIONS for i in other.instances(block_8) for t in trained_texts(other, i)}
    held = {t for i in instances for t in held_out_texts(question_type, i)}
    assert not held & trained
    locate = {t for name in block_8 for t in LANGTABLE_LOCATE.texts((name,))}
    known = {word for text in trained | locate for word in tokenize(text)}
    assert {word for text in held for word in tokenize(text)} <= known
    assert len({tuple(tokenize(t)) for t in held_out_texts(question_type, instances[0])}) >= 2


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_every_phrasing_is_read_as_what_it_asks(question_type, block_8):
    names = block_8[:3]
    for arguments in question_type.instances(names)[::5]:
        swapped = arguments[1::-1] + arguments[2:] if question_type.symmetric else arguments
        for held_out, choices in ((False, question_type.phrasings), (True, question_type.held_out)):
            for phrasing in range(len(choices)):
                asked = question_type.ask(swapped, phrasing, held_out=held_out)
                read = read_question(asked.text.lower().rstrip("?"), names, LANGTABLE_QUESTIONS)
                assert (read.type, read.negated) == (asked.type, asked.negated)
                assert set(read.arguments) == set(asked.arguments)
                assert question_type.symmetric or read.arguments == asked.arguments


def test_what_no_phrasing_says_is_not_read(block_8):
    for text in ("Is the purple cube touching the red moon?", "Will it rain?", "", "Is the red moon"):
        assert read_question(text, block_8, LANGTABLE_QUESTIONS) is None


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_every_text_is_a_clean_question(question_type, block_8):
    for instance in question_type.instances(block_8):
        for text in (*trained_texts(question_type, instance), *held_out_texts(question_type, instance)):
            assert text.endswith("?")
            assert text[0].isupper()
            assert not set("{}") & set(text)
            assert "  " not in text
            assert "NOT" not in text


def test_negated_phrasings_carry_the_negated_answer(place):
    before, after = place({A: (0.3, 0.0), B: (0.4, 0.2)}), place({A: (0.4, 0.0), B: (0.4, 0.2)})
    move = find_type("block_move", LANGTABLE_QUESTIONS)
    for number, held_out in [(i, False) for i in range(len(move.phrasings))] + [(0, True), (1, True)]:
        for block, has_moved in ((A, True), (B, False)):
            question = move.ask((block,), number, held_out=held_out)
            denies = any(word in question.text for word in ("remain", "stay", "still"))
            assert question.negated == denies
            assert question_truth(question, before, after, LANGTABLE_QUESTIONS) is (has_moved != denies)
            assert question_truth(question, before, before, LANGTABLE_QUESTIONS) is denies
    assert sum(p.negated for p in move.phrasings) == 3


def test_symmetric_questions_have_one_answer_in_either_order(place):
    scene = place({A: (0.3, 0.0), B: (0.34, 0.0)})
    touching = find_type("block_touching", LANGTABLE_QUESTIONS)
    for order in itertools.permutations((A, B)):
        assert question_truth(touching.ask(order), scene, scene, LANGTABLE_QUESTIONS) is True


def test_direction_questions_tell_first_from_second(place):
    scene = place({A: (0.3, 0.1), B: (0.3, 0.0)})
    direction = find_type("block_block_direction", LANGTABLE_QUESTIONS)
    assert question_truth(direction.ask((A, B, "right")), scene, scene, LANGTABLE_QUESTIONS) is True
    assert question_truth(direction.ask((B, A, "right")), scene, scene, LANGTABLE_QUESTIONS) is False


def test_an_undefined_answer_is_none(place):
    scene = place({A: (np.nan, 0.0), B: (0.3, 0.0)})
    question = find_type("block_touching", LANGTABLE_QUESTIONS).ask((A, B))
    assert question_truth(question, scene, scene, LANGTABLE_QUESTIONS) is None


def test_wrong_questions_are_refused(place, random_scenes, block_8):
    scene = place({A: (0.3, 0.0), B: (0.34, 0.0)})
    touching = find_type("block_touching", LANGTABLE_QUESTIONS)
    with pytest.raises(QuestionError, match="no question type"):
        question_truth(Question("colour", (A,), "What colour?"), scene, scene, LANGTABLE_QUESTIONS)
    with pytest.raises(QuestionError, match="cannot be asked"):
        question_truth(touching.ask((A, "blue cube")), scene, scene, LANGTABLE_QUESTIONS)
    with pytest.raises(QuestionError, match="8 phrasings"):
        question_text(touching, (A, B), 8)
    with pytest.raises(QuestionError, match="takes"):
        touching.ask((A,))
    with pytest.raises(QuestionError, match="sideways"):
        find_type("peg_move_direction", LANGTABLE_QUESTIONS).ask(("sideways",))
    batch = random_scenes(block_8, (2,), 0)
    with pytest.raises(QuestionError, match="batch"):
        question_truth(touching.ask(block_8[:2]), batch, batch, LANGTABLE_QUESTIONS)


def test_locate_asks_for_every_object_and_the_effector(place):
    scene = place({A: (0.3, 0.0), B: (0.34, 0.1)}, effector=(0.5, 0.2))
    instances = LANGTABLE_LOCATE.instances(scene.names)
    assert instances == [(A,), (B,), ("effector",)]
    np.testing.assert_array_equal(LANGTABLE_LOCATE.positions(scene)[:, :2], [[0.3, 0.0], [0.34, 0.1], [0.5, 0.2]])
    assert LANGTABLE_LOCATE.texts((A,))[0] == "Where is the red moon?"
    assert LANGTABLE_LOCATE.texts(("effector",))[0] == "Where is the robotic peg?"
    assert "Where is the peg?" in LANGTABLE_LOCATE.texts(("effector",))
    assert not set(LANGTABLE_LOCATE.texts((A,))) & set(LANGTABLE_LOCATE.texts((A,), held_out=True))


def test_vocabulary_holds_every_word_and_is_sorted(block_8):
    words = vocabulary(LANGTABLE_QUESTIONS, LANGTABLE_LOCATE)
    assert words == tuple(sorted(set(words)))
    assert words == vocabulary(LANGTABLE_QUESTIONS, LANGTABLE_LOCATE)
    names = (*block_8, "purple moon")
    for question_type in LANGTABLE_QUESTIONS:
        for instance in question_type.instances(names):
            for text in (*trained_texts(question_type, instance), *held_out_texts(question_type, instance)):
                assert set(tokenize(text)) <= set(words)
    for instance, held_out in itertools.product(LANGTABLE_LOCATE.instances(names), (False, True)):
        for text in LANGTABLE_LOCATE.texts(instance, held_out=held_out):
            assert set(tokenize(text)) <= set(words)
    assert "drawer" in vocabulary(LANGTABLE_QUESTIONS, names=("drawer",))


def test_types_travel_to_worker_processes(random_scenes, block_8):
    before, after = random_scenes(block_8, (), 1), random_scenes(block_8, (), 2)
    for question_type in LANGTABLE_QUESTIONS:
        copy = pickle.loads(pickle.dumps(question_type))  # noqa: S301
        np.testing.assert_array_equal(copy.truth(before, after)[0], question_type.truth(before, after)[0])
