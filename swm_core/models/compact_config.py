# SPDX-License-Identifier: Apache-2.0
"""Everything that the shapes and the geometry of a compact model depend on."""

from __future__ import annotations

from dataclasses import dataclass

from swm_core.camera import Camera
from swm_core.errors import ConfigError
from swm_core.tasks.words import tokenize

LARGEST = {"width": 4096, "layers": 64, "action_layers": 64, "heads": 64, "fine_width": 4096, "horizon": 1000}


@dataclass(frozen=True)
class CompactConfig:
    """Everything that the shapes and the geometry of a compact model depend on.

    Attributes:
        vocabulary: the words it reads; other words are read as unknown.
        names: the things that are looked for in every frame, whether a question names them or not ("red moon").
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
        dilations: of the fine map's residual blocks; larger ones see more of the frame around a cell.
        gripper: whether the effector is a gripper, whose opening is then read from the frame.
    """

    vocabulary: tuple[str, ...]
    names: tuple[str, ...]
    effector_words: tuple[str, ...]
    camera: Camera
    action_scale: tuple[float, ...]
    action_axes: tuple[int, ...]
    origin: tuple[float, float, float]
    table_height: float = 0.0
    width: int = 192
    layers: int = 3
    action_layers: int = 2
    heads: int = 6
    fine_width: int = 128
    horizon: int = 20
    dilations: tuple[int, ...] = (1, 2, 1)
    gripper: bool = False

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: sizes below 1 or absurdly large, widths that do not divide, or names without a word.
        """
        sizes = {name: getattr(self, name) for name in LARGEST}
        sizes |= {"vocabulary": len(self.vocabulary), "names": len(self.names)}
        sizes["camera"] = max(self.camera.width, self.camera.height)
        for name, size in sizes.items():  # before anything is allocated for them
            if not 1 <= size <= LARGEST.get(name, 10_000):
                raise ConfigError(f"{name} of size {size}: allowed are 1 to {LARGEST.get(name, 10_000)}")
        if not 1 <= len(self.dilations) <= 64 or not all(1 <= dilation <= 64 for dilation in self.dilations):
            raise ConfigError(f"dilations {self.dilations}: 1 to 64 are allowed, each of 1 to 64")
        if not all(map(tokenize, self.names)):
            raise ConfigError(f"names without a word: {self.names}")
        if self.action_layers > self.layers:
            raise ConfigError(f"action_layers {self.action_layers} of {self.layers} layers")
        if self.width % self.heads or self.fine_width % 8:
            raise ConfigError(
                f"width {self.width} must divide by heads {self.heads}, fine_width {self.fine_width} by 8"
            )
        if len(self.action_scale) != len(self.action_axes) or min(self.action_scale) <= 0:
            raise ConfigError("action_scale and action_axes need one entry per action dimension, scales above 0")
