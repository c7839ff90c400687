# SPDX-License-Identifier: Apache-2.0
"""The compact model's eye: a convolutional encoder with a fine map for finding things and coarse tokens for context."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swm_core.camera import Camera

FINE_STRIDE = 8  # px per cell of the fine map
TOKEN_STRIDE = 32  # px per image token


def to_pixels(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 frames to (B, 3, H, W) float32 in [0, 1], as the models take them."""
    return images.permute(0, 3, 1, 2).float() / 255.0


class Residual(nn.Module):
    """A 3x3 convolution to half the channels, and back, beside the identity."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels // 2, 3, padding=dilation, dilation=dilation),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        return x + self.body(x)


class VisionEncoder(nn.Module):
    """RGB frame to a fine feature map (stride 8) and image tokens (stride 32).

    Args:
        width: token width.
        fine_width: channels of the fine map.
        dilations: of its residual blocks.
    """

    def __init__(self, width: int, fine_width: int, dilations: Sequence[int] = (1, 2, 1)) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, 48, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(48, fine_width, 3, 2, 1),
            *(Residual(fine_width, dilation) for dilation in dilations),
            nn.GroupNorm(8, fine_width),
        )
        self.tokens = nn.Sequential(
            nn.ReLU(), nn.Conv2d(fine_width, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encode frames, in the precision of the weights.

        Args:
            images: (B, 3, H, W) float in [0, 1].

        Returns:
            fine map (B, h * w, fine_width), and image tokens (B, h' * w', width), both row by row.
        """
        x = ((images - 0.5) * 4.0).to(next(self.parameters()).dtype, memory_format=torch.channels_last)
        fine = self.stem(x)
        maps = (m.flatten(2).transpose(1, 2).to(images.dtype) for m in (fine, self.tokens(fine)))
        return next(maps), next(maps)


def grid_shape(camera: Camera, stride: int) -> tuple[int, int]:
    """Rows and columns of cells of the given stride (px) that a frame of the camera becomes."""
    return -(-camera.height // stride), -(-camera.width // stride)


def cell_points(camera: Camera, stride: int, height: float) -> Tensor:
    """World points under the cells' centres.

    Args:
        camera: the camera of the frames.
        stride: px per cell.
        height: height of the plane, world frame, m.

    Returns:
        (rows * columns, 3) float32, world frame, m; cells that look above the horizon are pulled to it.
    """
    rows, columns = grid_shape(camera, stride)
    v, u = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    pixels = torch.stack([u, v], -1).reshape(-1, 2).numpy() * stride
    return torch.as_tensor(camera.unproject(pixels, height), dtype=torch.float32).clamp(-2.0, 2.0)


def cell_index(camera: Camera, stride: int, pixels: Tensor) -> Tensor:
    """Number of the cell that holds a pixel.

    Args:
        camera: the camera of the frames.
        stride: px per cell.
        pixels: (..., 2) continuous (u, v), px.

    Returns:
        (...) int64; -1 where the pixel is outside the frame or not finite.
    """
    rows, columns = grid_shape(camera, stride)
    u, v = pixels.nan_to_num(-1.0).unbind(-1)
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    cell = (v / stride).long().clamp(0, rows - 1) * columns + (u / stride).long().clamp(0, columns - 1)
    return torch.where(inside, cell, torch.full_like(cell, -1))
