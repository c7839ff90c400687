# SPDX-License-Identifier: Apache-2.0
"""Words of a text, and the objects named in it."""

import pytest

from swm_core.tasks import LANGTABLE_LOCATE, LANGTABLE_QUESTIONS, mentions, tokenize

PEG = ("robotic peg", "peg")


def test_tokenize_lowers_and_drops_punctuation():
    assert tokenize("  Is the RED-moon, (really) touching?! ") == ["is", "the", "red", "moon", "really", "touching"]
    assert tokenize("...") == []


@pytest.mark.parametrize("question_type", LANGTABLE_QUESTIONS, ids=lambda t: t.name)
def test_every_question_mentions_its_arguments_where_they_stand(question_type, block_8):
    for instance in question_type.instances(block_8):
        objects = [block_8.index(name) for name in instance if name in block_8]
        for i in range(len(question_type.phrasings)):
            text = question_type.ask(instance, i).text
            found = mentions(text, block_8, PEG)
            words = tokenize(text)
            assert [k for _, k in found if k < 8] == objects or sorted(k for _, k in found if k < 8) == sorted(objects)
            assert ("peg" in words) == (8 in [k for _, k in found])
            for position, index in found:
                assert words[position] == ("peg" if index == 8 else block_8[index].split()[-1])
                assert index == 8 or words[position - 1] == block_8[index].split()[0]


def test_positions_are_those_of_the_last_words(block_8):
    text = "Is the robotic peg touching the green star?"
    assert mentions(text, block_8, PEG) == [(3, 8), (7, 5)]
    assert mentions("Is the peg near the blue cube block?", block_8, PEG) == [(2, 8), (6, 3)]
    for index, instance in enumerate(LANGTABLE_LOCATE.instances(block_8)):
        for asked in LANGTABLE_LOCATE.texts(instance):
            assert [found for _, found in mentions(asked, block_8, PEG)] == [index]


def test_short_names_count_only_where_they_are_unambiguous():
    names = ("red moon", "blue cube", "green cube")
    assert mentions("Is the moon touching the blue block?", names, PEG) == [(2, 0), (6, 1)]
    assert mentions("Is the cube near the peg?", names, PEG) == [(5, 3)]
    assert mentions("Is the purple moon near the yellow block?", names, PEG) == []
