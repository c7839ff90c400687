# SPDX-License-Identifier: Apache-2.0
"""Transformer blocks that attend to pieces computed earlier, so that a prefix is computed once and shared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


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


def widened(x: Tensor, batch: int) -> Tensor:
    """(b, ...) to (batch, ...): every entry repeated for the items that it precedes."""
    return x if x.shape[0] == batch else x.repeat_interleave(batch // x.shape[0], 0)


def plain_attention(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """The same as torch's fused attention; on processors half as long for a training batch, longer for a plan."""
    scores = (q * q.shape[-1] ** -0.5) @ keys.transpose(2, 3)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1).to(values.dtype) @ values


class Block(nn.Module):
    """Pre-norm self-attention and MLP, on tokens in rows (B * T, width): fewer operations than on (B, T, width).

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
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def project(self, x: Tensor, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """(B * T, width) tokens to their queries, keys and values, (B, heads, T, width / heads) each."""
        qkv = self.qkv(self.norm_attention(x)).view(batch, -1, 3, self.heads, x.shape[1] // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def attend(self, x: Tensor, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """(B * T, width) tokens after attention to S keys and the MLP; the mask is True where they may look."""
        attention = plain_attention if self.training else scaled_dot_product_attention
        mixed = attention(q, keys, values, mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        return x + self.mlp(self.norm_mlp(x))


class Transformer(nn.Module):
    """A stack of blocks over one sequence, computed whole or piece by piece.

    Args:
        width: token width.
        layers: number of blocks.
        heads: attention heads.
    """

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.blocks: list[Block] = nn.ModuleList(Block(width, heads) for _ in range(layers))  # type: ignore[assignment]
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, past: Piece | None = None, own: Tensor | None = None, first: int = 0) -> Tensor:
        """Run the tokens x after an earlier piece.

        Args:
            x: (B, T, width) tokens.
            past: the earlier piece, of a batch that divides B.
            own: bool, broadcastable to (B, 1, T, T), True where tokens of x may look at tokens of x; None for all.
            first: the block that x enters at; it passes those before unchanged.

        Returns:
            (B, T, width) normalised outputs.
        """
        mask, rows = visible(x, past, own), x.flatten(0, 1)
        for i in range(first, len(self.blocks)):
            q, k, v = self.blocks[i].project(rows, len(x))
            k, v = joined(past, i, k, v)
            rows = self.blocks[i].attend(rows, q, k, v, mask)
        return self.norm(rows).view(x.shape)

    def piece(self, x: Tensor, past: Piece | None = None, seen: Tensor | None = None) -> Piece:
        """An earlier piece made longer by the tokens x, which see it and each other.

        Args:
            x: (B, T, width) tokens.
            past: the earlier piece, of a batch that divides B.
            seen: (B, T) bool, False for padding; None for none.

        Returns:
            A piece of batch B.
        """
        own = None if seen is None else seen[:, None, None]
        mask, rows, keys, values = visible(x, past, own), x.flatten(0, 1), [], []
        for i, block in enumerate(self.blocks):
            q, k, v = block.project(rows, len(x))
            k, v = joined(past, i, k, v)
            keys.append(k)
            values.append(v)
            if i + 1 < len(self.blocks):  # nobody reads what comes out of the last one
                rows = block.attend(rows, q, k, v, mask)
        return Piece(keys, values, None if mask is None else mask[:, 0, 0])


def joined(past: Piece | None, block: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """A block's keys and values of a piece and of the tokens that it precedes, (B, heads, T, w), as one each."""
    if past is None:
        return keys, values
    pairs = ((past.keys[block], keys), (past.values[block], values))
    keys, values = (torch.cat([widened(before, len(own)), own], 2) for before, own in pairs)
    return keys, values


def visible(x: Tensor, past: Piece | None, own: Tensor | None) -> Tensor | None:
    """(B, 1, T, P + T) bool: which keys, the earlier piece's and then their own, tokens x (B, T, width) may look at.

    Args:
        x: the tokens.
        past: the earlier piece.
        own: bool, broadcastable to (B, 1, T, T), which of themselves; None for all.

    Returns:
        None where everything is visible.
    """
    seen = None if past is None else past.seen
    if own is None and seen is None:
        return None
    batch, length = x.shape[:2]
    all_seen = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=x.device)
    parts = [(all_seen if own is None else own).expand(batch, 1, length, length)]
    if past is not None:
        before = all_seen if seen is None else widened(seen, batch)[:, None, None]
        parts.insert(0, before.expand(batch, 1, length, past.keys[0].shape[2]))
    return torch.cat(parts, -1)
