# SPDX-License-Identifier: Apache-2.0
"""World models from their folders, whatever their backbone."""

from __future__ import annotations

from pathlib import Path

from swm_core.models.grounded import GroundedModel
from swm_core.models.interface import WorldModel
from swm_core.models.paligemma_settings import is_paligemma


def load_world_model(folder: Path) -> WorldModel:
    """Read a saved world model, frozen, ready to answer.

    Raises:
        ModelError: missing, damaged or inconsistent files.
    """
    if is_paligemma(folder):
        from swm_core.models.paligemma_files import load_paligemma  # its import takes seconds

        return load_paligemma(folder)
    return GroundedModel.load(folder)
