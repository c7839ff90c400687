# SPDX-License-Identifier: Apache-2.0
"""Truth of the question types over scene states: pure array mathematics, no words and no environment.

Every function takes the scene before and the scene after some actions and returns `(answers, defined)`, both bool of
shape (..., I): `...` is the broadcast batch shape of the two scenes, I the instances in the order that the function's
docstring names (it equals `QuestionType.instances`). Static relations look at the scene after only. `defined` is False
where a position that matters is not finite (an object out of sight); the answer there is False and means nothing.
All distances and directions are horizontal (world xy), as objects stand on a table, but where `axes` says 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from swm_core.scene import SceneState
from swm_core.tasks.thresholds import StackingLimits

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Truth = tuple[Bools, Bools]


@dataclass(frozen=True)
class Bands:
    """Where something counts as "left of" and so on: a band along each direction.

    Attributes:
        directions: (D, 2) unit vectors, world xy.
        reach: (D,) length of each band, m.
        start: where a band begins, fraction of its reach.
        width: half width of a band, m.
    """

    directions: Floats
    reach: Floats
    start: float
    width: float


@dataclass(frozen=True)
class Cones:
    """Which displacements count as a motion to the left and so on: a cone about each direction.

    Attributes:
        directions: (D, 2) unit vectors, world xy.
        cosines: (D,) cosine of each cone's half angle.
        limit: least displacement, m.
    """

    directions: Floats
    cosines: Floats
    limit: float


@lru_cache(maxsize=64)
def pair_indices(count: int, ordered: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and second members of all pairs of `count` things, ordered as itertools permutations or combinations."""
    if ordered:
        first, second = np.nonzero(~np.eye(count, dtype=bool))
    else:
        first, second = np.triu_indices(count, 1)
    first.setflags(write=False)
    second.setflags(write=False)
    return first, second


def _objects(scene: SceneState, axes: int = 2) -> Floats:
    return scene.positions[..., :axes]  # (..., N, axes)


def _effector(scene: SceneState, axes: int = 2) -> Floats:
    return scene.effector[..., None, :axes]  # (..., 1, axes)


def _length(vectors: Floats) -> Floats:
    if vectors.shape[-1] == 2:
        return np.hypot(vectors[..., 0], vectors[..., 1])
    return np.linalg.norm(vectors, axis=-1)


def _truth(answers: Bools, measure: Floats, before: SceneState) -> Truth:
    """Answers with `defined` where the measured quantity is finite, over the batch shape of both scenes."""
    shape = np.broadcast_shapes(answers.shape, (*before.effector.shape[:-1], answers.shape[-1]))
    defined = np.isfinite(measure)
    return np.broadcast_to(answers & defined, shape), np.broadcast_to(defined, shape)


def _pair_vectors(scene: SceneState, ordered: bool, axes: int = 2) -> Floats:
    """(..., P, axes) from the second to the first object of each pair."""
    first, second = pair_indices(len(scene.names), ordered)
    at = _objects(scene, axes)
    return at[..., first, :] - at[..., second, :]


def objects_touching(before: SceneState, after: SceneState, *, limit: float) -> Truth:
    """Whether two objects' centres are nearer than `limit` (m). Instances: unordered pairs."""
    distance = _length(_pair_vectors(after, ordered=False))
    return _truth(distance < limit, distance, before)


def objects_contact(before: SceneState, after: SceneState) -> Truth:
    """Whether two objects physically touch. Instances: unordered pairs."""
    touches = after.contacts[(..., *pair_indices(len(after.names), ordered=False))]
    return _truth(touches, _length(_pair_vectors(after, ordered=False, axes=3)), before)


def is_on_top(
    scene: SceneState, upper: int | NDArray[np.intp], lower: int | NDArray[np.intp], limits: StackingLimits
) -> Bools:
    """(..., P) whether objects are on top of others, see `StackingLimits`; without the last axis for single indices."""
    above = scene.positions[..., upper, :] - scene.positions[..., lower, :]
    flat = np.abs(above[..., 2] - limits.height) < limits.tolerance
    return scene.contacts[..., upper, lower] & flat & (_length(above[..., :2]) < limits.offset)


def objects_on_top(before: SceneState, after: SceneState, *, limits: StackingLimits) -> Truth:
    """Whether the first object is on top of the second. Instances: ordered pairs."""
    upper, lower = pair_indices(len(after.names), ordered=True)
    return _truth(is_on_top(after, upper, lower, limits), _length(_pair_vectors(after, ordered=True, axes=3)), before)


def object_grasped(before: SceneState, after: SceneState, *, opposing: float) -> Truth:
    """Whether two fingers press on an object from opposite sides. Instances: objects.

    Args:
        before: unused but for its batch shape.
        after: the scene asked about; without two fingers the answer is undefined.
        opposing: largest angle between the push of one finger and the opposite of another's, rad.
    """
    first, second = pair_indices(after.fingers.shape[-3], ordered=False)
    along = (after.fingers[..., first, :, :] * after.fingers[..., second, :, :]).sum(-1)  # (..., pairs, N)
    held = (along < -np.cos(opposing)).any(-2)
    known = _length(_objects(after, 3)) if len(first) else np.full(held.shape, np.nan)
    return _truth(held, known, before)


def effector_contact(before: SceneState, after: SceneState) -> Truth:
    """Whether the effector physically touches an object. Instances: objects."""
    touches = after.contacts[..., -1, :-1]
    return _truth(touches, _length(_objects(after)), before)


def effector_near(before: SceneState, after: SceneState, *, limit: float) -> Truth:
    """Whether an object's centre is nearer to the effector than `limit` (m). Instances: objects."""
    distance = _length(_objects(after) - _effector(after))
    return _truth(distance < limit, distance, before)


def object_at_place(before: SceneState, after: SceneState, *, anchors: Floats, limits: Floats) -> Truth:
    """Whether an object is at a place: nearer to anchor k than `limits[k]`. Instances: objects x K places.

    Args:
        before: unused but for its batch shape.
        after: the scene asked about.
        anchors: (K, 2) world xy, m.
        limits: (K,) m.
    """
    distance = _length(_objects(after)[..., :, None, :] - anchors)  # (..., N, K)
    flat = distance.reshape(*distance.shape[:-2], -1)
    return _truth((distance < limits).reshape(flat.shape), flat, before)


def _in_bands(vectors: Floats, bands: Bands) -> tuple[Bools, Floats]:
    """Whether vectors (..., P, 2) end within `width` of each band's axis, the segment from `start * reach` to `reach`.

    Returns:
        (..., P * D) bool and the squared distance to the segment, (..., P * D) m^2.
    """
    along = vectors @ bands.directions.T  # (..., P, D)
    beyond = along - np.clip(along, bands.start * bands.reach, bands.reach)
    squared = (vectors**2).sum(-1)[..., None] - along**2 + beyond**2
    flat = squared.reshape(*squared.shape[:-2], -1)
    return flat < bands.width**2, flat


def object_direction(before: SceneState, after: SceneState, *, bands: Bands) -> Truth:
    """Whether the first object lies in a direction from the second. Instances: ordered pairs x D directions."""
    return _truth(*_in_bands(_pair_vectors(after, ordered=True), bands), before)


def effector_direction(before: SceneState, after: SceneState, *, bands: Bands) -> Truth:
    """Whether the effector lies in a direction from an object. Instances: objects x D directions."""
    return _truth(*_in_bands(_effector(after) - _objects(after), bands), before)


def _moved_towards(step: Floats, cones: Cones) -> tuple[Bools, Floats]:
    """Whether displacements (..., P, 2) are long enough and inside each direction's cone: (..., P * D)."""
    length = _length(step)[..., None]  # (..., P, 1)
    answers = (length >= cones.limit) & (step @ cones.directions.T >= cones.cosines * length)
    flat = answers.reshape(*answers.shape[:-2], -1)
    return flat, np.broadcast_to(length, answers.shape).reshape(flat.shape)


def object_moved_direction(before: SceneState, after: SceneState, *, cones: Cones) -> Truth:
    """Whether an object moved in a direction. Instances: objects x D directions."""
    return _truth(*_moved_towards(_objects(after) - _objects(before), cones), before)


def effector_moved_direction(before: SceneState, after: SceneState, *, cones: Cones) -> Truth:
    """Whether the effector moved in a direction. Instances: D directions."""
    return _truth(*_moved_towards(_effector(after) - _effector(before), cones), before)


def object_moved(before: SceneState, after: SceneState, *, limit: float) -> Truth:
    """Whether an object's displacement reaches `limit` (m). Instances: objects."""
    distance = _length(_objects(after) - _objects(before))
    return _truth(distance >= limit, distance, before)


def objects_closer(before: SceneState, after: SceneState, *, limit: float, axes: int = 2) -> Truth:
    """Whether two objects' distance fell by more than `limit` (m). Instances: unordered pairs."""
    gaps = [_length(_pair_vectors(scene, ordered=False, axes=axes)) for scene in (before, after)]
    return _truth(gaps[0] - gaps[1] > limit, gaps[0] - gaps[1], before)


def effector_closer(before: SceneState, after: SceneState, *, limit: float, axes: int = 2) -> Truth:
    """Whether the effector's distance to an object fell by more than `limit` (m). Instances: objects."""
    gaps = [_length(_objects(scene, axes) - _effector(scene, axes)) for scene in (before, after)]
    return _truth(gaps[0] - gaps[1] > limit, gaps[0] - gaps[1], before)
