# SPDX-License-Identifier: Apache-2.0
"""Attention weights of a question's words, recomputed: the fast path never holds them."""

from __future__ import annotations

import torch
from torch import Tensor

from swm_core.models.compact import CompactWorldModel, ImageContext
from swm_core.models.transformer import joined, visible


@torch.no_grad()
def attention_weights(network: CompactWorldModel, image: ImageContext, ids: Tensor, named: Tensor) -> list[Tensor]:
    """Attention weights of the question tokens in every block whose outcome is read.

    The last block is left out: nobody reads what a word takes from it, so no training shapes it.

    Args:
        network: the model.
        image: context of B frames.
        ids: (B, K, L) word numbers, 0 for padding.
        named: (B, K, MENTIONS - 1) places of the naming words; -1 where there is none.

    Returns:
        Per block but the last, (B * K, heads, L + 1, P + L + 1) of the effector's token and the words, over the P image
        tokens and themselves; rows sum to 1.
    """
    ids, named = network.with_effector(ids, named)
    tokens = network.ground(image.cells, ids, named)[0]
    mask = visible(tokens, image.past, (ids > 0)[:, None, None])
    rows, found = tokens.flatten(0, 1), []
    for i, block in enumerate(network.transformer.blocks[:-1]):
        q, k, v = block.project(rows, len(tokens))
        k, v = joined(image.past, i, k, v)
        logits = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        found.append((logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(-1))
        rows = block.attend(rows, q, k, v, mask)
    return found
