# SPDX-License-Identifier: Apache-2.0
"""Bfloat16 where it is faster, and what it may change."""

from __future__ import annotations

import copy

import torch

from swm_core.models.compact import CompactWorldModel
from swm_core.models.precision import bfloat16_pays


def test_it_is_measured_not_assumed() -> None:
    assert bfloat16_pays(size=64, least=0.0)
    assert not bfloat16_pays(size=64, least=1e9)


def test_an_eye_of_bfloat16_hands_on_single_precision_and_sees_nearly_the_same(network: CompactWorldModel) -> None:
    single = copy.deepcopy(network)
    half = copy.deepcopy(single)
    half.vision.bfloat16()
    camera = single.config.camera
    images = torch.rand(1, 3, camera.height, camera.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (fine, tokens), (fine_half, tokens_half) = single.vision(images), half.vision(images)
    assert fine_half.dtype == tokens_half.dtype == torch.float32
    assert not torch.equal(fine, fine_half)
    torch.testing.assert_close(fine_half, fine, atol=0.05, rtol=0.05)
    torch.testing.assert_close(tokens_half, tokens, atol=0.05, rtol=0.05)
