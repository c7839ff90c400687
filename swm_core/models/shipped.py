# SPDX-License-Identifier: Apache-2.0
"""Where the models that come with the package lie: beside the source, or where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

from swm_core.errors import ModelError


def shipped_model(environment: str) -> Path:
    """Folder of the model shipped for an environment.

    Raises:
        ModelError: none is shipped.
    """
    root = Path(__file__).resolve().parents[2]
    places = [root / "models", *(Path(p).parents[0] / "share/swm_ros/models" for p in _prefixes(root))]
    for place in places:
        if (place / environment / "config.json").exists():
            return place / environment
    raise ModelError(
        f"no model for {environment!r} in {', '.join(str(p) for p in places)}; train one or give its folder"
    )


def _prefixes(root: Path) -> list[Path]:
    """Something inside each place that share/swm_ros may be under: the Python prefix, a colcon install folder."""
    colcon = [parent / "lib" for parent in root.parents if (parent / "share/swm_ros").is_dir()]
    return [Path(sys.prefix) / "bin", *colcon]
