# SPDX-License-Identifier: Apache-2.0
"""A diffusion policy (Chi et al. 2023) on the features of a frozen world model, with the schedules of diffusers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from swm_core.errors import ConfigError, ModelError
from swm_core.models.folders import Kind, load_weights
from swm_core.models.grounded import GroundedModel
from swm_core.policies.base import Observed
from swm_core.policies.features import Seen, observe
from swm_core.policies.network import PolicyConfig, PolicyNetwork
from swm_core.tasks.task import WeightedQuestion

FORMAT = "swm-policy/2"
SAVED = Kind("diffusion policy", FORMAT, PolicyConfig)


def _schedule(config: PolicyConfig) -> dict[str, Any]:
    return {
        "num_train_timesteps": config.diffusion_steps,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": config.prediction,
        "clip_sample": True,  # chunks are in units of the largest action
    }


def training_schedule(config: PolicyConfig) -> DDPMScheduler:
    """The noise of training (Ho et al. 2020; cosine levels)."""
    return DDPMScheduler(**_schedule(config))


def diffusion_loss(network: PolicyNetwork, seen: Seen, chunks: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Mean squared error of the network's prediction.

    Args:
        network: the policy's.
        seen: B observations.
        chunks: (B, H, A) the demonstrator's actions, in the environment's unit.
        noise: (B, H, A) standard normal.
        steps: (B,) int64 noise levels.
    """
    config = network.config
    schedule: Any = training_schedule(config)
    clean = chunks / network.action_scale
    wanted = {
        "epsilon": lambda: noise,
        "sample": lambda: clean,
        "v_prediction": lambda: schedule.get_velocity(clean, noise, steps),
    }[config.prediction]()
    predicted = network(schedule.add_noise(clean, noise, steps), steps, network.see(seen))
    return (predicted.float() - wanted).square().mean()


@torch.no_grad()
def sample_chunks(network: PolicyNetwork, seen: Seen, count: int, generator: torch.Generator) -> Tensor:
    """Draw chunks by DDIM without noise on the way: the start alone decides.

    Args:
        network: the policy's.
        seen: B observations.
        count: chunks for each.
        generator: of the starts.

    Returns:
        (B, count, H, A) in the environment's unit.
    """
    config = network.config
    schedule = DDIMScheduler(timestep_spacing="trailing", **_schedule(config))
    schedule.set_timesteps(config.inference_steps)
    condition = network.see(seen)
    batch = condition.shape[0]
    condition = condition.repeat_interleave(count, 0)
    shape = (batch * count, config.horizon, len(config.action_scale))
    chunks = torch.randn(shape, generator=generator).to(condition.device)
    for step in schedule.timesteps:
        predicted = network(chunks, step.to(condition.device).expand(len(chunks)), condition)
        chunks = schedule.step(predicted.float(), step, chunks).prev_sample
    return (chunks.clamp(-1, 1) * network.action_scale).unflatten(0, (batch, count))


class DiffusionPolicy:
    """A trained policy with the world model that sees for it.

    Args:
        network: the policy's.
        model: the world model; whether it is the one of the training is checked by `load`.
    """

    def __init__(self, network: PolicyNetwork, model: GroundedModel) -> None:
        self.network, self.model = network, model
        self.horizon, self.frames = network.config.horizon, network.config.frames

    @classmethod
    def load(cls, folder: Path, model: GroundedModel, world: str) -> DiffusionPolicy:
        """Read a saved policy.

        Args:
            folder: of `save_policy`.
            model: the world model that is in use.
            world: hash of its weights.

        Raises:
            ModelError: missing or damaged files, or a policy that was trained on the features of another world model.
        """
        config, _ = SAVED.read(folder)
        if config.world != world:
            raise ModelError(
                f"the policy in {folder} takes features of world model {config.world}, the one in use is {world}; "
                "use them together, or train a policy on this one (semworld train-policy)"
            )
        try:
            network = PolicyNetwork(config)
        except (ConfigError, RuntimeError) as error:
            raise ModelError(f"the policy in {folder} cannot be built: {error}") from error
        load_weights(folder, network)
        return cls(network, model)

    def propose(
        self,
        observations: Sequence[Observed],
        questions: Sequence[WeightedQuestion],
        count: int,
        generator: torch.Generator,
    ) -> Tensor:
        """Draw action chunks; see `BasePolicy.propose`."""
        seen = observe(self.model, observations, questions, self.frames)
        return sample_chunks(self.network, seen, count, generator)[0]


def save_policy(folder: Path, network: PolicyNetwork, notes: dict[str, Any] | None = None, half: bool = False) -> None:
    """Write a policy; the files appear whole or not at all.

    Args:
        folder: made if missing.
        network: its network.
        notes: JSON-ready facts kept beside the configuration.
        half: store weights as float16.
    """
    SAVED.write(folder, network.config, network.state_dict(), notes, half)
