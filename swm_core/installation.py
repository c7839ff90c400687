# SPDX-License-Identifier: Apache-2.0
"""Where files lie that come with the package but are no code: weights, configuration, rviz settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from swm_core.errors import ConfigError

PACKAGE = "swm_ros"


def shared_file(relative: str) -> Path:
    """A file that the package installs under share: in the source tree, in the ROS installation, or under the prefix.

    Raises:
        ConfigError: it is in none of these places.
    """
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]  # of a ROS installation
    roots = [Path(__file__).resolve().parents[1], *(Path(p) / "share" / PACKAGE for p in (*prefixes, sys.prefix))]
    found = next((root / relative for root in roots if (root / relative).is_file()), None)
    if found is None:
        raise ConfigError(f"{relative} is in none of {', '.join(map(str, roots))}; is the package installed?")
    return found
