# SPDX-License-Identifier: Apache-2.0
"""Learning rates over a run."""

from __future__ import annotations

import math


def warm_cosine(step: int, rate: float, warmup: int, steps: int) -> float:
    """Linear warm-up to the largest rate, then half a cosine to a hundredth of it.

    Args:
        step: steps done.
        rate: the largest.
        warmup: steps until it is reached.
        steps: of the whole run.
    """
    if step < warmup:
        return rate * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
