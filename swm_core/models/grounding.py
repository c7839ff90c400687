# SPDX-License-Identifier: Apache-2.0
"""Words that know where their things are: matched with the cells of the fine map, they take place and looks from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from swm_core.models.compact_config import CompactConfig
from swm_core.models.vision import FINE_STRIDE, cell_points

LENGTH_UNIT = 0.1  # m; positions inside the network are in this unit
WAVELENGTHS = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)  # m, of the position features
WAVES = 3 * (1 + 2 * len(WAVELENGTHS))  # numbers that a position becomes
KEY_WIDTH = 64
RARE = -4.0  # log odds, before any training, that a cell shows what a word names


def single(x: Tensor) -> Tensor:
    """The tensor in float32 where it is of half precision."""
    return x if x.dtype == torch.float64 else x.float()


@dataclass(frozen=True)
class Cells:
    """The fine map of a batch of B frames: what words are matched with and what they find."""

    keys: Tensor  # (B, cells, key width)
    values: Tensor  # (B, cells, width)
    points: Tensor  # (B, cells, 3) world points, in LENGTH_UNIT about the origin


@dataclass(frozen=True)
class Found:
    """What N queries find in each of B frames."""

    logits: Tensor  # (B, N, cells + 1) of the match with each cell, and last of its not being there
    words: Tensor  # (B, N, 2, cells) log odds that a cell shows what each word names ("red", "moon")
    places: Tensor  # (B, N, 3) LENGTH_UNIT about the origin, as if it were there
    values: Tensor  # (B, N, width) what the map holds at those places, and the places themselves as features

    @property
    def present(self) -> Tensor:
        """(B, N) bool: rather there than not."""
        return self.logits.softmax(-1)[..., -1] < 0.5


class Grounding(nn.Module):
    """Matches words with what is seen.

    A name's last word ("moon") and the word before it ("red") look for themselves, and a thing is where both are: a
    name whose words were learned in other company is understood.

    Args:
        config: sizes and geometry.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.find = nn.Linear(config.fine_width, KEY_WIDTH)
        self.ask = nn.Linear(config.width, KEY_WIDTH)
        self.ask_before = nn.Linear(config.width, KEY_WIDTH)
        self.rare = nn.Parameter(torch.full((2,), RARE))
        self.absent = nn.Parameter(torch.full((1,), RARE / 2))
        self.value = nn.Linear(config.fine_width, config.width)
        self.offset = nn.Linear(config.fine_width, 3)
        self.place = nn.Linear(WAVES, config.width)
        points = cell_points(config.camera, FINE_STRIDE, config.table_height)
        self.cell_points: Tensor
        self.register_buffer("cell_points", (points - torch.tensor(config.origin)) / LENGTH_UNIT, persistent=False)
        self.wave_rates: Tensor
        self.register_buffer("wave_rates", 2 * torch.pi * LENGTH_UNIT / torch.tensor(WAVELENGTHS), persistent=False)

    def waves(self, points: Tensor) -> Tensor:
        """(..., 3) positions to (..., WAVES) smooth features of several wavelengths."""
        angles = (points.unsqueeze(-1) * self.wave_rates).flatten(-2)
        return torch.cat([points, angles.sin(), angles.cos()], -1)

    def cells(self, fine: Tensor) -> Cells:
        """(B, cells, fine_width) map to what words are matched with."""
        return Cells(self.find(fine), self.value(fine), self.cell_points + single(self.offset(fine)))

    def query(self, words: Tensor) -> Tensor:
        """(..., L, width) words in a row to (..., L, 2, KEY_WIDTH): what the word before each and it look for.

        The first stands for the one before it, too.
        """
        before = torch.cat([words[..., :1, :], words[..., :-1, :]], -2)
        return torch.stack([self.ask_before(before), self.ask(words)], -2)

    def match(self, seen: Cells, queries: Tensor) -> Found:
        """Look for N things in each of B frames.

        Args:
            seen: the cells of B frames.
            queries: (B or 1, N, 2, KEY_WIDTH).
        """
        words = single(queries.flatten(1, 2) @ seen.keys.transpose(1, 2)) * KEY_WIDTH**-0.5
        words = words.unflatten(1, (-1, 2)) + self.rare[:, None]
        cells = nn.functional.logsigmoid(words).sum(2)  # of both, each by itself
        share = cells.softmax(-1)
        with torch.autocast(cells.device.type, enabled=False):  # a millimetre is less than bfloat16 can tell
            places = share @ seen.points
        values = share.to(seen.values.dtype) @ seen.values + self.place(self.waves(places))
        logits = torch.cat([cells, self.absent.to(cells.dtype).expand(*cells.shape[:-1], 1)], -1)
        return Found(logits, words, places, values)
