# SPDX-License-Identifier: Apache-2.0
"""Which questions are asked about a state, in which words, with which answers; and the words as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swm_core.environment import EnvironmentEntry
from swm_core.errors import QuestionError
from swm_core.tasks.questions import LocateType, QuestionType, vocabulary
from swm_core.tasks.relations import Truth
from swm_core.tasks.words import mentions, tokenize

NO, YES, UNDEFINED = 0, 1, -1


@dataclass(frozen=True)
class AskedQuestion:
    """One question about one state.

    Attributes:
        type: place in the catalogue's `type_names`.
        text: the words.
        answers: (Z,) int8, one per horizon: 0 no, 1 yes, -1 undefined; those of negated words are turned round.
    """

    type: int
    text: str
    answers: np.ndarray


class QuestionCatalogue:
    """The question types in use, with the vocabulary and the sizes that follow from them.

    Args:
        types: yes/no question types.
        locate: the auxiliary "where is X", or None.
        effector_words: what the effector is called in the questions.
        names: all objects that may ever be there; where each is, or that it is not there, is told with every sample.
        words: vocabulary; by default that of the types.

    Raises:
        QuestionError: no types.
    """

    def __init__(
        self,
        types: Sequence[QuestionType],
        locate: LocateType | None,
        effector_words: Sequence[str],
        names: Sequence[str],
        words: Sequence[str] | None = None,
    ) -> None:
        """See the class."""
        if not types:
            raise QuestionError("no question types")
        self.types, self.locate, self.effector_words = tuple(types), locate, tuple(effector_words)
        self.names = tuple(names)
        self.words = tuple(words) if words is not None else vocabulary(types, locate, self.names)
        self.type_names = tuple(t.name for t in types) + ((locate.name,) if locate else ())
        self._ids: Mapping[str, int] = {word: i + 1 for i, word in enumerate(self.words)}  # 0: padding or unknown
        pair = (max(self.names, key=lambda name: len(tokenize(name)), default="red moon"),) * 2
        texts = [text for t in types for text in t.texts(pair)]
        if locate:
            texts += [text for instance in locate.instances(pair) for text in locate.texts(instance)]
        self.max_words = max(len(tokenize(text)) for text in texts)
        self._encoded: dict[str, np.ndarray] = {}

    @classmethod
    def of(cls, entry: EnvironmentEntry, words: Sequence[str] | None = None) -> QuestionCatalogue:
        """All questions of an environment."""
        return cls(entry.questions, entry.locate, entry.effector_words, entry.names, words)

    def encode(self, text: str) -> np.ndarray:
        """(max_words,) int64 word numbers: 1.. in the vocabulary's order, 0 for padding and unknown words.

        Raises:
            QuestionError: the text is longer than any that the types can make.
        """
        found = self._encoded.get(text)
        if found is None:
            numbers = [self._ids.get(word, 0) for word in tokenize(text)]
            if len(numbers) > self.max_words:
                raise QuestionError(f"{text!r} has {len(numbers)} words; the longest question has {self.max_words}")
            found = np.zeros(self.max_words, np.int64)
            found[: len(numbers)] = numbers
            self._encoded[text] = found
        return found

    def mentions(self, text: str, names: Sequence[str], most: int) -> tuple[np.ndarray, np.ndarray]:
        """Where a question names things: word positions and object indices.

        Args:
            text: the question.
            names: the N objects' names.
            most: length M of the results; further mentions are left out.

        Returns:
            two (M,) int64: places in `encode(text)` (-1 for none), and objects (N the effector, -1 for none).
        """
        places, objects = np.full(most, -1), np.full(most, -1)
        for i, (place, thing) in enumerate(mentions(text, names, self.effector_words)[:most]):
            places[i], objects[i] = place, thing
        return places, objects


def turned(answers: np.ndarray, defined: np.ndarray, negated: bool) -> np.ndarray:
    """int8 answers with -1 where undefined, turned round for a negated question; same shape as given."""
    return np.where(defined, answers ^ negated, UNDEFINED).astype(np.int8)


def ask_type(
    kind: QuestionType, number: int, truth: Truth, names: Sequence[str], wanted: bool, random: np.random.Generator
) -> AskedQuestion | None:
    """Ask one question of a type, with the wanted answer at one of the horizons if the state has such an instance.

    Phrasing first, every trained one alike; then an instance; then the order of a symmetric relation's objects.

    Args:
        kind: the question type.
        number: its place in the catalogue.
        truth: answers and defined, (Z, I) over horizons and the type's instances.
        names: the objects' names.
        wanted: the answer to look for.
        random: source of the draws.

    Returns:
        The question, or None where the type has no instance with a defined answer.
    """
    phrasing = int(random.integers(len(kind.phrasings)))
    answers, defined = truth
    matching = defined & (answers == (wanted != kind.phrasings[phrasing].negated))
    choices = np.flatnonzero((matching if matching.any() else defined).any(0))
    if not len(choices):
        return None
    chosen = int(choices[random.integers(len(choices))])
    arguments = kind.instances(names)[chosen]
    if kind.symmetric and random.random() < 0.5:
        arguments = (*arguments[1::-1], *arguments[2:])
    question = kind.ask(arguments, phrasing)
    return AskedQuestion(number, question.text, turned(answers[:, chosen], defined[:, chosen], question.negated))


def ask_place(
    locate: LocateType, number: int, names: Sequence[str], horizons: int, random: np.random.Generator
) -> AskedQuestion:
    """Ask where one thing is, every object and the effector alike; it has no yes or no."""
    instances = locate.instances(names)
    texts = locate.texts(instances[random.integers(len(instances))])
    return AskedQuestion(number, texts[random.integers(len(texts))], np.full(horizons, UNDEFINED, np.int8))
