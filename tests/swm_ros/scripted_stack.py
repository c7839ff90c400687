# SPDX-License-Identifier: Apache-2.0
"""`swm-sim` with the scripted planner in place of the world model; prints nothing of its own."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from swm_ros import launcher, stack

FOLDER = str(Path(__file__).parent)
os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (FOLDER, os.environ.get("PYTHONPATH", "")) if p)
described = stack.stack


def scripted(options):
    """The same nodes; only the planner's module differs."""
    return tuple(replace(p, module="scripted_planner") if p.name == "planner" else p for p in described(options))


launcher.stack = scripted
sys.exit(launcher.main())
