# SPDX-License-Identifier: Apache-2.0
"""A run's numbers as TensorBoard event files, written as they come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter


class EventFile:
    """One event file in the folder of a run.

    Args:
        folder: of the run.
        step: steps done when it begins; what earlier event files hold of later ones counts no more.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, group: str, row: Mapping[str, float]) -> None:
        """Write a row of scalars, tagged `<group>/<name>`, through to the disk.

        Args:
            group: "training" or "validation".
            row: numbers by name; "step" says when.
        """
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(f"{group}/{name}", value, int(row["step"]))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
