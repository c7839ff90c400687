# SPDX-License-Identifier: Apache-2.0
"""What the frozen world model tells a policy about frames and a goal: small enough to be kept for a whole data set.

The model's words are grounded, so the geometry of a goal is there already: where the effector and the named objects
are. With it go the map's values at those places (what stands there, how it is turned), the question's own tokens (what
is asked of them) and a coarse grid of image tokens (what stands in the way).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from swm_core.camera import Camera
from swm_core.models.compact import CompactWorldModel, ImageContext
from swm_core.models.grounded import GroundedModel
from swm_core.models.vision import TOKEN_STRIDE, grid_shape
from swm_core.policies.base import Observed
from swm_core.tasks.task import WeightedQuestion

IMAGE_GRID = (3, 5)  # rows and columns that the image tokens are averaged to


@dataclass(frozen=True)
class Seen:
    """B observations of K questions and F frames, the present frame last; positions in 0.1 m about the origin.

    Attributes:
        positions: (B, K, F, M, 3) of the effector and of what each question names, M = 3.
        ages: (B, F) actions executed since each frame.
        mentioned: (B, K, M) 1 where the question names something, else 0.
        found: (B, K, M, width) the present map's values at those places.
        words: (B, K, width) mean of the question's tokens about the present frame.
        wanted: (B, K) 1 for a wanted yes, -1 for a wanted no, 0 for no question (padding).
        image: (B, P, width) image tokens of the present frame.
    """

    positions: Tensor
    ages: Tensor
    mentioned: Tensor
    found: Tensor
    words: Tensor
    wanted: Tensor
    image: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __getitem__(self, index: slice | Tensor) -> Seen:
        """Some of the observations."""
        return Seen(**{name: value[index] for name, value in self.tensors().items()})

    def single(self) -> Seen:
        """The same in float32."""
        return Seen(**{name: value.float() for name, value in self.tensors().items()})


def wanted_answers(questions: Sequence[WeightedQuestion]) -> Tensor:
    """(K,) 1 for a wanted yes, -1 for a wanted no."""
    return torch.tensor([1.0 if question.desired else -1.0 for question in questions])


def coarse_image(tokens: Tensor, camera: Camera) -> Tensor:
    """(B, heads, P, w) values of image tokens to (B, P', heads * w), averaged over `IMAGE_GRID`."""
    rows, columns = grid_shape(camera, TOKEN_STRIDE)
    maps = tokens.transpose(2, 3).flatten(1, 2).unflatten(-1, (rows, columns)).float()
    return adaptive_avg_pool2d(maps, IMAGE_GRID).flatten(2).transpose(1, 2)


def look(network: CompactWorldModel, frames: ImageContext, ids: Tensor, mentions: Tensor, wanted: Tensor) -> Seen:
    """Features of B frames, each by itself.

    Args:
        network: the world model, frozen.
        frames: of `encode_image`.
        ids: (B, K, L) word numbers; see `CompactWorldModel.prefix`.
        mentions: (B, K, 2).
        wanted: (K,) of `wanted_answers`.

    Returns:
        Observations of one frame, F = 1.
    """
    batch, asked = ids.shape[:2]
    with torch.no_grad():
        prefix = network.prefix(frames, ids, mentions)
        share = prefix.cells.softmax(-1).unflatten(0, (batch, asked))
        found = torch.einsum("bkmc,bcw->bkmw", share, frames.cells.values.float())
        before = frames.past.values[-1].shape[2]
        tokens = prefix.past.values[-1][:, :, before:].transpose(1, 2).flatten(2)  # (B * K, L + 1, width)
        read = torch.nn.functional.pad(ids.flatten(0, 1) > 0, (1, 0), value=True).unsqueeze(-1)
        words = (tokens * read).sum(1) / read.sum(1)
    return Seen(
        positions=prefix.now.unflatten(0, (batch, asked)).unsqueeze(2),
        ages=torch.zeros(batch, 1),
        mentioned=prefix.mentioned.unflatten(0, (batch, asked)).float(),
        found=found * prefix.mentioned.unflatten(0, (batch, asked)).unsqueeze(-1),
        words=words.unflatten(0, (batch, asked)).float(),
        wanted=wanted.expand(batch, -1),
        image=coarse_image(frames.past.values[-1], network.config.camera),
    )


def places(network: CompactWorldModel, frames: ImageContext, ids: Tensor, mentions: Tensor) -> Tensor:
    """(B, K, M, 3) positions alone, for which no question need be read to its end; arguments as those of `look`."""
    with torch.no_grad():
        now = network.ground(frames.cells, *network.with_effector(ids, mentions))[1]
    return now.unflatten(0, ids.shape[:2])


def observe(
    model: GroundedModel, observations: Sequence[Observed], questions: Sequence[WeightedQuestion], frames: int
) -> Seen:
    """Features of one moment.

    Args:
        model: the world model.
        observations: the last frames, the present one last; further ones are left out, missing ones are taken to be
            like the oldest.
        questions: of the subgoal.
        frames: F.
    """
    ids, mentions = model.encode([question.text for question in questions])
    *earlier, present = observations[-frames:]
    seen = look(model.network, present.frame, ids, mentions, wanted_answers(questions))
    past = [places(model.network, observed.frame, ids, mentions) for observed in earlier]
    ages = [float(observed.age) for observed in earlier]
    positions = torch.stack([*past, seen.positions[:, :, 0]], 2)
    return with_missing(replace(seen, positions=positions, ages=torch.tensor([[*ages, 0.0]])), frames)


def with_missing(seen: Seen, frames: int) -> Seen:
    """The same with F frames: the oldest stands for those before the start."""
    missing = frames - seen.positions.shape[2]
    first, age = seen.positions[:, :, :1], seen.ages[:, :1]
    positions = torch.cat([first.expand(-1, -1, missing, -1, -1), seen.positions], 2)
    return replace(seen, positions=positions, ages=torch.cat([age.expand(-1, missing), seen.ages], 1))
