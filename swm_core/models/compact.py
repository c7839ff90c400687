# SPDX-License-Identifier: Apache-2.0
"""The compact semantic world model: a few million parameters, grounded words, answers at every horizon from one pass.

Order of tokens in the `causal_readout` layout: image | question | a_0 .. a_h, where a_0 stands for no action. Image
tokens see the image; question tokens see image and question; a_t sees image, question and a_0..a_t and is itself the
readout of horizon t. So the image's and the question's keys and values are computed once and shared by all actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from swm_core.camera import Camera
from swm_core.errors import ConfigError
from swm_core.models.transformer import Piece, Transformer
from swm_core.models.vision import FINE_STRIDE, TOKEN_STRIDE, VisionEncoder, cell_points, grid_shape

LAYOUTS = ("causal_readout", "prefix_lm")
LENGTH_UNIT = 0.1  # m; positions inside the network are in this unit
WAVELENGTHS = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)  # m, of the position features
LARGEST = {"width": 4096, "layers": 64, "action_layers": 64, "heads": 64, "fine_width": 4096, "horizon": 1000}
MENTIONS = 3  # what a question's words may point at: the effector, then up to two objects


@dataclass(frozen=True)
class CompactConfig:
    """Everything that the shapes and the geometry of a compact model depend on.

    Attributes:
        vocabulary: the words it reads; other words are read as unknown.
        effector_words: what the effector is called in questions.
        camera: the camera of its frames.
        action_scale: per action dimension, the largest action (inputs are divided by it).
        action_axes: per action dimension, the world axis that it moves along (0, 1, 2), or -1 for none.
        origin: (3,) centre of the workspace, world frame, m.
        table_height: height of the plane that objects stand on, world frame, m.
        width: token width.
        layers: transformer blocks of the image's and the question's tokens.
        action_layers: how many of them, the last ones, action tokens run through; each costs time in every iteration
            of a plan, the others once per frame.
        heads: attention heads.
        fine_width: channels of the fine feature map.
        horizon: largest number of actions.
    """

    vocabulary: tuple[str, ...]
    effector_words: tuple[str, ...]
    camera: Camera
    action_scale: tuple[float, ...]
    action_axes: tuple[int, ...]
    origin: tuple[float, float, float]
    table_height: float = 0.0
    width: int = 192
    layers: int = 4
    action_layers: int = 2
    heads: int = 6
    fine_width: int = 128
    horizon: int = 20

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: sizes below 1 or absurdly large, or widths that do not divide.
        """
        sizes = {name: getattr(self, name) for name in LARGEST} | {"vocabulary": len(self.vocabulary)}
        sizes["camera"] = max(self.camera.width, self.camera.height)
        for name, size in sizes.items():  # before anything is allocated for them
            if not 1 <= size <= LARGEST.get(name, 10_000):
                raise ConfigError(f"{name} of size {size}: allowed are 1 to {LARGEST.get(name, 10_000)}")
        if self.action_layers > self.layers:
            raise ConfigError(f"action_layers {self.action_layers} of {self.layers} layers")
        if self.width % self.heads or self.fine_width % 8:
            raise ConfigError(
                f"width {self.width} must divide by heads {self.heads}, fine_width {self.fine_width} by 8"
            )
        if len(self.action_scale) != len(self.action_axes) or min(self.action_scale) <= 0:
            raise ConfigError("action_scale and action_axes need one entry per action dimension, scales above 0")


def single(x: Tensor) -> Tensor:
    """The tensor in float32 where it is of half precision."""
    return x if x.dtype == torch.float64 else x.float()


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
class Cells:
    """The fine map of a batch of B frames: what words are matched with and what they find."""

    keys: Tensor  # (B, cells, key width)
    values: Tensor  # (B, cells, width)
    points: Tensor  # (B, cells, 3) world points, in LENGTH_UNIT about the origin


@dataclass(frozen=True)
class ImageContext:
    """What is kept of a batch of B frames."""

    cells: Cells
    past: Piece  # the image tokens


@dataclass(frozen=True)
class Prefix:
    """Image and Q = B * K questions, ready for actions: cached keys and values, and where the mentioned things are."""

    past: Piece  # of the image and the questions
    now: Tensor  # (Q, MENTIONS, 3) positions at present, LENGTH_UNIT about the origin
    mentioned: Tensor  # (Q, MENTIONS) bool
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
        width, key_width = config.width, 64
        self.vision = VisionEncoder(width, config.fine_width)
        rows, columns = grid_shape(config.camera, TOKEN_STRIDE)
        self.image_place = nn.Parameter(torch.randn(rows * columns, width) * 0.02)
        self.words = nn.Embedding(len(config.vocabulary) + 2, width)  # 0 padding or unknown, last: the effector
        self.word_place = nn.Parameter(torch.randn(40, width) * 0.02)
        self.find = nn.Linear(config.fine_width, key_width)
        self.ask = nn.Linear(width, key_width)
        self.ask_before = nn.Linear(width, key_width, bias=False)
        self.value = nn.Linear(config.fine_width, width)
        self.offset = nn.Linear(config.fine_width, 3)
        fourier = 3 * (1 + 2 * len(WAVELENGTHS))
        self.place = nn.Linear(fourier, width)
        dims = len(config.action_scale)
        self.action = nn.Sequential(nn.Linear(2 * dims + fourier, width), nn.SiLU(), nn.Linear(width, width))
        self.time = nn.Parameter(torch.randn(config.horizon + 1, width) * 0.02)
        self.readout = nn.Parameter(torch.randn(width) * 0.02)  # the token that answers in prefix_lm
        self.transformer = Transformer(width, config.layers, config.heads)
        self.motion = nn.Linear(width, 3 * MENTIONS)
        positions, pairs = 2 * 3 * MENTIONS, 2 * MENTIONS
        self.answer = nn.Sequential(
            nn.Linear(width + positions + 3 * pairs + 3 * MENTIONS + pairs, 128),
            nn.SiLU(),
            nn.Linear(128, 1),
        )
        self.differences: Tensor
        self.register_buffer("differences", position_differences(), persistent=False)
        points = cell_points(config.camera, FINE_STRIDE, config.table_height)
        self.register_buffer("cell_points", (points - torch.tensor(config.origin)) / LENGTH_UNIT, persistent=False)
        self.cell_points: Tensor
        self.action_scale: Tensor
        self.steer: Tensor
        self.wave_rates: Tensor
        self.register_buffer("wave_rates", 2 * torch.pi * LENGTH_UNIT / torch.tensor(WAVELENGTHS), persistent=False)
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

    # Geometry -------------------------------------------------------------------------------------------------------

    def to_world(self, points: Tensor) -> Tensor:
        """(..., 3) positions in the network's unit to the world frame, m."""
        return points * LENGTH_UNIT + torch.tensor(self.config.origin, dtype=points.dtype, device=points.device)

    def waves(self, points: Tensor) -> Tensor:
        """(..., 3) positions to (..., F) smooth features of several wavelengths."""
        angles = (points.unsqueeze(-1) * self.wave_rates).flatten(-2)
        return torch.cat([points, angles.sin(), angles.cos()], -1)

    # Prefix: image and questions --------------------------------------------------------------------------------------

    def encode_image(self, images: Tensor) -> ImageContext:
        """Encode frames once for all questions and actions.

        Args:
            images: (B, 3, H, W) float in [0, 1].
        """
        cells, tokens = self.look(images)
        return ImageContext(cells, self.transformer.piece(tokens))

    def look(self, images: Tensor) -> tuple[Cells, Tensor]:
        """(B, 3, H, W) frames to their cells and image tokens."""
        fine, tokens = self.vision(images)
        points = self.cell_points + single(self.offset(fine))
        return Cells(self.find(fine), self.value(fine), points), tokens + self.image_place

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
        query = self.ask(words) + nn.functional.pad(self.ask_before(words), (0, 0, 1, 0))[:, :-1]
        mentioned = mentions >= 0
        at = mentions.clamp(min=0)
        rows = torch.arange(questions, device=ids.device).unsqueeze(1)
        frames = seen.keys.shape[0]
        asked = query[rows, at].view(frames, -1, query.shape[-1])  # (B, K * MENTIONS, key width)
        cells = single(asked @ seen.keys.transpose(1, 2)) * query.shape[-1] ** -0.5  # (B, K * MENTIONS, cells)
        share = cells.softmax(-1)
        with torch.autocast(ids.device.type, enabled=False):  # a millimetre is less than bfloat16 can tell
            now = (share @ seen.points).view(questions, MENTIONS, 3)
        found = (share.to(seen.values.dtype) @ seen.values).view(questions, MENTIONS, -1) + self.place(self.waves(now))
        tokens = words + self.word_place[:length]
        tokens = tokens.index_put((rows, at), found.to(tokens.dtype) * mentioned.unsqueeze(-1), accumulate=True)
        return tokens, now * mentioned.unsqueeze(-1), mentioned, cells.view(questions, MENTIONS, -1)

    def prefix(self, image: ImageContext, ids: Tensor, mentions: Tensor) -> Prefix:
        """Read K questions about each of B frames.

        Args:
            image: context of B frames.
            ids: (B, K, L) word numbers, 0 for padding.
            mentions: (B, K, 2) places of the naming words in `ids`; -1 where there is none.
        """
        ids, mentions = self.with_effector(ids, mentions)
        tokens, now, mentioned, cells = self.ground(image.cells, ids, mentions)
        return Prefix(self.transformer.piece(tokens, image.past, ids > 0), now, mentioned, cells)

    def with_effector(self, ids: Tensor, mentions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, L), (B, K, 2) to (B * K, L + 1), (B * K, MENTIONS): the effector's token leads every question."""
        ids, mentions = ids.flatten(0, 1), mentions.flatten(0, 1)
        ids = nn.functional.pad(ids, (1, 0), value=len(self.config.vocabulary) + 1)
        return ids, nn.functional.pad(torch.where(mentions >= 0, mentions + 1, mentions), (1, 0), value=0)

    # Actions ----------------------------------------------------------------------------------------------------------

    def action_tokens(self, actions: Tensor, effector: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of a_0 (none), a_1 .. a_h, and the path that the effector would take in free space.

        Args:
            actions: (Q, C, h, A) in the environment's unit.
            effector: (Q, 3) its position now, network unit.

        Returns:
            (Q, C, h + 1, width), and (Q, C, h + 1, 3) network unit.
        """
        scaled = nn.functional.pad(actions / self.action_scale, (0, 0, 1, 0))
        total = scaled.cumsum(-2)
        with torch.autocast(actions.device.type, enabled=False):
            path = effector[:, None, None] + total @ self.steer
        features = torch.cat([scaled, total / 4.0, self.waves(path)], -1)
        return self.action(features) + self.time[: scaled.shape[-2]], path

    def read(self, prefix: Prefix, actions: Tensor) -> Readout:
        """Answers after every prefix of the actions, from one pass over the action tokens.

        Args:
            prefix: Q questions.
            actions: (Q or 1, C, h, A) candidates' actions, in the environment's unit; h may be 0.
        """
        questions, candidates, length = prefix.now.shape[0], actions.shape[1], actions.shape[2] + 1
        actions = actions.expand(questions, -1, -1, -1)
        tokens, path = self.action_tokens(actions, prefix.now[:, 0])
        until_now = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        out = self.transformer(tokens.flatten(0, 1), prefix.past, until_now, self.first_action_layer)
        return self.heads(out.unflatten(0, (questions, candidates)), prefix.now, prefix.mentioned, path)

    def heads(self, out: Tensor, now: Tensor, mentioned: Tensor, path: Tensor) -> Readout:
        """Positions, and from them and the token the answer.

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
        features = torch.cat([out, positions.to(out.dtype), differences.to(out.dtype), distances.to(out.dtype)], -1)
        return Readout(single(self.answer(features).squeeze(-1)), self.to_world(then))

    # Whole sequences --------------------------------------------------------------------------------------------------

    def forward(self, images: Tensor, ids: Tensor, mentions: Tensor, actions: Tensor) -> tuple[Readout, Prefix]:
        """Training pass: K questions on each of B frames, answered at every horizon of the frame's one action sequence.

        Args:
            images: (B, 3, H, W) float in [0, 1].
            ids: (B, K, L) word numbers, 0 for padding.
            mentions: (B, K, 2) places of the naming words, -1 for none.
            actions: (B, h, A).

        Returns:
            Readout with leading shape (B * K, 1), and the prefix (positions and cell matches at present).
        """
        prefix = self.prefix(self.encode_image(images), ids, mentions)
        return self.read(prefix, actions.repeat_interleave(ids.shape[1], 0).unsqueeze(1)), prefix

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
        seen, image_tokens = self.look(images)
        ids, mentions = self.with_effector(ids, mentions)
        words, now, mentioned, _ = self.ground(seen, ids, mentions)
        questions, length = ids.shape
        image_tokens = image_tokens.expand(questions, -1, -1)
        acts, path = self.action_tokens(actions.unsqueeze(0).expand(questions, -1, -1, -1), now[:, 0])
        acts, cells, steps = acts.squeeze(1), image_tokens.shape[1], acts.shape[2]
        if layout == "prefix_lm":
            readout = (acts[:, :1] * 0 + self.readout).expand(questions, 1, -1)
            sequence = torch.cat([image_tokens, acts[:, 1:], words, readout], 1)
            read = nn.functional.pad(ids > 0, (cells + steps - 1, 1), value=True)[:, None, None]
            out = self.transformer(sequence, None, read)
            return self.heads(out[:, -1:].unsqueeze(1), now, mentioned, path[:, :, -1:])
        kind = torch.cat([torch.zeros(cells), torch.ones(length), torch.arange(2, 2 + steps)]).to(ids.device)
        read = (kind[:, None] >= kind[None]) & nn.functional.pad(ids > 0, (cells, steps), value=True)[:, None, None]
        sequence = torch.cat([image_tokens, words, acts], 1)
        for i, block in enumerate(self.transformer.blocks):
            q, k, v = block.project(sequence.flatten(0, 1), questions)
            after = block.attend(sequence.flatten(0, 1), q, k, v, read).view(sequence.shape)
            sequence = after if i >= self.first_action_layer else torch.cat([after[:, :-steps], acts], 1)
        out = self.transformer.norm(sequence[:, -steps:])
        return self.heads(out.unsqueeze(1), now, mentioned, path)
