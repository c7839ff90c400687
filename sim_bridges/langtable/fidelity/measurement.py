# SPDX-License-Identifier: Apache-2.0
"""One line of the comparison with the original, and the original's numbers on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, SupportsFloat


@dataclass(frozen=True)
class Measurement:
    """A measured number beside the original's.

    Attributes:
        check: number of the check, 1 to 9.
        quantity: what was measured, with its unit.
        ours: the number here.
        original: the number there; None where only limits are known.
        low: least number that passes.
        high: greatest number that passes.
    """

    check: int
    quantity: str
    ours: float
    original: float | None
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the number lies within the limits."""
        return self.low <= self.ours <= self.high


def near(check: int, quantity: str, ours: SupportsFloat, original: float, tolerance: float) -> Measurement:
    """A number that must equal the original's within a tolerance."""
    return Measurement(check, quantity, float(ours), float(original), original - tolerance, original + tolerance)


def between(check: int, quantity: str, ours: SupportsFloat, low: float, high: float) -> Measurement:
    """A number that must lie within limits."""
    return Measurement(check, quantity, float(ours), None, low, high)


@cache
def original() -> dict[str, Any]:
    """What was measured on the original: projection, layouts, pushes and step responses."""
    return json.loads(files(__package__).joinpath("original.json").read_text(encoding="utf-8"))
