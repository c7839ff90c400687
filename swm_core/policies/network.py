# SPDX-License-Identifier: Apache-2.0
"""The network of the diffusion policy: one vector of what was seen and asked, and a transformer that removes noise.

All that does not depend on the noise becomes one vector, once per plan. The denoiser, which runs at every step of the
schedule for every candidate, is then only a few blocks over one token per action, modulated by that vector (adaptive
layer norm, Peebles & Xie 2023). A temporal U-Net, the other usual choice, spends as many operations on its convolutions
as such a transformer, in more and smaller calls, and on 16 actions its pyramid has only two levels to work with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from swm_core.errors import ConfigError
from swm_core.models.compact import MENTIONS
from swm_core.models.transformer import plain_attention
from swm_core.policies.features import Seen

PREDICTIONS = ("epsilon", "sample", "v_prediction")
LARGEST = {"horizon": 1000, "frames": 100, "width": 4096, "layers": 64, "condition": 4096, "feature_width": 4096}


@dataclass(frozen=True)
class PolicyConfig:
    """Everything that a diffusion policy depends on but its weights. Defaults as in the paper's Table 15.

    Attributes:
        world: hash of the weights of the world model whose features it takes.
        feature_width: token width of that model.
        action_scale: per action dimension, the largest action.
        horizon: actions in a chunk.
        frames: how many frames it looks at.
        diffusion_steps: noise levels in training.
        inference_steps: steps from noise to actions.
        prediction: what the network predicts: "epsilon" (the noise), "sample" (the actions) or "v_prediction".
        width: token width of the denoiser.
        layers: its blocks.
        heads: its attention heads.
        condition: width of the vector of what was seen and asked.
        gripper: whether it is told how far the gripper is closed.
    """

    world: str
    feature_width: int
    action_scale: tuple[float, ...]
    horizon: int = 16
    frames: int = 2
    diffusion_steps: int = 100
    inference_steps: int = 10
    prediction: str = "epsilon"
    width: int = 128
    layers: int = 4
    heads: int = 4
    condition: int = 192
    gripper: bool = False

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: sizes below 1 or absurdly large, widths that do not divide, or an unknown prediction.
        """
        for name, largest in LARGEST.items():
            if not 1 <= getattr(self, name) <= largest:
                raise ConfigError(f"{name} is {getattr(self, name)}: allowed are 1 to {largest}")
        if self.heads < 1 or self.width % self.heads or self.condition % self.heads or self.condition % 2:
            raise ConfigError(f"width {self.width} and condition {self.condition} must divide by heads {self.heads}")
        if not 1 <= self.inference_steps <= self.diffusion_steps <= 10_000:
            raise ConfigError(f"{self.inference_steps} inference of {self.diffusion_steps} diffusion steps")
        if self.prediction not in PREDICTIONS:
            raise ConfigError(f"prediction {self.prediction!r} is none of {', '.join(PREDICTIONS)}")
        if not self.action_scale or min(self.action_scale) <= 0:
            raise ConfigError("action_scale needs one entry per action dimension, above 0")


@dataclass(frozen=True)
class PolicySizes:
    """Sizes and schedule that a training run may choose; see `PolicyConfig`."""

    horizon: int = PolicyConfig.horizon
    frames: int = PolicyConfig.frames
    diffusion_steps: int = PolicyConfig.diffusion_steps
    inference_steps: int = PolicyConfig.inference_steps
    prediction: str = PolicyConfig.prediction
    width: int = PolicyConfig.width
    layers: int = PolicyConfig.layers
    heads: int = PolicyConfig.heads
    condition: int = PolicyConfig.condition


def perceptron(inputs: int, width: int) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))


def geometry(seen: Seen) -> Tensor:
    """(B, K, F * M * 10) positions at present and before, and gaps between them: vectors, lengths and directions."""
    gaps = seen.positions - seen.positions.roll(1, -2)  # of each thing from the one before it, the first from the last
    moved = seen.positions - seen.positions[:, :, -1:]
    here = torch.cat([moved[:, :, :-1], seen.positions[:, :, -1:]], 2)
    known = seen.mentioned * seen.mentioned.roll(1, -1)
    lengths = (gaps.square().sum(-1, keepdim=True) + 1e-4).sqrt()
    between = torch.cat([gaps, lengths, gaps / lengths], -1) * known[:, :, None, :, None]
    return torch.cat([here * seen.mentioned[:, :, None, :, None], between], -1).flatten(2)


def surroundings(seen: Seen) -> Tensor:
    """(B, K, S, M * 4) gap to every object from the effector and what the question names: vector and length."""
    gaps = seen.things[:, None, :, None] - seen.positions[:, :, -1, None]  # (B, K, S, M, 3)
    lengths = (gaps.square().sum(-1, keepdim=True) + 1e-4).sqrt()
    return (torch.cat([gaps, lengths], -1) * seen.mentioned[:, :, None, :, None]).flatten(3)


class Condition(nn.Module):
    """What was seen and asked as one vector: per question what it names, then what is around it, then their mean.

    Args:
        config: sizes.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.gripper = config.gripper
        width, features = config.condition, config.feature_width
        self.where = perceptron(config.frames * (10 * MENTIONS + 1) + MENTIONS + 2 + config.gripper, width)
        self.words = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width))
        self.around = perceptron(4 * MENTIONS, width)
        self.crowd = nn.Linear(2 * width, width)
        self.out = nn.Sequential(nn.LayerNorm(width), perceptron(width, width))

    def forward(self, seen: Seen) -> Tensor:
        """(B, condition) of B observations."""
        ages = (seen.ages / 10.0)[:, None].expand(-1, seen.wanted.shape[1], -1)
        answers = [seen.wanted, seen.now] + self.gripper * [seen.closed.expand_as(seen.wanted)]
        known = torch.cat([geometry(seen), ages, seen.mentioned, torch.stack(answers, -1)], -1)
        around = (
            nn.functional.silu(self.around(surroundings(seen))) * seen.present[:, None, :, None]
        )  # (B, K, S, width)
        crowd = self.crowd(torch.cat([around.sum(2), around.amax(2)], -1))
        asked = nn.functional.silu(self.where(known) + self.words(seen.words) + crowd)
        asked = asked + self.out(asked)
        there = seen.wanted.abs().unsqueeze(-1)
        return (asked * there).sum(1) / there.sum(1)


class ModulatedBlock(nn.Module):
    """A transformer block whose two parts are shifted, scaled and gated by the condition; it starts as identity.

    Args:
        width: token width.
        heads: attention heads.
        condition: width of the condition.
    """

    def __init__(self, width: int, heads: int, condition: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.modulate = nn.Linear(condition, 6 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, H, width) tokens under a (B, condition)."""
        shift, scale, gate, shift2, scale2, gate2 = self.modulate(condition).unsqueeze(1).chunk(6, -1)
        qkv = self.qkv(self.norms[0](x) * (1 + scale) + shift).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attention = plain_attention if self.training else scaled_dot_product_attention
        x = x + gate * self.mix(attention(q, k, v, None).transpose(1, 2).flatten(2))
        return x + gate2 * self.mlp(self.norms[1](x) * (1 + scale2) + shift2)


class PolicyNetwork(nn.Module):
    """Predicts the noise in action chunks.

    Args:
        config: sizes.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        width, actions = config.width, len(config.action_scale)
        self.see = Condition(config)
        self.level = perceptron(config.condition, config.condition)
        self.action = nn.Linear(actions, width)
        self.place = nn.Parameter(torch.randn(config.horizon, width) * 0.02)
        self.blocks = nn.ModuleList(ModulatedBlock(width, config.heads, config.condition) for _ in range(config.layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, actions))
        self.action_scale: Tensor
        self.register_buffer("action_scale", torch.tensor(config.action_scale), persistent=False)
        half = config.condition // 2
        self.rates: Tensor
        self.register_buffer("rates", torch.exp(-math.log(1e4) * torch.arange(half) / half), persistent=False)

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """Predict, for chunks in units of the largest action.

        Args:
            noisy: (B, H, A).
            steps: (B,) noise levels, 0 the least.
            condition: (B, condition) of `see`.

        Returns:
            (B, H, A): what `PolicyConfig.prediction` says.
        """
        angles = steps[:, None] * self.rates
        condition = nn.functional.silu(condition + self.level(torch.cat([angles.sin(), angles.cos()], -1)))
        x = self.action(noisy) + self.place
        for block in self.blocks:
            x = block(x, condition)
        return self.out(x)
