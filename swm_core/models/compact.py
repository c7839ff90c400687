# SPDX-License-Identifier: Apache-2.0
"""The compact semantic world model: a few million parameters, grounded words, answers at every horizon from one pass.

Order of tokens in the `causal_readout` layout: image | question | a_0 .. a_h, where a_0 stands for no action. Image
tokens, a coarse map and one token for each thing that is found in the frame, see the image; question tokens see image
and question; a_t sees image, question and a_0..a_t and is itself the readout of horizon t. So the image's and the
question's keys and values are computed once and shared by all actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from swm_core.errors import ConfigError
from swm_core.models.compact_config import CompactConfig
from swm_core.models.grounding import LENGTH_UNIT, WAVES, Cells, Found, Grounding, single
from swm_core.models.transformer import Piece, Transformer
from swm_core.models.vision import TOKEN_STRIDE, VisionEncoder, grid_shape
from swm_core.tasks.words import name_words

LAYOUTS = ("causal_readout", "prefix_lm")
MENTIONS = 3  # what a question's words may point at: the effector, then up to two objects
GEOMETRY = 3 * 2 * MENTIONS + 3 * 3 * MENTIONS + 2 * MENTIONS  # positions, their differences and distances


def position_differences() -> Tensor:
    """(6 * MENTIONS, 9 * MENTIONS) matrix from positions then and now to shifts, gaps then and gaps now.

    A gap is between a mentioned thing and the one before it, the first following the last.
    """
    same = torch.eye(MENTIONS)
    gap = same - same.roll(1, 0)  # column j: thing j less thing j - 1
    nothing = torch.zeros(MENTIONS, MENTIONS)
    blocks = torch.cat([torch.cat([same, gap, nothing], 1), torch.cat([-same, nothing, gap], 1)])
    return torch.kron(blocks, torch.eye(3))


@dataclass(frozen=True)
class ImageContext:
    """What is kept of a batch of B frames."""

    cells: Cells
    scene: Found  # of every name that is looked for, and last of the effector
    closed: Tensor  # (B,) how far the gripper is closed, 0 to 1; 0 where the effector is none
    past: Piece  # the image tokens: the coarse map, then the things of `scene`


@dataclass(frozen=True)
class Prefix:
    """Image and Q = B * K questions, ready for actions: cached keys and values, and where the mentioned things are."""

    past: Piece  # of the image and the questions
    now: Tensor  # (Q, MENTIONS, 3) positions at present, LENGTH_UNIT about the origin
    mentioned: Tensor  # (Q, MENTIONS) bool
    closed: Tensor  # (Q,) how far the gripper is closed at present
    cells: Tensor  # (Q, MENTIONS, cells) logits of the word-to-cell match


@dataclass(frozen=True)
class Readout:
    """Answers at every horizon t = 0..h; leading shape (Q, C) for Q questions and C candidates."""

    logits: Tensor  # (Q, C, h + 1) log odds of yes
    positions: Tensor  # (Q, C, h + 1, MENTIONS, 3) world frame, m, of the effector and the mentioned objects


class CompactWorldModel(nn.Module):
    """Answers questions about the future of a frame under actions (paper Sec. 3.2, with our layout).

    Args:
        config: shapes and geometry.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.vision = VisionEncoder(width, config.fine_width, config.dilations)
        rows, columns = grid_shape(config.camera, TOKEN_STRIDE)
        self.image_place = nn.Parameter(torch.randn(rows * columns, width) * 0.02)
        self.words = nn.Embedding(len(config.vocabulary) + 2, width)  # 0 padding or unknown, last: the effector
        self.word_place = nn.Parameter(torch.randn(40, width) * 0.02)
        self.grounding = Grounding(config)
        dims = len(config.action_scale)
        inputs = 2 * dims + WAVES + (MENTIONS - 1) * (WAVES + 1) + config.gripper
        self.action = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))
        self.grip = nn.Linear(width, 1) if config.gripper else None
        self.time = nn.Parameter(torch.randn(config.horizon + 1, width) * 0.02)
        self.readout = nn.Parameter(torch.randn(width) * 0.02)  # the token that answers in prefix_lm
        self.transformer = Transformer(width, config.layers, config.heads)
        self.motion = nn.Linear(width, 3 * MENTIONS)
        self.geometry = nn.Sequential(nn.Linear(GEOMETRY, width), nn.SiLU())
        self.relevance = nn.Linear(width, width)
        self.answer = nn.Sequential(nn.Linear(2 * width, 128), nn.SiLU(), nn.Linear(128, 1))
        self.differences: Tensor
        self.register_buffer("differences", position_differences(), persistent=False)
        self.names: Tensor
        names = torch.from_numpy(name_words(config.names, config.vocabulary))
        self.register_buffer("names", names, persistent=False)
        self.action_scale: Tensor
        self.steer: Tensor
        self.register_buffer("action_scale", torch.tensor(config.action_scale), persistent=False)
        steer = torch.zeros(dims, 3)
        for i, axis in enumerate(config.action_axes):
            if axis >= 0:
                steer[i, axis] = config.action_scale[i] / LENGTH_UNIT
        self.register_buffer("steer", steer, persistent=False)
        nn.init.zeros_(self.motion.weight)
        nn.init.zeros_(self.motion.bias)

    @property
    def first_action_layer(self) -> int:
        """The block that action tokens enter at."""
        return self.config.layers - self.config.action_layers

    def to_world(self, points: Tensor) -> Tensor:
        """(..., 3) positions in the network's unit to the world frame, m."""
        return points * LENGTH_UNIT + torch.tensor(self.config.origin, dtype=points.dtype, device=points.device)

    def to_network(self, points: Tensor) -> Tensor:
        """(..., 3) positions in the world frame, m, to the network's unit."""
        return (points - torch.tensor(self.config.origin, dtype=points.dtype, device=points.device)) / LENGTH_UNIT

    # Prefix: image and questions --------------------------------------------------------------------------------------

    def encode_image(self, images: Tensor) -> ImageContext:
        """Encode frames once for all questions and actions.

        Args:
            images: (B, 3, H, W) float in [0, 1].
        """
        cells, scene, tokens, seen = self.look(images)
        return ImageContext(cells, scene, self.closed(scene), self.transformer.piece(tokens, seen=seen))

    def closed(self, scene: Found) -> Tensor:
        """(B,) how far the gripper is closed, 0 to 1, by its looks; zeros where the effector is none."""
        looks = single(scene.values[:, -1])
        return looks.new_zeros(len(looks)) if self.grip is None else single(self.grip(looks)).squeeze(-1)

    def look(self, images: Tensor) -> tuple[Cells, Found, Tensor, Tensor]:
        """Frames to what is seen in them.

        Args:
            images: (B, 3, H, W) float in [0, 1].

        Returns:
            their cells, what is found of all names, the P image tokens (B, P, width), and (B, P) bool which of them
            stand for something: a thing that is not there has none.
        """
        fine, coarse = self.vision(images)
        cells = self.grounding.cells(fine)
        words = self.words(self.names)
        scene = self.grounding.match(cells, self.grounding.query(words)[None, :, -1])
        things = scene.values + words.sum(1)
        seen = nn.functional.pad(scene.present, (coarse.shape[1], 0), value=True)
        return cells, scene, torch.cat([coarse + self.image_place, things.to(coarse.dtype)], 1), seen

    def ground(self, seen: Cells, ids: Tensor, mentions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Embed words, and let the words that name things know where those are.

        Args:
            seen: the cells of B frames.
            ids: (B * K, L) word numbers, the effector's token first.
            mentions: (B * K, MENTIONS) places of the naming words; -1 where there is none.

        Returns:
            tokens (B * K, L, width), positions now (B * K, MENTIONS, 3), mentioned (B * K, MENTIONS) bool,
            and the match logits (B * K, MENTIONS, cells).
        """
        questions, length = ids.shape
        words = self.words(ids)
        query = self.grounding.query(words)
        mentioned = mentions >= 0
        at = mentions.clamp(min=0)
        rows = torch.arange(questions, device=ids.device).unsqueeze(1)
        asked = query[rows, at].view(seen.keys.shape[0], -1, *query.shape[-2:])  # (B, K * MENTIONS, 2, key width)
        found = self.grounding.match(seen, asked)
        there = found.values.view(questions, MENTIONS, -1) * mentioned.unsqueeze(-1)
        tokens = words + self.word_place[:length]
        tokens = tokens.index_put((rows, at), there.to(tokens.dtype), accumulate=True)
        now = found.places.view(questions, MENTIONS, 3) * mentioned.unsqueeze(-1)
        return tokens, now, mentioned, found.logits[..., :-1].reshape(questions, MENTIONS, -1)

    def prefix(self, image: ImageContext, ids: Tensor, mentions: Tensor) -> Prefix:
        """Read K questions about each of B frames.

        Args:
            image: context of B frames.
            ids: (B, K, L) word numbers, 0 for padding.
            mentions: (B, K, 2) places of the naming words in `ids`; -1 where there is none.
        """
        ids, mentions = self.with_effector(ids, mentions)
        tokens, now, mentioned, cells = self.ground(image.cells, ids, mentions)
        closed = image.closed.repeat_interleave(len(ids) // len(image.closed))
        return Prefix(self.transformer.piece(tokens, image.past, ids > 0), now, mentioned, closed, cells)

    def with_effector(self, ids: Tensor, mentions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, L), (B, K, 2) to (B * K, L + 1), (B * K, MENTIONS): the effector's token leads every question."""
        ids, mentions = ids.flatten(0, 1), mentions.flatten(0, 1)
        ids = nn.functional.pad(ids, (1, 0), value=len(self.config.vocabulary) + 1)
        return ids, nn.functional.pad(torch.where(mentions >= 0, mentions + 1, mentions), (1, 0), value=0)

    # Actions ----------------------------------------------------------------------------------------------------------

    def action_tokens(self, actions: Tensor, now: Tensor, mentioned: Tensor, closed: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of a_0 (none), a_1 .. a_h, and the path that the effector would take in free space.

        A token knows its action, the sum of the actions up to it, where the effector would be after them, and how far
        that is from where the mentioned things are at present; and how far a gripper was closed at first.

        Args:
            actions: (Q, C, h, A) in the environment's unit.
            now: (Q, MENTIONS, 3) positions at present, network unit, the effector's first.
            mentioned: (Q, MENTIONS) bool.
            closed: (Q,) how far the gripper is closed at present.

        Returns:
            (Q, C, h + 1, width), and (Q, C, h + 1, 3) network unit.
        """
        scaled = nn.functional.pad(actions / self.action_scale, (0, 0, 1, 0))
        total = scaled.cumsum(-2)
        with torch.autocast(actions.device.type, enabled=False):
            path = now[:, None, None, 0] + total @ self.steer
            gaps = path.unsqueeze(-2) - now[:, None, None, 1:]  # (Q, C, T, MENTIONS - 1, 3)
            distances = (gaps.square().sum(-1, keepdim=True) + 1e-4).sqrt()
            apart = torch.cat([self.grounding.waves(gaps), distances], -1) * mentioned[:, None, None, 1:, None]
        known = [scaled, total / 4.0, self.grounding.waves(path), apart.flatten(-2)]
        if self.grip is not None:
            known.append(closed[:, None, None, None].expand(*scaled.shape[:-1], 1))
        return self.action(torch.cat(known, -1)) + self.time[: scaled.shape[-2]], path

    def read(self, prefix: Prefix, actions: Tensor) -> Readout:
        """Answers after every prefix of the actions, from one pass over the action tokens.

        Args:
            prefix: Q questions.
            actions: (Q or 1, C, h, A) candidates' actions, in the environment's unit; h may be 0.
        """
        questions, candidates, length = prefix.now.shape[0], actions.shape[1], actions.shape[2] + 1
        actions = actions.expand(questions, -1, -1, -1)
        tokens, path = self.action_tokens(actions, prefix.now, prefix.mentioned, prefix.closed)
        until_now = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        out = self.transformer(tokens.flatten(0, 1), prefix.past, until_now, self.first_action_layer)
        return self.heads(out.unflatten(0, (questions, candidates)), prefix.now, prefix.mentioned, path)

    def heads(self, out: Tensor, now: Tensor, mentioned: Tensor, path: Tensor) -> Readout:
        """Positions, and from them and the token the answer: the token says which part of the geometry matters.

        Args:
            out: (Q, C, T, width) readout tokens.
            now: (Q, MENTIONS, 3) present positions.
            mentioned: (Q, MENTIONS) bool.
            path: (Q, C, T, 3) free-space path of the effector.
        """
        known = mentioned[:, None, None, :, None]
        moved = single(self.motion(out)).unflatten(-1, (MENTIONS, 3))
        start = now[:, None, None].expand_as(moved)
        then = (torch.cat([path.unsqueeze(-2), start[..., 1:, :]], -2) + moved) * known
        positions = torch.cat([then, start], -2).flatten(-2)
        differences = positions @ self.differences
        gaps = differences[..., 3 * MENTIONS :].unflatten(-1, (-1, 3))
        distances = (gaps.square().sum(-1) + 1e-4).sqrt()
        geometry = self.geometry(torch.cat([positions, differences, distances], -1).to(out.dtype))
        logits = self.answer(torch.cat([geometry * self.relevance(out), out], -1)).squeeze(-1)
        return Readout(single(logits), self.to_world(then))

    # Whole sequences --------------------------------------------------------------------------------------------------

    def forward(self, images: Tensor, ids: Tensor, mentions: Tensor, actions: Tensor) -> tuple[Readout, ImageContext]:
        """Training pass: K questions on each of B frames, answered at every horizon of the frame's one action sequence.

        Args:
            images: (B, 3, H, W) float in [0, 1].
            ids: (B, K, L) word numbers, 0 for padding.
            mentions: (B, K, 2) places of the naming words, -1 for none.
            actions: (B, h, A).

        Returns:
            Readout with leading shape (B * K, 1), and what was seen in the frames.
        """
        image = self.encode_image(images)
        prefix = self.prefix(image, ids, mentions)
        return self.read(prefix, actions.repeat_interleave(ids.shape[1], 0).unsqueeze(1)), image

    def forward_plain(self, images: Tensor, ids: Tensor, mentions: Tensor, actions: Tensor, layout: str) -> Readout:
        """One uncached pass over the whole sequence: what the cached path must equal, and the paper's order.

        Args:
            images: (1, 3, H, W) float in [0, 1].
            ids: (1, K, L) word numbers.
            mentions: (1, K, 2).
            actions: (1, h, A).
            layout: "causal_readout": answers at all horizons 0..h; "prefix_lm": image, actions, question, readout, all
                attending to each other, and one answer, at horizon h.

        Returns:
            Readout (K, 1, h + 1) or (K, 1, 1).

        Raises:
            ConfigError: another layout.
        """
        if layout not in LAYOUTS:
            raise ConfigError(f"layout {layout!r} is none of {', '.join(LAYOUTS)}")
        seen, scene, image_tokens, there = self.look(images)
        ids, mentions = self.with_effector(ids, mentions)
        words, now, mentioned, _ = self.ground(seen, ids, mentions)
        questions, length = ids.shape
        image_tokens, there = image_tokens.expand(questions, -1, -1), there.expand(questions, -1)
        closed = self.closed(scene).expand(questions)
        acts, path = self.action_tokens(actions.unsqueeze(0).expand(questions, -1, -1, -1), now, mentioned, closed)
        acts, cells, steps = acts.squeeze(1), image_tokens.shape[1], acts.shape[2]
        if layout == "prefix_lm":
            readout = (acts[:, :1] * 0 + self.readout).expand(questions, 1, -1)
            sequence = torch.cat([image_tokens, acts[:, 1:], words, readout], 1)
            read = nn.functional.pad(torch.cat([there.new_ones(questions, steps - 1), ids > 0], 1), (0, 1), value=True)
            out = self.transformer(sequence, None, torch.cat([there, read], 1)[:, None, None])
            return self.heads(out[:, -1:].unsqueeze(1), now, mentioned, path[:, :, -1:])
        kind = torch.cat([torch.zeros(cells), torch.ones(length), torch.arange(2, 2 + steps)]).to(ids.device)
        real = nn.functional.pad(torch.cat([there, ids > 0], 1), (0, steps), value=True)[:, None, None]
        read = (kind[:, None] >= kind[None]) & real
        sequence = torch.cat([image_tokens, words, acts], 1)
        for i, block in enumerate(self.transformer.blocks):
            q, k, v = block.project(sequence.flatten(0, 1), questions)
            after = block.attend(sequence.flatten(0, 1), q, k, v, read).view(sequence.shape)
            sequence = after if i >= self.first_action_layer else torch.cat([after[:, :-steps], acts], 1)
        out = self.transformer.norm(sequence[:, -steps:])
        return self.heads(out.unsqueeze(1), now, mentioned, path)
