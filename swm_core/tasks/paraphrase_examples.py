# SPDX-License-Identifier: Apache-2.0
"""What a paraphrase is compared with: sentences of the grammar, sentences that no task can express, and guarded words.

Slots: {a} is the first object that is named, {b} the second, {c} the third. `UNDERSTOOD` are sentences that the grammar
reads as their kind, with the objects in this order. `REFUSED` stand for what looks like a task and is none; a clause
that is nearest to one of them is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from swm_core.tasks.library import PUSH, REACH, SEPARATE

UNDERSTOOD: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        REACH: (
            "reach {a}", "touch {a}", "go to {a}", "move to {a}", "approach {a}", "tap {a}", "point at {a}",
            "make contact with {a}", "contact {a}", "get to {a}", "go near {a}", "go up to {a}",
            "move the arm to {a}", "bring the arm close to {a}", "put the arm against {a}", "move the arm next to {a}",
            "push the arm against {a}", "touch {a} with the arm", "tap {a} with the arm", "reach {a} using the arm",
            "the arm touches {a}", "the arm should touch {a}", "make the arm reach {a}", "the arm is next to {a}",
        ),
        PUSH: (
            "push {a} to {b}", "move {a} to {b}", "slide {a} towards {b}", "shove {a} into {b}",
            "drag {a} close to {b}",
            "put {a} next to {b}", "place {a} beside {b}", "put {a} against {b}", "push {a} up to {b}",
            "bring {a} into contact with {b}", "push {a} until it touches {b}", "move {a} so that it touches {b}",
            "bring {a} and {b} together", "put {a} and {b} next to each other", "join {a} and {b}",
            "connect {a} with {b}", "unite {a} with {b}", "make {a} touch {b}", "let {a} touch {b}",
            "{a} should touch {b}", "{a} is touching {b}", "{a} should be next to {b}", "{a} meets {b}",
            "{a} and {b} are in contact", "{a} and {b} should be touching",
        ),
        SEPARATE: (
            "separate {a} from {b}", "detach {a} from {b}", "split {a} from {b}", "separate {a} and {b}",
            "split {a} and {b}", "move {a} away from {b}", "push {a} away from {b}", "drag {a} away from {b}",
            "take {a} away from {b}", "get {a} away from {b}", "keep {a} apart from {b}", "push {a} off {b}",
            "move {a} far from {b}", "keep {a} far from {b}", "slide {a} away from {b}",
            "move {a} and {b} apart", "push {a} and {b} apart", "{a} and {b} should be apart",
            "{a} should be away from {b}", "{a} and {b} are separate",
            "separate {a} from {b} and {c}", "detach {a} from {b} and {c}", "move {a} away from {b} and {c}",
            "push {a} away from {b} and {c}", "take {a} away from {b} and {c}", "keep {a} apart from {b} and {c}",
            "drag {a} far from {b} and {c}", "{a} should be away from {b} and {c}",
        ),
    }
)  # fmt: skip

REFUSED: tuple[str, ...] = (
    "stay away from {a}", "keep the arm away from {a}", "retreat from {a}", "remember {a}", "push {a}", "move {a}",
    "slide {a} a bit", "push {a} away", "bring me {a}", "give me {a}", "take {a}", "keep {a}", "bring {a} here",
    "pick up {a}", "lift {a}", "grab {a}", "hold {a}", "let go of {a}", "drop {a}", "throw {a}", "turn {a} over",
    "rotate {a}", "turn {a}", "flip {a}", "break {a}", "destroy {a}", "cut {a}", "squeeze {a}", "eat {a}",
    "push the cup to {a}", "put the apple next to {a}", "move the bottle towards {a}", "bring water to {a}",
    "carry the book to {a}", "bring the ball to {a}", "put the toys near {a}", "take the letter to {a}", "hide {a}",
    "find {a}", "look at {a}", "show me {a}", "describe {a}", "draw {a}", "take a picture of {a}", "write about {a}",
    "sing about {a}", "count {a}", "buy {a}", "clean {a}", "cook {a}", "paint {a}", "call {a}", "{a} is nice",
    "I like {a}", "{a} is shining", "{a} moved", "{a} is broken", "we have {a}", "follow {a}", "circle {a}",
    "climb {a}", "scratch {a}", "kick {a}", "use {a} to push {b}",
    "point {a} at {b}", "touch {a} and {b}", "reach {a} and {b}", "go to {a} and {b}", "tap {a} and {b}",
    "push {a} and {b}",
    "move {a} and {b}", "stack {a} on {b}", "put {a} on {b}", "put {a} over {b}", "swap {a} and {b}",
    "replace {a} with {b}", "turn {a} to face {b}", "lift {a} up to {b}", "pick up {a} and {b}", "lift {a} onto {b}",
    "throw {a} at {b}", "hit {a} with {b}", "paint {a} like {b}", "compare {a} with {b}", "{a} is bigger than {b}",
    "I prefer {a} to {b}", "take a picture of {a} and {b}", "write about {a} and {b}", "count {a} and {b}",
    "describe {a} and {b}", "push {a}, {b} and {c} together", "touch {a}, {b} and {c}", "go to {a}, {b} and {c}",
    "push {a} and {b} to {c}", "push {a} to {b} and {c}", "bring {a} and {b} near {c}", "line up {a}, {b} and {c}",
    "sort {a}, {b} and {c}", "stack {a}, {b} and {c}", "move {a} from {b} to {c}", "join {a}, {b} and {c}",
)  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words with which a clause means something that no task can express, whatever it is near to. "t" ends "don't".
GUARDED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "forbids or excludes something": _words(
            "no not never t cannot neither nor none nothing nobody without avoid avoids avoiding stop stops cease quit"
            " refrain abstain except unless instead rather prevent prevents preventing forbid forbidden prohibit ignore"
            " forget leave anything anywhere hardly barely almost nearly pretend imagine clear off beware protect spare"
            " resist hinder block shield guard defend save shun dodge evade escape flee skip retreat retract withdraw"
            " undo dangerous danger careful watch wait halt pause freeze maintain"
        )
        | {f"{verb}nt" for verb in _words("do does did is are was were wo ca could should would must need has have")},
        "makes it a condition or a choice": _words(
            "if when whenever while before after once last or either whether whichever maybe perhaps some any"
        ),
        "tells of another time": _words("will was were been had did yesterday tomorrow later soon ago"),
        "asks for a place or a direction": _words(
            "left right above below under underneath beneath top behind front between around past through corner edge"
            " border center centre middle table board floor up down north south east west inside outside"
        ),
        "asks for an amount": _words(
            "half halfway twice times more less cm mm m centimeter centimeters centimetre centimetres millimeters"
            " millimetres meter meters metre metres inch inches degree degrees two three four five six seven eight"
            " nine ten all every each both everything"
        ),
    }
)
ASKING = _words("is are do does did has will shall should may might must what where which who whose why how")
TELLING = _words("it this that there he she we they you")
WISHES = _words("want would need wish like")  # after "I"
MODALS = _words("should must ought shall needs need has have")  # in what begins with an object or the arm
PREPOSITIONS = _words(
    "to toward towards from against near beside at by with until into in on onto next close apart away far"
)

# Likeness confuses "to" with "from": what separates has one of these words, what brings together has none.
DIVERGING = _words("from away apart far distance distant separate separated split")
APPROACHES = _words("to toward towards into against near beside by")  # before an object
JOINING = _words("unify reunite unite join merge combine connect link couple pair attach")  # one object with another

# Nouns that name nothing on a table: "give it a tap", "in the direction of". After an article, any other word may be an
# object that is not there.
ABSTRACT = _words(
    "tap touch push nudge poke bump shove pull little small gentle good quick bit tip end side direction vicinity"
    " distance gap contact way"
)
