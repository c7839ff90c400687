# SPDX-License-Identifier: Apache-2.0
"""Question types: who may be asked about, what is true, and how it is said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from string import Formatter

import numpy as np

from swm_core.errors import QuestionError
from swm_core.scene import EFFECTOR, SceneState
from swm_core.tasks.phrasings import NOT, Wordings
from swm_core.tasks.relations import Truth
from swm_core.tasks.words import all_words, tokenize

Arguments = tuple[str, ...]
OBJECT_SLOTS = ("a", "b")
OPTION_SLOTS = ("place", "direction")
EFFECTOR_SLOT = "effector"


@dataclass(frozen=True)
class Phrasing:
    """One way to say a question.

    Attributes:
        template: text with slots; the effector's word is already filled in.
        negated: whether it asks for the opposite, so that its answer is turned round.
        synonym: which synonym of the place or direction it takes.
    """

    template: str
    negated: bool = False
    synonym: int = 0


@dataclass(frozen=True)
class Question:
    """A question as the model reads it, and what it is about.

    Attributes:
        type: name of its question type.
        arguments: the instance: object names, then the place or direction by its canonical name.
        text: the words.
        negated: whether the words ask for the opposite of the type's relation.
    """

    type: str
    arguments: Arguments
    text: str
    negated: bool = False


@lru_cache(maxsize=1024)
def _instances(arguments: Arguments, symmetric: bool, options: Arguments, names: Arguments) -> dict[Arguments, int]:
    objects = sum(slot in OBJECT_SLOTS for slot in arguments)
    groups: Iterable[Arguments] = itertools.permutations(names, objects)
    if symmetric:
        groups = itertools.combinations(names, objects)
    places = [(option,) for option in options] if options else [()]
    return {(*group, *place): i for i, (group, place) in enumerate(itertools.product(groups, places))}


@dataclass(frozen=True)
class QuestionType:
    """One kind of yes/no question.

    Attributes:
        name: as in the paper's Table 14 ("block_touching").
        arguments: its slots: "a", "b" for objects, then "place" or "direction" if it has one.
        relation: truth of all instances, see `swm_core.tasks.relations`.
        phrasings: ways to say it in training; 0 is the paper's Table 5 text where that table uses the type.
        held_out: ways to say it that training never uses.
        options: canonical place or direction -> its synonyms, in the order of the relation's anchors or directions.
        symmetric: whether a and b may change places; instances then hold each pair once.
    """

    name: str
    arguments: Arguments
    relation: Callable[[SceneState, SceneState], Truth]
    phrasings: tuple[Phrasing, ...]
    held_out: tuple[Phrasing, ...]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    symmetric: bool = False

    def instances(self, names: Sequence[str]) -> list[Arguments]:
        """All argument tuples for a scene's objects, in the order of `truth`'s last axis."""
        return list(_instances(self.arguments, self.symmetric, tuple(self.options), tuple(names)))

    def instance_index(self, names: Sequence[str], arguments: Arguments) -> int:
        """Place of an argument tuple in `instances`; a symmetric type's two objects may stand in either order.

        Raises:
            QuestionError: the type has no such instance among these objects.
        """
        known = _instances(self.arguments, self.symmetric, tuple(self.options), tuple(names))
        swapped = arguments[1::-1] + arguments[2:] if self.symmetric else arguments
        index = known.get(arguments, known.get(swapped))
        if index is None:
            raise QuestionError(f"{self.name} cannot be asked about {arguments}; the objects are {', '.join(names)}")
        return index

    def truth(self, before: SceneState, after: SceneState) -> Truth:
        """Answers of all instances, without regard to negated phrasings.

        Args:
            before: scenes at the time of asking, batch shape broadcastable with `after`.
            after: scenes that the question is about.

        Returns:
            answers and defined, each (..., I) bool, read-only; horizon 0 is `before` equal to `after`: nothing changed.

        Raises:
            QuestionError: the scenes hold different objects.
        """
        if before.names != after.names:
            raise QuestionError(f"scenes of different objects: {before.names} and {after.names}")
        return self.relation(before, after)

    def ask(self, instance: Arguments, phrasing: int = 0, *, held_out: bool = False) -> Question:
        """The question in one of its phrasings.

        Args:
            instance: as from `instances`; the objects of a symmetric type may be swapped.
            phrasing: index into `phrasings`, or into `held_out`.
            held_out: whether to take the held-out ones.

        Raises:
            QuestionError: there is no such phrasing, or the arguments do not fit the slots.
        """
        choices = self.held_out if held_out else self.phrasings
        if not 0 <= phrasing < len(choices):
            raise QuestionError(f"{self.name} has {len(choices)} phrasings, asked for number {phrasing}")
        if len(instance) != len(self.arguments):
            raise QuestionError(f"{self.name} takes {self.arguments}, got {instance}")
        chosen = choices[phrasing]
        slots = dict(zip(self.arguments, instance, strict=True))
        if self.options:
            option = instance[-1]
            if option not in self.options:
                raise QuestionError(f"{self.name} knows {', '.join(self.options)}, not {option!r}")
            slots[self.arguments[-1]] = self.options[option][chosen.synonym]
        return Question(self.name, tuple(instance), chosen.template.format_map(slots), chosen.negated)

    def texts(self, names: Sequence[str]) -> list[str]:
        """All texts about one choice of objects, held-out ones and every place or direction included."""
        groups = [tuple(names[: sum(slot in OBJECT_SLOTS for slot in self.arguments)])]
        places = [(option,) for option in self.options] if self.options else [()]
        return [
            self.ask((*group, *place), i, held_out=held).text
            for group, place in itertools.product(groups, places)
            for held, choices in ((False, self.phrasings), (True, self.held_out))
            for i in range(len(choices))
        ]


def question_text(kind: QuestionType, instance: Arguments, phrasing: int = 0, *, held_out: bool = False) -> str:
    """Words of a question; see `QuestionType.ask`."""
    return kind.ask(instance, phrasing, held_out=held_out).text


def find_type(name: str | Sequence[str], types: Iterable[QuestionType]) -> QuestionType:
    """The question type of a name, or the first one of several names that environments give it.

    Raises:
        QuestionError: there is none.
    """
    names = (name,) if isinstance(name, str) else name
    known = {kind.name: kind for kind in types}
    found = next((known[each] for each in names if each in known), None)
    if found is None:
        raise QuestionError(f"no question type {' or '.join(map(repr, names))}; known: {', '.join(known)}")
    return found


def read_question(text: str, names: Sequence[str], types: Iterable[QuestionType]) -> Question | None:
    """The question that a text asks.

    Args:
        text: in any case, with or without punctuation.
        names: of the objects in the scene.
        types: question types of the environment.

    Returns:
        The question; None where the text is none of the types' phrasings about these objects.
    """
    words = tokenize(text)
    said = {name for name in names if set(tokenize(name)) <= set(words)}
    for kind in types:
        for instance in kind.instances(names):
            if not said.issuperset(name for name in instance if name in names):
                continue
            orders = {instance, instance[1::-1] + instance[2:]} if kind.symmetric else {instance}
            for arguments, held_out in itertools.product(orders, (False, True)):
                for phrasing in range(len(kind.held_out if held_out else kind.phrasings)):
                    question = kind.ask(arguments, phrasing, held_out=held_out)
                    if tokenize(question.text) == words:
                        return question
    return None


def question_truth(
    question: Question, before: SceneState, after: SceneState, types: Iterable[QuestionType]
) -> bool | None:
    """Right answer to one question about one pair of scenes (no batch axes); None where it is undefined.

    Raises:
        QuestionError: type or arguments are unknown, or the scenes are batches.
    """
    kind = find_type(question.type, types)
    answers, defined = kind.truth(before, after)
    if answers.ndim != 1:
        raise QuestionError(f"one scene expected, got a batch of shape {answers.shape[:-1]}")
    index = kind.instance_index(after.names, question.arguments)
    return bool(answers[index]) != question.negated if defined[index] else None


@dataclass(frozen=True)
class LocateType:
    """The question "Where is the {a}?", answered by coordinates for every object and the effector.

    Attributes:
        phrasings: templates used in training, of the one slot {a}.
        held_out: templates that training never uses.
        effector_words: what the effector is called.
        name: name of the type.
    """

    phrasings: tuple[str, ...]
    held_out: tuple[str, ...]
    effector_words: tuple[str, ...]
    name: str = "locate"

    def instances(self, names: Sequence[str]) -> list[Arguments]:
        """One per object, then ("effector",): the order of `positions`."""
        return [(name,) for name in (*names, EFFECTOR)]

    def positions(self, scene: SceneState) -> np.ndarray:
        """(..., N+1, 3) float64 world positions, m; the effector is last."""
        return np.concatenate([scene.positions, scene.effector[..., None, :]], axis=-2)

    def texts(self, instance: Arguments, *, held_out: bool = False) -> list[str]:
        """All ways to ask for one object or, by each of its words, the effector."""
        called = self.effector_words if instance == (EFFECTOR,) else instance
        return [t.format(a=word) for word in called for t in (self.held_out if held_out else self.phrasings)]


def expand_phrasings(
    templates: Sequence[str], effector_words: Sequence[str], options: Mapping[str, tuple[str, ...]]
) -> tuple[Phrasing, ...]:
    """Every template in every combination of effector word and synonym; templates in order under the first of both.

    Raises:
        QuestionError: the options have different numbers of synonyms.
    """
    counts = {len(synonyms) for synonyms in options.values()} or {1}
    if len(counts) > 1:
        raise QuestionError(f"every place or direction needs the same number of synonyms, got {sorted(counts)}")
    found = []
    for synonym, number in itertools.product(range(counts.pop()), range(len(effector_words))):
        for template in templates:
            slots = {slot for _, slot, _, _ in Formatter().parse(template) if slot}
            if (number and EFFECTOR_SLOT not in slots) or (synonym and not slots & set(OPTION_SLOTS)):
                continue
            text = template.removeprefix(NOT).replace(f"{{{EFFECTOR_SLOT}}}", effector_words[number])
            found.append(Phrasing(text, template.startswith(NOT), synonym))
    return tuple(found)


def make_type(
    name: str,
    arguments: Arguments,
    relation: Callable[[SceneState, SceneState], Truth],
    wordings: Wordings,
    *,
    effector_words: Sequence[str],
    options: Mapping[str, tuple[str, ...]] | None = None,
    symmetric: bool = False,
) -> QuestionType:
    """A question type from templates, see `QuestionType` and `expand_phrasings`."""
    options = dict(options or {})
    trained, held_out = (expand_phrasings(t, effector_words, options) for t in (wordings.trained, wordings.held_out))
    return QuestionType(name, arguments, relation, trained, held_out, options, symmetric)


def vocabulary(
    types: Iterable[QuestionType], locate: LocateType | None = None, names: Sequence[str] = ()
) -> tuple[str, ...]:
    """All words of all phrasings (held-out ones included), colours, shapes and extra names; sorted.

    The same types give the same words in the same order; a name's place never depends on which scene is asked about.
    """
    texts = [text for kind in types for text in kind.texts(("block", "block"))]
    if locate is not None:
        texts += [
            t for i in (("block",), (EFFECTOR,)) for held in (False, True) for t in locate.texts(i, held_out=held)
        ]
    return all_words([*texts, *names])
