# SPDX-License-Identifier: Apache-2.0
"""The words of the questions.

Block touching is the paper's list (A.3.2); template 0 of the types in its Table 5 is that table's text; the rest is
ours. Slots: {a} and {b} objects, {effector} the effector's word, {place} and {direction} one of the synonyms below. A
template that starts with NOT asks for the opposite, so that its answer is turned round. The words of held-out templates
occur in trained ones: they test another order and construction, not an unknown word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NOT = "NOT "


@dataclass(frozen=True)
class Wordings:
    """Templates of one question type.

    Attributes:
        trained: used in training.
        held_out: two more, used in evaluation only (paper Table 8).
    """

    trained: tuple[str, ...]
    held_out: tuple[str, str]


BLOCK_TOUCHING = Wordings(
    (
        "Is the {a} touching the {b}?",
        "Are the {a} and {b} blocks in contact with each other?",
        "Is there contact between the {a} block and the {b} block?",
        "Does the {a} touch the {b}?",
        "Is the {a} block in physical contact with the {b} block?",
        "Are the {a} and {b} blocks touching each other?",
        "Is the {a} and {b} directly touching?",
        "Do the {a} and {b} blocks meet?",
    ),
    ("Are the {a} and the {b} touching?", "Does the {a} make contact with the {b}?"),
)

EFFECTOR_TOUCHING = Wordings(
    (
        "Is the {effector} touching the {a}?",
        "Is the {effector} in contact with the {a}?",
        "Does the {effector} touch the {a}?",
        "Is there contact between the {effector} and the {a}?",
        "Is the {a} touching the {effector}?",
        "Is the {effector} in physical contact with the {a} block?",
        "Are the {effector} and the {a} touching each other?",
        "Does the {effector} make contact with the {a}?",
        "Will the {effector} touch the {a}?",
        "Are the {a} and the {effector} in contact with each other?",
        "Is there contact between the {a} block and the {effector}?",
    ),
    ("Is the {a} in contact with the {effector}?", "Do the {effector} and the {a} block meet?"),
)

EFFECTOR_NEAR = Wordings(
    (
        "Is the {a} next to the {effector}?",
        "Is the {effector} next to the {a}?",
        "Is the {effector} near the {a}?",
        "Is the {a} near the {effector}?",
        "Is the {a} close to the {effector}?",
        "Is the {effector} adjacent to the {a}?",
        "Will the {effector} be next to the {a}?",
        "Is the {a} block close to the {effector}?",
        "Are the {a} and the {effector} near each other?",
        "Do the {effector} and the {a} stand next to each other?",
    ),
    ("Is the {effector} close to the {a} block?", "Are the {effector} and the {a} next to each other?"),
)

BOARD_POSITION = Wordings(
    (
        "Is the {a} in the {place} of the board?",
        "Is the {a} at the {place} of the board?",
        "Is the {a} block in the {place} of the board?",
        "Is the {a} located in the {place} of the table?",
        "Does the {a} sit at the {place} of the board?",
        "Will the {a} be in the {place} of the board?",
        "Does the {a} block lie at the {place} of the table?",
        "Is the {place} of the board where the {a} is?",
    ),
    ("Can the {a} be found in the {place} of the board?", "Is the {a} block at the {place} of the table?"),
)

BLOCK_DIRECTION = Wordings(
    (
        "Is the {a} {direction} the {b}?",
        "Is the {a} block {direction} the {b} block?",
        "Is the {a} located {direction} the {b}?",
        "Is the {a} positioned {direction} the {b}?",
        "Is the {a} block placed {direction} the {b} block?",
        "Does the {a} sit {direction} the {b}?",
        "Does the {a} lie {direction} the {b} block?",
        "Will the {a} be {direction} the {b}?",
        "Does the {a} stay {direction} the {b}?",
        "Will the {a} block end up {direction} the {b} block?",
    ),
    ("Can the {a} be found {direction} the {b}?", "Does the {a} block sit {direction} the {b} block?"),
)

EFFECTOR_DIRECTION = Wordings(
    (
        "Is the {effector} {direction} the {a} block?",
        "Is the {effector} {direction} the {a}?",
        "Is the {effector} located {direction} the {a}?",
        "Is the {effector} positioned {direction} the {a}?",
        "Is the {effector} placed {direction} the {a} block?",
        "Does the {effector} stay {direction} the {a}?",
        "Will the {effector} be {direction} the {a}?",
        "Does the {effector} lie {direction} the {a} block?",
        "Will the {effector} end up {direction} the {a}?",
    ),
    ("Can the {effector} be found {direction} the {a}?", "Is the {effector} located {direction} the {a} block?"),
)

BLOCK_MOVE_DIRECTION = Wordings(
    (
        "Did the {a} move {direction}?",
        "Did the {a} block move {direction}?",
        "Has the {a} moved {direction}?",
        "Was the {a} pushed {direction}?",
        "Did the {a} go {direction}?",
        "Will the {a} move {direction}?",
        "Did the {a} travel {direction}?",
        "Did the {a} block get pushed {direction}?",
        "Has the {a} block gone {direction}?",
    ),
    ("Was the {a} block moved {direction}?", "Has the {a} been pushed {direction}?"),
)

BLOCK_MOVE = Wordings(
    (
        "Did the {a} block move?",
        "Did the {a} move?",
        "Has the {a} moved?",
        "Has the {a} been moved?",
        "Was the {a} pushed?",
        "Is the {a} in a different place?",
        "Will the {a} move?",
        "Did the place of the {a} change?",
        NOT + "Is the {a} still in the same place?",
        NOT + "Did the {a} remain stationary?",
        NOT + "Did the {a} block stay in the same place?",
    ),
    ("Was the {a} block moved?", NOT + "Did the {a} remain in the same place?"),
)

EFFECTOR_MOVE_DIRECTION = Wordings(
    (
        "Did the {effector} move {direction}?",
        "Has the {effector} moved {direction}?",
        "Did the {effector} go {direction}?",
        "Did the {effector} travel {direction}?",
        "Will the {effector} move {direction}?",
        "Has the {effector} gone {direction}?",
        "Did the {effector} get moved {direction}?",
    ),
    ("Was the {effector} moved {direction}?", "Has the {effector} been moved {direction}?"),
)

BLOCKS_CLOSER = Wordings(
    (
        "Are the {a} and the {b} closer together?",
        "Are the {a} and {b} closer together?",
        "Is the {a} closer to the {b}?",
        "Did the {a} get closer to the {b}?",
        "Did the distance between the {a} and the {b} decrease?",
        "Will the {a} and the {b} get closer together?",
        "Have the {a} and the {b} come closer to each other?",
        "Is the distance between the {a} and the {b} smaller?",
        "Did the {a} block move closer to the {b} block?",
    ),
    ("Are the {a} and the {b} closer to each other?", "Did the {a} and the {b} get closer together?"),
)

EFFECTOR_CLOSER = Wordings(
    (
        "Is the {effector} closer to the {a}?",
        "Is the {a} closer to the {effector}?",
        "Did the {effector} get closer to the {a}?",
        "Did the {effector} move closer to the {a}?",
        "Will the {effector} get closer to the {a}?",
        "Have the {effector} and the {a} come closer to each other?",
        "Is the distance between the {a} and the {effector} smaller?",
        "Did the {a} and the {effector} get closer together?",
    ),
    (
        "Are the {effector} and the {a} closer together?",
        "Did the distance between the {effector} and the {a} decrease?",
    ),
)

GRASPED = Wordings(
    (
        "Is the robot grasping the {a}?",
        "Is the {a} grasped by the robot?",
        "Is the {effector} grasping the {a}?",
        "Is the {a} held by the {effector}?",
        "Is the {effector} holding the {a}?",
        "Does the robot hold the {a}?",
        "Will the robot be grasping the {a}?",
        "Is the {a} between the fingers of the {effector}?",
        "Does the {effector} have the {a} in its grasp?",
    ),
    ("Is the robot holding the {a}?", "Will the {a} be held by the {effector}?"),
)

ON_TOP = Wordings(
    (
        "Is the {a} on top of the {b}?",
        "Is the {a} stacked on the {b}?",
        "Does the {a} rest on the {b}?",
        "Is the {b} under the {a}?",
        "Will the {a} be on top of the {b}?",
        "Does the {a} lie on top of the {b}?",
        "Is the {b} directly below the {a}?",
        "Does the {b} carry the {a}?",
    ),
    ("Does the {a} rest on top of the {b}?", "Will the {a} be stacked on the {b}?"),
)

LOCATE = Wordings(
    (
        "Where is the {a}?",
        "Where is the {a} located?",
        "Where can the {a} be found?",
        "What is the position of the {a}?",
        "At what place is the {a}?",
        "Where will the {a} be?",
    ),
    ("Where is the {a} positioned?", "At what position can the {a} be found?"),
)

PLACE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "center": ("center", "middle", "centre", "central part"),
        "top": ("top side", "upper side", "top edge", "top center"),
        "bottom": ("bottom side", "lower side", "bottom edge", "bottom center"),
        "left": ("left side", "left edge", "left center", "middle left"),
        "right": ("right side", "right edge", "right center", "middle right"),
        "top left": ("top left corner", "upper left corner", "top left", "upper left part"),
        "top right": ("top right corner", "upper right corner", "top right", "upper right part"),
        "bottom left": ("bottom left corner", "lower left corner", "bottom left", "lower left part"),
        "bottom right": ("bottom right corner", "lower right corner", "bottom right", "lower right part"),
    }
)

RELATIVE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "up": ("above", "up from", "higher than", "further up than"),
        "down": ("below", "down from", "lower than", "further down than"),
        "left": ("to the left of", "left of", "on the left side of", "further left than"),
        "right": ("to the right of", "right of", "on the right side of", "further right than"),
        "up left": ("to the upper left of", "to the top left of", "above and to the left of", "up and left of"),
        "up right": ("to the upper right of", "to the top right of", "above and to the right of", "up and right of"),
        "down left": ("to the lower left of", "to the bottom left of", "below and to the left of", "down and left of"),
        "down right": (
            "to the lower right of",
            "to the bottom right of",
            "below and to the right of",
            "down and right of",
        ),
    }
)

MOTION_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "up": ("up", "upward", "upwards", "toward the top"),
        "down": ("down", "downward", "downwards", "toward the bottom"),
        "left": ("left", "to the left", "leftward", "toward the left side"),
        "right": ("right", "to the right", "rightward", "toward the right side"),
        "up left": ("up and left", "up and to the left", "diagonally up and left", "toward the top left"),
        "up right": ("up and right", "up and to the right", "diagonally up and right", "toward the top right"),
        "down left": ("down and left", "down and to the left", "diagonally down and left", "toward the bottom left"),
        "down right": (
            "down and right",
            "down and to the right",
            "diagonally down and right",
            "toward the bottom right",
        ),
    }
)
