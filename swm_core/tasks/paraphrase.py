# SPDX-License-Identifier: Apache-2.0
"""Goals in other words than the grammar's: the nearest sentence that the grammar understands, or a refusal.

The grammar is asked first, clause by clause. A clause whose wording it refuses is compared, with stand-ins for the
objects, with example sentences of each task kind and with sentences that no task can express. It is taken only if an
understood one is nearest, near enough and clearly nearer than those of other kinds. Guarded words ("not", "behind") and
an unclear order of the objects are refused before anything is compared: likeness of vectors knows no "not".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from swm_core.errors import WordingError
from swm_core.tasks.goal_text import ARTICLES, Reader, grammar_step, in_order, read_clauses
from swm_core.tasks.library import SEPARATE, TaskSpec
from swm_core.tasks.paraphrase_examples import (
    ABSTRACT,
    APPROACHES,
    ASKING,
    DIVERGING,
    GUARDED,
    JOINING,
    MODALS,
    PREPOSITIONS,
    REFUSED,
    TELLING,
    UNDERSTOOD,
    WISHES,
)

Embed = Callable[[Sequence[str]], np.ndarray]  # N sentences -> (N, D) float of length 1

# Chosen on one half of tests/swm_core/tasks/paraphrases.yaml. On the other, of 30 paraphrases 28 become the right task,
# none a wrong one; of 36 sentences that must be refused, 35 are ("catapult X into Y" becomes a push).
THRESHOLD = 0.75  # least cosine
MARGIN = 0.005  # by which another kind, or a sentence that no task can express, must be farther

STAND_INS = ("the moon", "the star", "the cube")
_HARMLESS_UP = re.compile(r"\bup (?=(?:to|against|with|next)\b)")  # "walk up to" asks for no direction
_TOOL = re.compile(r"(?<!contact) with #")  # "push the moon with the star"
_PASSIVE = re.compile(r"\b(?!close|near)[a-z]+ by #")
_SLOTS = ("{a}", "{b}", "{c}")


@dataclass(frozen=True)
class Example:
    """One sentence to compare with.

    Attributes:
        kind: of the task it asks for; "" for what no task can express.
        template: its words, with slots.
        objects: number of slots.
    """

    kind: str
    template: str
    objects: int


@lru_cache(maxsize=1)
def all_examples() -> tuple[Example, ...]:
    """Understood sentences, then refused ones."""
    sentences = [(kind, text) for kind, texts in UNDERSTOOD.items() for text in texts] + [("", t) for t in REFUSED]
    return tuple(Example(kind, text, sum(slot in text for slot in _SLOTS)) for kind, text in sentences)


def fill(template: str, names: Sequence[str]) -> str:
    """A template with names in its slots."""
    for slot, name in zip(_SLOTS, names, strict=False):
        template = template.replace(slot, name)
    return template


class ParaphraseParser:
    """Reads goals like `parse_goal`, and by likeness where that refuses the wording."""

    def __init__(self, embed: Embed, threshold: float = THRESHOLD, margin: float = MARGIN) -> None:
        """Embed the examples.

        Args:
            embed: sentences to vectors of length 1.
            threshold: least cosine.
            margin: by which the nearest sentence of any other kind must be farther.
        """
        self._embed, self.threshold, self.margin = embed, threshold, margin
        self._examples = all_examples()
        self._kinds = np.array([example.kind for example in self._examples])
        self._objects = np.array([example.objects for example in self._examples])
        self._vectors = embed([fill(example.template, STAND_INS) for example in self._examples])  # (E, D)

    def __call__(self, text: str, names: Sequence[str], effector_words: Sequence[str] = ()) -> tuple[TaskSpec, ...]:
        """The steps that a goal's words ask for; arguments as `parse_goal`.

        Raises:
            WordingError: a clause is neither in the grammar nor near to it; names the nearest.
            GoalError: it names an object that is not there or not one, or takes a block twice.
        """
        reader = Reader(names, effector_words)
        return in_order([self._step(clause, reader) for clause in read_clauses(text, reader)], text)

    def _step(self, clause: list[str], reader: Reader) -> TaskSpec:
        try:
            return grammar_step(clause, reader)
        except WordingError as error:
            pattern, blocks = reader.pattern(clause)
            reason = refusal(pattern, len(blocks))
            kind = ""
            if not reason:
                kind, reason = self._nearest(pattern, blocks)
                reason = reason or _opposite(pattern, kind)
            if reason:
                raise WordingError(f"{error}. Not taken as a paraphrase: {reason}") from error
            return reader.step(kind, blocks)

    def _nearest(self, pattern: str, blocks: list[str]) -> tuple[str, str]:
        """The kind of the nearest example with as many objects, and why that does not do ("" if it does)."""
        cosines = self._vectors @ self._embed([_sentence(pattern)])[0]  # (E,)
        fitting = self._objects == len(blocks)
        understood = np.where(fitting & (self._kinds != ""), cosines, -1.0)
        best = self._examples[int(understood.argmax())]
        nearest = float(understood.max())
        others = np.where(fitting & (self._kinds != best.kind), cosines, -1.0)
        rival = self._examples[int(others.argmax())]
        said = f"'{fill(best.template, [f'the {name}' for name in blocks])}' is nearest with likeness {nearest:.2f}"
        if nearest < self.threshold:
            return "", f"{said}, needed are {self.threshold:.2f}"
        if float(others.max()) > nearest - self.margin:
            what = "which is another task" if rival.kind else "which no task can express"
            return "", f"{said}, but it may mean '{fill(rival.template, [f'the {name}' for name in blocks])}', {what}"
        return best.kind, ""


def refusal(pattern: str, objects: int) -> str:
    """Why a clause must not be compared at all; "" where it may.

    Args:
        pattern: the clause with `#` for objects and `@` for the arm, articles kept.
        objects: how many objects it names.
    """
    words = _HARMLESS_UP.sub("", pattern).split()
    if not 1 <= objects <= len(STAND_INS):
        return f"it names {objects or 'no'} objects, 1 to {len(STAND_INS)} can be compared"
    for reason, guarded in GUARDED.items():
        for word in words:
            if word in guarded or (word.isdigit() and "amount" in reason):
                return f"'{word}' {reason}"
    plain = [word for word in words if word not in ARTICLES]
    if reason := _no_wish(plain):
        return reason
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word in ARTICLES and after not in ABSTRACT | {"#", "@"}:
            return f"there may be no '{after}'"
    return _unclear_order(" ".join(plain)) if objects > 1 else ""


def _no_wish(words: list[str]) -> str:
    """A clause that asks, or tells what is, was or is done by others, wants nothing done."""
    first, second = words[0], words[1] if len(words) > 1 else ""
    if first in ASKING and second != "you":
        return f"'{first}' asks a question"
    if first in TELLING or (first == "i" and second not in WISHES) or (first in "#@" and not MODALS & set(words)):
        return "it tells something and asks for nothing"
    return ""


def _opposite(pattern: str, kind: str) -> str:
    """Likeness also takes "away from" for "to": what separates must say so, what brings together must not."""
    words = [word for word in pattern.split() if word not in ARTICLES]
    diverging = [word for word in words if word in DIVERGING]
    if kind != SEPARATE:
        return f"'{diverging[0]}' does not go with '{kind}'" if diverging else ""
    if not diverging:
        return f"it has none of the words of '{kind}'"
    to = [f"{word} {after}" for word, after in pairwise(words) if word in APPROACHES and after == "#"]
    return f"'{to[0][:-2]}' does not go with '{kind}'" if to else ""


def _unclear_order(pattern: str) -> str:
    """The object that is moved must be named first: nothing before it, no passive, no tool, no bare pair."""
    before = pattern.partition("#")[0].split()
    if before and (before[0] in PREPOSITIONS or before[-1] in PREPOSITIONS):
        return f"'{before[0]}' before the first object leaves open which one is moved"
    tool = _TOOL.search(pattern) and pattern.split()[0] not in JOINING
    if "# #" in pattern or _PASSIVE.search(pattern) or tool:
        return "it leaves open which object is moved"
    return ""


def _sentence(pattern: str) -> str:
    """The clause with stand-ins for the objects in their order, without articles of its own before them."""
    words, objects = pattern.split(), iter(STAND_INS)
    kept = [w for w, after in zip(words, [*words[1:], ""], strict=True) if not (w in ARTICLES and after in ("#", "@"))]
    return " ".join(next(objects) if w == "#" else "the arm" if w == "@" else w for w in kept)


def load_paraphrases() -> ParaphraseParser:
    """The parser with the installed text embedding; takes seconds.

    Raises:
        ModelError: the text embedding is not installed or damaged; says how to install it.
    """
    from swm_core.models.sentence_embedding import SentenceEmbedding  # torch and transformers: only where it is used

    return ParaphraseParser(SentenceEmbedding())
