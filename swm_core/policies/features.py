# SPDX-License-Identifier: Apache-2.0
"""What the frozen world model tells a policy about frames and a goal: small enough to be kept for a whole data set.

The model's words are grounded, so the geometry of a goal is there already: where the effector and the named objects
are. With it go what is asked, as the mean of the question's words, the model's own answer about the present (which
tells whether a gripper holds what the question names), and where everything else is that could be named (what stands in
the way), and how far the gripper is closed. Looks are left out: with a few hundred demonstrations they are soon known
by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from swm_core.models.compact import CompactWorldModel, ImageContext
from swm_core.models.grounded import GroundedModel
from swm_core.models.grounding import LENGTH_UNIT
from swm_core.policies.base import Observed
from swm_core.tasks.task import WeightedQuestion


@dataclass(frozen=True)
class Seen:
    """B observations of K questions and F frames, the present frame last; positions in 0.1 m about the origin.

    Attributes:
        positions: (B, K, F, M, 3) of the effector and of what each question names, M = 3.
        ages: (B, F) actions executed since each frame.
        mentioned: (B, K, M) 1 where the question names something, else 0.
        words: (B, K, width) mean of the question's words.
        wanted: (B, K) 1 for a wanted yes, -1 for a wanted no, 0 for no question (padding).
        now: (B, K) probability of yes about the present frame.
        things: (B, S, 3) where each of the S nameable objects is at present.
        present: (B, S) 1 where it is there at all, else 0.
        closed: (B, 1) how far the gripper is closed at present, 0 to 1; 0 where there is none.
    """

    positions: Tensor
    ages: Tensor
    mentioned: Tensor
    words: Tensor
    wanted: Tensor
    now: Tensor
    things: Tensor
    present: Tensor
    closed: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __getitem__(self, index: slice | Tensor) -> Seen:
        """Some of the observations."""
        return Seen(**{name: value[index] for name, value in self.tensors().items()})

    def to(self, device: torch.device | str) -> Seen:
        """The same on another device."""
        return Seen(**{name: value.to(device) for name, value in self.tensors().items()})

    def mirrored(self, origin: float) -> Seen:
        """The same with left and right changed.

        Args:
            origin: world y of the positions' origin, m.
        """

        def turn(places: Tensor) -> Tensor:
            return torch.stack([places[..., 0], -places[..., 1] - 2 * origin / LENGTH_UNIT, places[..., 2]], -1)

        return replace(self, positions=turn(self.positions), things=turn(self.things))


def wanted_answers(questions: Sequence[WeightedQuestion]) -> Tensor:
    """(K,) 1 for a wanted yes, -1 for a wanted no."""
    return torch.tensor([1.0 if question.desired else -1.0 for question in questions])


@torch.no_grad()
def look(network: CompactWorldModel, image: ImageContext, ids: Tensor, mentions: Tensor, wanted: Tensor) -> Seen:
    """Features of B frames, each by itself.

    Args:
        network: the world model, frozen.
        image: context of the frames.
        ids: (B, K, L) word numbers; see `CompactWorldModel.prefix`.
        mentions: (B, K, 2).
        wanted: (K,) of `wanted_answers`.

    Returns:
        Observations of one frame, F = 1.
    """
    batch, asked = ids.shape[:2]
    prefix = network.prefix(image, ids, mentions)
    answers = network.read(prefix, network.action_scale.new_zeros(1, 1, 0, len(network.action_scale)))
    read = (ids > 0).unsqueeze(-1)
    return Seen(
        positions=network.to_network(answers.positions[:, 0, 0]).unflatten(0, (batch, asked)).unsqueeze(2),
        ages=torch.zeros(batch, 1),
        mentioned=prefix.mentioned.unflatten(0, (batch, asked)).float(),
        words=(network.words(ids) * read).sum(2) / read.sum(2),
        wanted=wanted.expand(batch, -1),
        now=answers.logits.float().sigmoid().view(batch, asked),
        things=image.scene.places[:, :-1],
        present=image.scene.present[:, :-1].float(),
        closed=image.closed.unsqueeze(1),
    )


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
    asked = *model.encode([question.text for question in questions]), wanted_answers(questions)
    each = [look(model.network, one.frame, *asked) for one in observations[-frames:]]
    positions = torch.cat([seen.positions for seen in each], 2)
    ages = torch.tensor([[float(observed.age) for observed in observations[-frames:]]])
    return with_missing(replace(each[-1], positions=positions, ages=ages), frames)


def with_missing(seen: Seen, frames: int) -> Seen:
    """The same with F frames: the oldest stands for those before the start."""
    missing = frames - seen.positions.shape[2]
    first, age = seen.positions[:, :, :1], seen.ages[:, :1]
    positions = torch.cat([first.expand(-1, -1, missing, -1, -1), seen.positions], 2)
    return replace(seen, positions=positions, ages=torch.cat([age.expand(-1, missing), seen.ages], 1))


def with_questions(seen: Seen, most: int) -> Seen:
    """The same with room for more questions, of which nothing is wanted."""
    asked = {name: getattr(seen, name) for name in ("positions", "mentioned", "words", "wanted", "now")}
    missing = most - seen.wanted.shape[1]
    wider = {
        name: torch.cat([value, value.new_zeros(value.shape[0], missing, *value.shape[2:])], 1)
        for name, value in asked.items()
    }
    return replace(seen, **wider)
