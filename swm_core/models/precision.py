# SPDX-License-Identifier: Apache-2.0
"""Which precision is fast on this processor."""

from __future__ import annotations

import time

import torch


def bfloat16_pays(size: int = 512, least: float = 1.5) -> bool:
    """Whether this processor multiplies bfloat16 matrices at least `least` times faster than float32 ones.

    Args:
        size: rows and columns of the matrices that are timed.
        least: the gain that counts.
    """
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
        runs = []
        for _ in range(6):
            start = time.perf_counter()
            a @ a
            runs.append(time.perf_counter() - start)
        seconds.append(min(runs))
    return seconds[0] > least * seconds[1]
