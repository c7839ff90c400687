# SPDX-License-Identifier: Apache-2.0
"""What a result file says about how it came to be: code, command, machine, time."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from swm_core.data.collecting import code_version


def _processor() -> str:
    """The processor's name, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def provenance() -> dict[str, Any]:
    """Commit, command line (program by its base name), machine and time, JSON-ready."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {
        "commit": code_version(),
        "command": command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
