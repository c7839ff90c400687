# SPDX-License-Identifier: Apache-2.0
"""A person's words to the steps of a task: "push the red moon to the green star, then reach the blue cube".

Objects and the arm are first replaced by `#` and `@`; what remains of a clause must match one pattern of the grammar.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from swm_core.errors import GoalError, WordingError
from swm_core.tasks.library import PUSH, REACH, SEPARATE, STACK, AnyOrder, TaskSpec
from swm_core.tasks.words import BLOCK, COLOURS, SHAPES, Words, object_phrases, tokenize

MAX_LENGTH = 500

ARTICLES = {"the", "a", "an"}
_FILLER = {"please", "now", "first", "finally", "also", "just"}
_LEAD = {"next", "can", "could", "you"}
_SEQUENCE = {"first", "next", "finally"}  # words that say that "and" is meant as "and then"
GoalParser = Callable[..., tuple[TaskSpec, ...]]  # arguments, result and errors of `parse_goal`

_ARM = ("arm", "robot arm", "robotic arm", "robot", "peg", "robot peg", "robotic peg", "effector", "end effector",
        "tool", "gripper", "robotic gripper", "hand", "finger")  # fmt: skip
_PUSH_VERBS = ("push", "move", "slide", "put", "bring", "shove", "drag", "place")
_REACH_VERBS = ("reach", "touch", "approach", "contact", "go", "point", "get", "tap")
_APART_VERBS = ("separate", "split", "detach")

_PUSH = f"(?:{'|'.join(_PUSH_VERBS)})"
_TO = (
    r"(?:up to|to|towards?|against|next to|to touch|close to|closer to|near|beside|adjacent to|into contact with|into"
    r"|in contact with|until it touches|so that it touches|to the side of)"
)
_TOUCHES = (
    r"(?:(?:is|are|be|should be|must be)? ?(?:touching|in contact with|next to)|touch|touches|meets?|to touch"
    r"|(?:should|must|shall|will) (?:touch|meet))"
)
_TOGETHER = (
    r"(?:(?:are |be |should be |must be )?(?:touching|together|in contact)"
    r"|(?:(?:should|must|shall|will) )?(?:touch|meet))(?: each other)?"
)
_OFF = r"(?:away from|apart from|far from|off|from)"
_LIST = r"#(?:(?: and)? #)*"
_ON = r"(?:on|onto|atop|upon|on top of)"
_LIES = r"(?:is|be|should be|must be|rests?|stands?|lies?|sits?)"

# Each pattern takes the clause as a whole; the objects are taken in the order in which they are named.
_GRAMMAR: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (REACH, r"(?:reach|touch|approach|contact|tap)(?: for)? #(?: (?:with|by|using) @)?"),
        (REACH, r"(?:(?:move|bring|put|get|point|push|slide)(?: @)?|go|point|get) "
                r"(?:to|at|towards?|next to|close to|closer to|near|against|up to) #(?: with @)?"),
        (REACH, rf"(?:make|let|have)? ?(?:@ )?{_TOUCHES} #"),
        (REACH, r"(?:@ )?(?:make|in)? ?contact with #"),
        (REACH, r"(?:make |let |have )?@ (?:reach|reaches|approach|approaches|go to|goes to) #"),
        (PUSH, rf"{_PUSH} # {_TO} #(?: with @)?"),
        (PUSH, rf"{_PUSH} # and # (?:{_TOGETHER}|next to each other|close together)"),
        (PUSH, rf"{_PUSH} together # and #"),
        (PUSH, r"(?:join|connect|unite) # (?:and|with|to) #"),
        (PUSH, rf"(?:make|let|have)? ?# {_TOUCHES} #"),
        (PUSH, rf"(?:make|let|have)? ?# and # {_TOGETHER}"),
        (STACK, rf"(?:stack|pile|{_PUSH}|set|lay) # {_ON} #(?: with @)?"),
        (STACK, rf"(?:make|let|have)? ?# {_LIES}? ?(?:stacked )?{_ON} #"),
        (SEPARATE, rf"(?:separate|split|detach) #(?: {_OFF}| and) {_LIST}"),
        (SEPARATE, rf"(?:{_PUSH}|take|get|keep) # {_OFF} {_LIST}"),
        (SEPARATE, rf"(?:{_PUSH}|take|get|keep) away # from {_LIST}"),
        (SEPARATE, rf"(?:{_PUSH}|take|get|keep) # and # apart"),
        (SEPARATE, r"# (?:and #|away from #)(?: are| is| should be| must be)? (?:apart|separated?)"),
        (SEPARATE, rf"# (?:is |should be |must be )?(?:away|apart|separated?|far) from {_LIST}"),
        (SEPARATE, r"# (?:is|should|must|does) not (?:be )?(?:touch|touching|in contact with) #"),
    )
)  # fmt: skip

_VERBS = {*_PUSH_VERBS, *_REACH_VERBS, *_APART_VERBS, "make", "let", "have", "join", "connect", "unite", "take", "keep",
          "stack", "pile", "set", "lay"}  # fmt: skip
_GRAMMAR_WORDS = {word for _, grammar in _GRAMMAR for word in re.findall(r"[a-z]+", grammar.pattern)}
_CLAUSES = re.compile(r"[.;!\n]+|\b(?:and )?(?:then|afterwards|after that)\b", re.IGNORECASE)


def examples(names: Sequence[str]) -> str:
    """Goals that can be understood, with objects that are there."""
    found = [f"'reach the {name}'" for name in names[:1]]
    if len(names) > 1:
        found += [f"'push the {names[0]} to the {names[1]}'", f"'separate the {names[1]} from the {names[0]}'"]
    return ", ".join(found) or "none: there are no objects"


class Reader:
    """Finds the objects of one table in words."""

    def __init__(self, names: Sequence[str], effector_words: Sequence[str]) -> None:
        self.names = tuple(names)
        self.phrases = object_phrases(names)
        self.arm = {tuple(tokenize(word)) for word in (*_ARM, *effector_words)} - set(self.phrases)
        known = [tokenize(name) for name in names]
        self.colours = {*COLOURS, *(words[0] for words in known if len(words) > 1)}
        self.nouns = {*SHAPES, BLOCK, *(words[-1] for words in known if words)}
        self.longest = max((len(words) for words in (*self.phrases, *self.arm)), default=0)

    def fail(self, reason: str, kind: type[GoalError] = GoalError) -> GoalError:
        """The error to raise, with what is on the table and examples."""
        table = ", ".join(self.names) or "nothing"
        return kind(f"{reason}. On the table: {table}. Examples: {examples(self.names)}")

    def step(self, kind: str, blocks: Sequence[str]) -> TaskSpec:
        """A step about blocks in the order in which they are named.

        Raises:
            GoalError: a block is named twice.
        """
        try:
            return TaskSpec(kind, tuple(blocks))
        except GoalError as error:
            raise self.fail(str(error)) from error

    def pattern(self, words: list[str]) -> tuple[str, list[str]]:
        """The clause with `#` for objects and `@` for the arm, and the objects' names in order."""
        out: list[str] = []
        found: list[str] = []
        at = 0
        while at < len(words):
            length, meaning = self._phrase(words, at)
            if meaning:
                out.append("#")
                found.append(meaning)
            elif length:
                out.append("@")
            else:
                out.append(words[at])
                length = 1
            at += length
        return " ".join(out), found

    def _phrase(self, words: list[str], at: int) -> tuple[int, str]:
        """Length of the noun phrase that starts here (0: none) and the object it names ("" for the arm)."""
        for length in range(min(self.longest, len(words) - at), 0, -1):
            phrase = tuple(words[at : at + length])
            if phrase in self.arm:
                return length, ""
            if phrase in self.phrases:
                name = self._only(phrase)
                follows = words[at + length : at + length + 1] == [BLOCK] and phrase[-1] != BLOCK  # "red moon block"
                return length + follows, name
        return self._absent(words, at)

    def _only(self, phrase: Words) -> str:
        indices = self.phrases[phrase]
        if len(indices) > 1:
            candidates = " or ".join(self.names[i] for i in indices)
            raise self.fail(f"'{' '.join(phrase)}' is ambiguous: {candidates}")
        return self.names[indices[0]]

    def _absent(self, words: list[str], at: int) -> tuple[int, str]:
        """Refuse what speaks of an object that is not there; else no phrase starts here."""
        here, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        if here in self.colours:
            raise self.fail(
                f"there is no '{here} {after}'" if after in self.nouns else f"'{here}' does not say which object"
            )
        if here in self.nouns:
            raise self.fail(f"'{here}' does not say which block" if here == BLOCK else f"there is no '{here}'")
        return 0, ""


def check_text(text: object, reader: Reader) -> str:
    """A goal's text without space around it.

    Raises:
        GoalError: no text, too long, or with control characters.
    """
    if not isinstance(text, str):
        raise reader.fail(f"a goal is text, got {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise reader.fail(f"the goal has {len(text)} characters, at most {MAX_LENGTH} are read")
    text = text.strip(" \r\n\t")
    bad = sorted(
        {f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") and c not in "\n\t"}
    )
    if bad:
        raise reader.fail(f"the goal has control characters: {', '.join(bad[:5])}")
    return text


def read_clauses(text: object, reader: Reader) -> list[list[str]]:
    """Words of each clause without filler, articles kept; "and" (or a comma) before a verb begins a new clause.

    Raises:
        GoalError: no text, too long, with control characters, or empty.
    """
    found: list[list[str]] = []
    for part in _CLAUSES.split(check_text(text, reader)):
        words = [w for w in tokenize(part.replace(",", " and ")) if w not in _FILLER]
        clauses: list[list[str]] = [[]]
        for word, after in zip(words, [*words[1:], ""], strict=False):
            if word != "and":
                clauses[-1].append(word)
            elif after in _VERBS or not clauses[-1]:
                clauses.append([])
            elif after not in ("and", ""):
                clauses[-1].append(word)
        found += clauses
    stripped = [_without_lead(clause) for clause in found]
    kept = [clause for clause in stripped if set(clause) - ARTICLES]
    if not kept:
        raise reader.fail("the goal is empty")
    return kept


def in_order(steps: Sequence[TaskSpec], text: str) -> tuple[TaskSpec, ...]:
    """The steps that were read from a text, as `AnyOrder` where it joins them by "and" or a comma alone."""
    sequence = len([part for part in _CLAUSES.split(text) if tokenize(part)]) > 1 or _SEQUENCE & set(tokenize(text))
    return tuple(steps) if sequence or len(steps) < 2 else AnyOrder(steps)


def _without_lead(words: list[str]) -> list[str]:
    """Drop "can you", "next" and the like before the verb."""
    while words and words[0] in _LEAD:
        words = words[1:]
    return words


def grammar_step(clause: list[str], reader: Reader) -> TaskSpec:
    """The step that a clause asks for, by the grammar.

    Raises:
        WordingError: the grammar has no such clause.
        GoalError: it names an object that is not there or not one, or takes a block twice.
    """
    words = [word for word in clause if word not in ARTICLES]
    pattern, blocks = reader.pattern(words)
    for kind, grammar in _GRAMMAR:
        if grammar.fullmatch(pattern):
            return reader.step(kind, blocks)
    said = f"'{' '.join(words)}' is not understood"
    unknown = [f"'{word}'" for word in pattern.split() if word not in _GRAMMAR_WORDS and word not in "#@"]
    counted = f"{len(blocks) or 'no'} object{'' if len(blocks) == 1 else 's'}"
    reason = f"its words are known, but not in this order with {counted}"
    if not pattern.startswith(("#", "@")) and words[0] not in _VERBS:
        reason = f"'{words[0]}' is no verb that is known ({', '.join(sorted(_VERBS))})"
    elif unknown:
        reason = f"{', '.join(unknown)} is neither an object that is there nor a known word"
    raise reader.fail(f"{said}: {reason}", WordingError)


def parse_goal(text: str, names: Sequence[str], effector_words: Sequence[str] = ()) -> tuple[TaskSpec, ...]:
    """The steps that a goal's words ask for.

    Understood are reaching (reach, touch, go to, point at, move the arm to), pushing (push, move, slide, put, ... X to,
    towards, next to, against Y; X touches Y; X and Y touching; bring X and Y together), separating (separate X from
    Y and Z; move X away from Y) and stacking (stack, put, ... X on, on top of Y; X is on Y). "Then", a semicolon or a
    full stop make a sequence; "and" or a comma before a verb joins steps in any order (`AnyOrder`). An object is called
    by its name, by "<colour> block" or by its shape where only one fits. Articles and capitals don't matter.

    Args:
        text: what was said, at most 500 characters.
        names: the objects on the table.
        effector_words: further words for the arm.

    Raises:
        GoalError: the text cannot be understood; says why, what is on the table, and examples.
    """
    reader = Reader(names, effector_words)
    return in_order([grammar_step(words, reader) for words in read_clauses(text, reader)], text)
