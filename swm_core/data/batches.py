# SPDX-License-Identifier: Apache-2.0
"""Question-answer samples, and how they are joined to batches of torch tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TENSORS = (
    "image",
    "actions",
    "horizons",
    "ids",
    "answers",
    "types",
    "weights",
    "mentions",
    "mentioned",
    "targets",
    "scene_pixels",
    "scene_positions",
    "thing_pixels",
    "thing_words",
    "effector",
    "gripper",
)


@dataclass(frozen=True)
class Sample:
    """One state with K questions; lengths are m, world frame, unless noted.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        actions: (20, A) float32, zero after the episode's end.
        available: number of actions given.
        horizons: (4,) int64, increasing.
        ids: (K, L) int64 word numbers, 0 for padding.
        answers: (K, 4) int8: 0 no, 1 yes, -1 none.
        types: (K,) int64, places in the catalogue's `type_names`.
        weights: (K, 4) float32 loss weights; 0 where there is no answer.
        mentions: (K, 2) int64 word positions of the things named, -1 for none.
        mentioned: (K, 2) int64 objects named, N for the effector, -1 for none.
        targets: (K, 2, 21, 3) float32 positions of the named things at horizons 0..20, NaN where unknown.
        pixels: (K, 2, 2) float32 (u, v) of the named things at present, px, NaN for none.
        scene_pixels: (S + 1, 2) float32 (u, v) at present of the catalogue's S names, then of the effector, px; NaN
            for what is not there, infinite for names that the data never show.
        scene_positions: (S + 1, 3) float32 positions of the same, NaN for what is not there.
        thing_pixels: (S + 1, 2) float32 (u, v) at present of all that is seen, the effector last, px, then NaN.
        thing_words: (S + 1, 2) int64 numbers of their names' last two words; 0 for a colour without a word.
        effector: (21, 3) float32 positions of the effector at horizons 0..20, NaN beyond the episode.
        gripper: () float32 how far the gripper is closed at present, 0 to 1.
        texts: the K questions.
        names: the N objects' names.
        source: episode number and t.
    """

    image: np.ndarray
    actions: np.ndarray
    available: int
    horizons: np.ndarray
    ids: np.ndarray
    answers: np.ndarray
    types: np.ndarray
    weights: np.ndarray
    mentions: np.ndarray
    mentioned: np.ndarray
    targets: np.ndarray
    pixels: np.ndarray
    scene_pixels: np.ndarray
    scene_positions: np.ndarray
    thing_pixels: np.ndarray
    thing_words: np.ndarray
    effector: np.ndarray
    gripper: np.ndarray
    texts: tuple[str, ...]
    names: tuple[str, ...]
    source: tuple[int, int]


def collate_samples(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack samples along a new first axis.

    Args:
        samples: B samples of one data set.

    Returns:
        the fields of `Sample` under their names, each (B, ...) with its type there, and "available" (B,) int64.
    """
    batch = {name: torch.from_numpy(np.stack([getattr(s, name) for s in samples])) for name in TENSORS}
    return batch | {"available": torch.tensor([s.available for s in samples])}
