# SPDX-License-Identifier: Apache-2.0
"""Samples joined to batches of torch tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from swm_core.data.saqa import Sample

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
    "effector",
)


def collate_samples(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack samples along a new first axis.

    Args:
        samples: B samples of one data set.

    Returns:
        the fields of `Sample` under their names, each (B, ...) with its type there, and "available" (B,) int64.
    """
    batch = {name: torch.from_numpy(np.stack([getattr(s, name) for s in samples])) for name in TENSORS}
    return batch | {"available": torch.tensor([s.available for s in samples])}
