# SPDX-License-Identifier: Apache-2.0
"""The processes of a fine-tuning: how accelerate is set up, and tensors that FSDP keeps as shards.

Each shard knows its whole, so parameters and moments are written whole, in safetensors, and read by any number of
processes, with or without FSDP. Torch's own sharded checkpoints hold a pickle, which this project does not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from swm_core.errors import ConfigError
from swm_core.training.finetune_config import FinetuneConfig

PATIENCE = timedelta(hours=2)  # the others wait while the first process writes tens of gigabytes


def start(config: FinetuneConfig) -> Accelerator:
    """Join the processes of a run, as `accelerate launch` started them.

    Raises:
        ConfigError: a batch that cannot be split over them, or a configuration of FSDP that does not fit.
    """
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision="bf16" if config.precision == "bf16" else "no",
        kwargs_handlers=[
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),  # else DDP holds each gradient twice
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )
    accelerator.gradient_accumulation_steps = config.accumulation(accelerator.num_processes)
    if accelerator.distributed_type == DistributedType.FSDP:
        _configure_sharding(accelerator)
    return accelerator


def _configure_sharding(accelerator: Accelerator) -> None:
    plugin = accelerator.state.fsdp_plugin
    if plugin.fsdp_version != 2 or plugin.cpu_ram_efficient_loading:
        raise ConfigError(
            f"fsdp_version is {plugin.fsdp_version}, fsdp_cpu_ram_efficient_loading {plugin.cpu_ram_efficient_loading};"
            " they must be 2 and false, as in configs/accelerate/fsdp.yaml"
        )
    if plugin.activation_checkpointing:
        raise ConfigError("fsdp_activation_checkpointing must be false; the run's own gradient_checkpointing does that")
    # without this, the gradients of the batches before a step's last are kept whole on every device
    accelerator.gradient_state.plugin_kwargs.update({"sync_each_batch": True})
    if plugin.mixed_precision_policy is not None:  # gradients are summed as DDP sums them
        plugin.mixed_precision_policy = replace(plugin.mixed_precision_policy, reduce_dtype=torch.float32)


def whole(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Tensors put together from their shards, on the CPU; all processes must call it, with the same names in order.

    Args:
        tensors: shards, or whole tensors.
        keep: whether this process wants them.

    Returns:
        The whole tensors by name, or nothing.
    """
    found = {}
    for name, value in tensors.items():
        full = value.full_tensor() if isinstance(value, DTensor) else value  # one at a time: the others stay shards
        if keep:
            found[name] = full.detach().cpu().contiguous()
    return found


def part(value: Tensor, like: Tensor) -> Tensor:
    """This process's share of a tensor that all processes have, on the device and spread as another one is."""
    if isinstance(like, DTensor):
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
    return value.to(like.device)
