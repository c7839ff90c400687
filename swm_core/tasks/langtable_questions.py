# SPDX-License-Identifier: Apache-2.0
"""The question types of Language-Table (paper Table 14), and peg contact, which the tasks of Table 5 ask for."""

from __future__ import annotations

from functools import partial

import numpy as np

from swm_core.tasks import phrasings as say
from swm_core.tasks import relations as rel
from swm_core.tasks.places import CENTER, TablePlaces, is_diagonal
from swm_core.tasks.questions import LocateType, QuestionType, make_type
from swm_core.tasks.thresholds import Thresholds

EFFECTOR_WORDS = ("robotic peg", "peg")  # Tables 5 and 14 use both


DEFAULT_THRESHOLDS = Thresholds()
DEFAULT_PLACES = TablePlaces()


def _bands(places: TablePlaces, limits: Thresholds) -> rel.Bands:
    directions = places.directions
    reach = [limits.diagonal_reach if is_diagonal(name) else limits.axis_reach for name in directions]
    return rel.Bands(
        np.array(list(directions.values())), np.array(reach), limits.direction_start, limits.direction_width
    )


def _cones(places: TablePlaces, limits: Thresholds) -> rel.Cones:
    directions = places.directions
    angles = [limits.diagonal_cone if is_diagonal(name) else limits.axis_cone for name in directions]
    return rel.Cones(np.array(list(directions.values())), np.cos(angles), limits.moved)


def langtable_questions(
    limits: Thresholds = DEFAULT_THRESHOLDS,
    places: TablePlaces = DEFAULT_PLACES,
    effector_words: tuple[str, ...] = EFFECTOR_WORDS,
) -> tuple[QuestionType, ...]:
    """All question types for a table with a tool that pushes.

    The ten of Table 14 in its order, then `peg_touching_block`. Peg to block is nearness; the peg touching a block is
    physical contact, as success at reaching is.

    Args:
        limits: where no turns into yes.
        places: directions and anchors of the table.
        effector_words: what the effector is called; the first is used in tasks.
    """
    make = partial(make_type, effector_words=effector_words)
    bands, cones = _bands(places, limits), _cones(places, limits)
    touching = partial(rel.objects_touching, limit=limits.touching)
    near = partial(rel.effector_near, limit=limits.near)
    at_place = partial(
        rel.object_at_place,
        anchors=np.array(list(places.anchors.values())),
        limits=np.array([limits.board_center if name == CENTER else limits.board for name in places.anchors]),
    )
    effector_direction = partial(rel.effector_direction, bands=bands)
    object_direction = partial(rel.object_direction, bands=bands)
    object_moved_direction = partial(rel.object_moved_direction, cones=cones)
    moved = partial(rel.object_moved, limit=limits.moved)
    effector_moved_direction = partial(rel.effector_moved_direction, cones=cones)
    closer = partial(rel.objects_closer, limit=limits.closer)
    effector_closer = partial(rel.effector_closer, limit=limits.closer)

    relative = {name: say.RELATIVE_WORDS[name] for name in places.directions}
    motion = {name: say.MOTION_WORDS[name] for name in places.directions}
    anchors = {name: say.PLACE_WORDS[name] for name in places.anchors}
    aimed, pair = ("a", "direction"), ("a", "b")
    return (
        make("block_touching", pair, touching, say.BLOCK_TOUCHING, symmetric=True),
        make("peg_to_block", ("a",), near, say.EFFECTOR_NEAR),
        make("block_board_position", ("a", "place"), at_place, say.BOARD_POSITION, options=anchors),
        make("peg_block_direction", aimed, effector_direction, say.EFFECTOR_DIRECTION, options=relative),
        make("block_block_direction", (*pair, "direction"), object_direction, say.BLOCK_DIRECTION, options=relative),
        make("block_move_direction", aimed, object_moved_direction, say.BLOCK_MOVE_DIRECTION, options=motion),
        make("block_move", ("a",), moved, say.BLOCK_MOVE),
        make(
            "peg_move_direction", ("direction",), effector_moved_direction, say.EFFECTOR_MOVE_DIRECTION, options=motion
        ),
        make("block_block_closer", pair, closer, say.BLOCKS_CLOSER, symmetric=True),
        make("peg_block_closer", ("a",), effector_closer, say.EFFECTOR_CLOSER),
        make("peg_touching_block", ("a",), rel.effector_contact, say.EFFECTOR_TOUCHING),
    )


LANGTABLE_QUESTIONS: tuple[QuestionType, ...] = langtable_questions()
LANGTABLE_LOCATE = LocateType(say.LOCATE.trained, say.LOCATE.held_out, EFFECTOR_WORDS)
