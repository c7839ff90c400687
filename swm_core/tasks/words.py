# SPDX-License-Identifier: Apache-2.0
"""Text to words, and where in the words an object or the effector is named. The only place where text is cut up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

COLOURS = ("red", "blue", "yellow", "green", "purple")
SHAPES = ("moon", "cube", "star", "pentagon")
BLOCK = "block"  # stands for any shape: "the red block"

_WORD = re.compile(r"[^\W_]+")

Words = tuple[str, ...]


def tokenize(text: str) -> list[str]:
    """Lower-case words of a text in order; punctuation is dropped."""
    return _WORD.findall(text.lower())


def object_phrases(names: Sequence[str]) -> dict[Words, tuple[int, ...]]:
    """Ways to name the objects and whom each may mean: the full name, "<colour> block", "<shape>".

    Args:
        names: the objects' names, as in the scene; a name's first word is its colour and its last its shape.

    Returns:
        words -> indices of the objects they fit, one where they are unambiguous.
    """
    full = {tuple(tokenize(name)): (i,) for i, name in enumerate(names)}
    short: dict[Words, tuple[int, ...]] = {}
    for i, name in enumerate(names):
        words = tokenize(name)
        for phrase in ((words[0], BLOCK), (words[-1],)) if len(words) > 1 else ():
            short[phrase] = (*short.get(phrase, ()), i)
    return {**short, **full}


def name_words(names: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """(N + 1, 2) int64 numbers (1.., 0 for unknown) of each name's last two words, or its one word twice.

    The last row is the effector, whose own number follows the vocabulary's.
    """
    ids = {word: i + 1 for i, word in enumerate(vocabulary)}
    words = [tokenize(name) for name in names]
    rows = [[ids.get(pair[0], 0), ids.get(pair[-1], 0)] for pair in (w[-2:] for w in words)]
    return np.array([*rows, [len(vocabulary) + 1] * 2])


@lru_cache(maxsize=1024)
def _unambiguous(names: Words, effector_words: Words) -> tuple[dict[Words, int], frozenset[str], int]:
    """Phrases that mean one thing, all adjectives of names, and the longest phrase's number of words."""
    phrases = {words: found[0] for words, found in object_phrases(names).items() if len(found) == 1}
    phrases.update({tuple(tokenize(word)): len(names) for word in effector_words})
    adjectives = {word for name in names for word in tokenize(name)[:-1]}
    return phrases, frozenset(adjectives | set(COLOURS)), max((len(words) for words in phrases), default=0)


@lru_cache(maxsize=1 << 16)
def _mentions(text: str, names: Words, effector_words: Words) -> tuple[tuple[int, int], ...]:
    phrases, adjectives, longest = _unambiguous(names, effector_words)
    words, found, at = tokenize(text), [], 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            index = phrases.get(tuple(words[at : at + length]))
            bare = length == 1 and at > 0 and words[at - 1] in adjectives  # "cube" of a "red cube" that is not there
            if index is not None and not bare:
                found.append((at + length - 1, index))
                at += length
                break
        else:
            at += 1
    return tuple(found)


def mentions(text: str, names: Sequence[str], effector_words: Sequence[str]) -> list[tuple[int, int]]:
    """Where a question names objects or the effector.

    Short names ("the cube", "the red block") count where they fit one object only.

    Args:
        text: the question.
        names: the N objects' names in the order of the scene.
        effector_words: what the effector is called.

    Returns:
        (position, index) in order of position: place of the name's last word in `tokenize(text)`, and the object's
        index, N for the effector.
    """
    return list(_mentions(text, tuple(names), tuple(effector_words)))


def all_words(texts: Iterable[str]) -> tuple[str, ...]:
    """All words of the texts and of all block names, sorted."""
    words = {word for text in texts for word in tokenize(text)}
    return tuple(sorted(words | set(COLOURS) | set(SHAPES) | {BLOCK}))
