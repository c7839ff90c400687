# SPDX-License-Identifier: Apache-2.0
"""The recomputed attention weights against what the fast path takes from the values."""

import pytest
import torch

from swm_core.models import transformer
from swm_core.models.attention import attention_weights
from swm_core.models.grounded import GroundedModel


def test_the_weights_are_those_of_the_fast_path(
    model: GroundedModel, frame: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []  # values and what came out, per call

    def record(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        seen.append((v, torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)))
        return seen[-1][1]

    questions = ["Is the red moon touching the blue cube?", "Will it gleamingly touch the green star?"]
    ids, named = model.encode(questions)
    context = model.observe(frame.numpy())
    monkeypatch.setattr(transformer, "scaled_dot_product_attention", record)
    model.network.prefix(context, ids, named)
    fast = list(seen)
    weights = attention_weights(model.network, context, ids, named)
    assert len(weights) == len(fast) == len(model.network.transformer.blocks) - 1 > 0
    for found, (values, out) in zip(weights, fast, strict=True):
        torch.testing.assert_close(found @ values, out, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))
    unknown = [i for i, number in enumerate(ids[0, 1]) if not number]
    assert unknown
    assert not weights[0][1, ..., [i - ids.shape[-1] for i in unknown]].any()
