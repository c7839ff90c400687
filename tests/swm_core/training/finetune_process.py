# SPDX-License-Identifier: Apache-2.0
"""One process of a fine-tuning, to be started by `accelerate launch` in tests: CONFIG [STEP to be killed after].

Where the launcher asks for FSDP, this does what accelerate itself does on accelerators only: it shards. Everything that
follows is accelerate's and torch's own, on CPUs and gloo.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from accelerate.state import PartialState
from accelerate.utils import DistributedType, parse_flag_from_env
from torch.distributed.fsdp import FSDPModule

from swm_core.training.finetune import Finetuner
from swm_core.training.finetune_config import load_finetune_config

UNITS = {f"FSDP{name}" for name in ("GemmaDecoderLayer", "SiglipEncoderLayer", "PaliGemmaWorldModel")}


class Dying(Finetuner):
    """Is killed, as by a machine that fails, right after a step's state was written."""

    last = 0

    def keep(self, step: int, *arguments) -> float:
        best = super().keep(step, *arguments)
        self.accelerator.wait_for_everyone()
        if step == self.last and not self.accelerator.is_main_process:
            os.kill(os.getpid(), signal.SIGKILL)
        return best


def main(path: str, last: str = "0") -> None:
    sharded = parse_flag_from_env("ACCELERATE_USE_FSDP")
    if sharded:
        PartialState(cpu=True)
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    finetuner = Dying(load_finetune_config(Path(path)))
    finetuner.last = int(last)
    finetuner.run()
    units = {type(part).__name__ for part in finetuner.model.modules() if isinstance(part, FSDPModule)}
    if sharded and units != UNITS:
        sys.exit(f"sharded are {units}")


if __name__ == "__main__":
    main(*sys.argv[1:])
