# SPDX-License-Identifier: Apache-2.0
"""Transformer blocks that attend to pieces computed earlier, so that a prefix is computed once and shared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Piece:
    """Keys and values of a stretch of tokens, per block.

    A piece of batch b may precede tokens of a larger batch B = b * n; entry i precedes items i * n .. (i + 1) * n - 1.

    Attributes:
        keys: per block, (b, heads, P, width / heads).
        values: per block, the same shape.
        seen: (b, P) bool, False for padding that nobody may look at; None where there is none.
    """

    keys: list[Tensor]
    values: list[Tensor]
    seen: Tensor | None = None


def grouped(x: Tensor, groups: int) -> Tensor:
    """(B, heads, T, w) to (groups, heads, B / groups * T, w): the queries that share one piece, in a row."""
    if x.shape[0] == groups:
        return x
    return x.unflatten(0, (groups, -1)).transpose(1, 2).flatten(2, 3)


def ungrouped(x: Tensor, batch: int) -> Tensor:
    """The inverse of `grouped`, whatever the last axis."""
    if x.shape[0] == batch:
        return x
    return x.unflatten(2, (batch // x.shape[0], -1)).transpose(1, 2).flatten(0, 1)


class Block(nn.Module):
    """Pre-norm self-attention and MLP.

    Args:
        width: token width.
        heads: attention heads; must divide width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))

    def forward(
        self, x: Tensor, past: list[tuple[Tensor, Tensor]], hidden: list[Tensor | None]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend to earlier pieces and to oneself, in one softmax.

        Args:
            x: (B, T, width) tokens.
            past: (keys, values) of each earlier piece.
            hidden: for each piece and last for x itself, where attention is forbidden, broadcastable to
                (B, heads, T, P); None for nowhere.

        Returns:
            (B, T, width) tokens, and the keys and values of x.
        """
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q = q * q.shape[-1] ** -0.5
        pieces = [*past, (k, v)]
        scores = [ungrouped(grouped(q, keys.shape[0]) @ keys.transpose(2, 3), batch) for keys, _ in pieces]
        scores = [s if h is None else s.masked_fill(h, float("-inf")) for s, h in zip(scores, hidden, strict=True)]
        share = torch.cat(scores, -1).softmax(-1).to(v.dtype).split([s.shape[-1] for s in scores], -1)
        parts = [ungrouped(grouped(s, w.shape[0]) @ w, batch) for s, (_, w) in zip(share, pieces, strict=True)]
        mixed = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm_mlp(x)), k, v


class Transformer(nn.Module):
    """A stack of blocks over one sequence, computed whole or piece by piece.

    Args:
        width: token width.
        layers: number of blocks.
        heads: attention heads.
    """

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, past: tuple[Piece, ...] = (), hidden: Tensor | None = None, seen: Tensor | None = None
    ) -> tuple[Tensor, Piece]:
        """Run the tokens x after earlier pieces.

        Args:
            x: (B, T, width) tokens.
            past: earlier pieces, each of a batch that divides B.
            hidden: (T, T) or broadcastable to (B, heads, T, T) bool, True where x may not look at itself.
            seen: (B, T) bool, kept with the piece of x: False for padding.

        Returns:
            (B, T, width) normalised outputs, and the piece of x.
        """
        masks: list[Tensor | None] = []
        for piece in past:
            padded = None if piece.seen is None else ~piece.seen
            if padded is not None:
                padded = padded.repeat_interleave(x.shape[0] // padded.shape[0], 0)[:, None, None]
            masks.append(padded)
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            x, k, v = block(x, [(p.keys[i], p.values[i]) for p in past], [*masks, hidden])
            keys.append(k)
            values.append(v)
        return self.norm(x), Piece(keys, values, seen)
