# SPDX-License-Identifier: Apache-2.0
"""Changes of a sample that keep its geometry true: what is drawn and what is projected move together.

Mirroring and shifting change the camera or the scene before questions are asked, so that truth, words and targets
follow by themselves; the lighting changes touch pixels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from PIL import ImageColor

from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec
from swm_core.errors import ConfigError
from swm_core.scene import SceneState

HUE_GAP = 18.0  # degrees that an unnamed hue keeps from every named one
HUE_REACH = 35.0  # degrees from a named hue at which pixels are still of that colour
SATURATION = 0.33  # of the greyest pixels that are of a colour
BACKDROP_ANGLE = 0.16  # rad between colours (as directions in RGB) that are the backdrop's
BACKDROP_LIGHT = (0.35, 2.0)  # how light its pixels are, as shares of its median
MIRRORED_ACTIONS = ("dy", "dyaw", "droll")  # what changes sign when world y does


@dataclass(frozen=True)
class Augmentation:
    """How much a sample may be changed; the default changes nothing.

    Attributes:
        mirror: probability of showing the scene mirrored left-right (world y negated).
        shift_px: largest shift of the frame to each side, px. Targets in the world stay: the camera has moved.
        brightness: largest addition to all channels, in 0..1 of the full range.
        contrast: largest relative change of the distance from mid-grey.
        gain: largest relative change of each channel by itself.
        noise: standard deviation of pixel noise, in 0..1 of the full range.
        recolour: probability, of each colour, of showing its things in a hue that no word names; no question names
            them then, but what else they are ("cube") is still to be seen.
        backdrop: probability of showing what is of the frame's most common colour, as a rule table or floor, in
            another.
    """

    mirror: float = 0.0
    shift_px: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    recolour: float = 0.0
    backdrop: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is negative or above 1 (the shift: not a whole number of at least 0).
        """
        for name in ("mirror", "brightness", "contrast", "gain", "noise", "recolour", "backdrop"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"augmentation {name} is {getattr(self, name)}; it must be within 0 and 1")
        if self.shift_px < 0 or self.shift_px != int(self.shift_px):
            raise ConfigError(f"augmentation shift_px is {self.shift_px}; it must be a whole number of at least 0")


def check_mirror(spec: EnvironmentSpec) -> None:
    """Make sure that an environment may be mirrored.

    Raises:
        ConfigError: it does not declare itself mirror-symmetric, or its camera does not see y and -y alike.
    """
    if not spec.mirror_symmetric:
        raise ConfigError(f"environment {spec.name} is not declared mirror-symmetric; set mirror to 0")
    points = np.array([[0.3, 0.1, 0.0], [0.5, -0.2, 0.03]])
    seen, mirrored = spec.camera.project(points), spec.camera.project(points * (1.0, -1.0, 1.0))
    if not np.allclose(mirrored, (spec.camera.width, 0.0) + seen * (-1.0, 1.0), atol=1e-3):
        raise ConfigError(f"the camera of {spec.name} does not see world y and -y as left and right of its middle")


def mirror_scenes(scenes: SceneState) -> SceneState:
    """The scenes with world y negated; yaws as for objects symmetric about their own y axis."""
    flip = np.array([1.0, -1.0, 1.0])
    moved = {name: getattr(scenes, name) * flip for name in ("positions", "effector", "fingers")}
    return replace(scenes, yaws=np.pi - scenes.yaws, **moved)


def mirror_actions(actions: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(..., A) actions with those dimensions negated that change sign with world y."""
    signs = [-1.0 if name in MIRRORED_ACTIONS else 1.0 for name in names]
    return actions * np.array(signs, actions.dtype)


def mirror_image(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) frame flipped left-right."""
    return np.ascontiguousarray(image[:, ::-1])


def shift_image(image: np.ndarray, camera: Camera, right: int, down: int) -> tuple[np.ndarray, Camera]:
    """Move a frame's content, and the camera's principal point with it; border pixels are repeated.

    Args:
        image: (H, W, 3) uint8.
        camera: that took it.
        right: px.
        down: px.

    Returns:
        frame of the same shape, and the camera whose projection fits it.
    """
    height, width = image.shape[:2]
    top, left, bottom, beyond = max(down, 0), max(right, 0), max(-down, 0), max(-right, 0)
    kept = image[bottom : height - top, beyond : width - left]
    moved = cv2.copyMakeBorder(kept, top, bottom, left, beyond, cv2.BORDER_REPLICATE)
    u, v = camera.centre
    return moved, replace(camera, principal=(float(u) + right, float(v) + down))


@lru_cache(maxsize=4)
def _noise_bank(scale: float, size: int) -> np.ndarray:
    """Noise to cut pieces from: drawing it afresh for every frame costs more than decoding the frame."""
    return np.random.default_rng(0).normal(0.0, 255.0 * scale, 2 * size).astype(np.int16)


def relight(image: np.ndarray, change: Augmentation, random: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, colour gain and noise within the limits.

    Args:
        image: (H, W, 3) uint8.
        change: the limits.
        random: source of the draws.

    Returns:
        (H, W, 3) uint8.
    """
    draws = random.uniform(-1.0, 1.0, 5)
    gains = (1.0 + change.contrast * draws[0]) * (1.0 + change.gain * draws[1:4])
    levels = np.arange(256.0)[:, None]
    table = (levels - 127.5) * gains + 127.5 + 255.0 * change.brightness * draws[4]
    image = cv2.LUT(image, np.clip(table + 0.5, 0, 255).astype(np.uint8)[:, None])
    if change.noise:
        bank = _noise_bank(change.noise, image.size)
        start = int(random.integers(image.size))
        image = cv2.add(image, bank[start : start + image.size].reshape(image.shape), dtype=cv2.CV_8U)
    return image


@lru_cache
def colour_hues(words: tuple[str, ...]) -> dict[str, float]:
    """Hue in degrees of those words that name a colour in CSS; grey ones are left out."""
    hues = {}
    for word in words:
        try:
            red, green, blue = ImageColor.getrgb(word)[:3]
        except ValueError:
            continue
        hue, saturation, _ = cv2.cvtColor(np.array([[[red, green, blue]]], np.float32) / 255.0, cv2.COLOR_RGB2HSV)[0, 0]
        if saturation > SATURATION:
            hues[word] = float(hue)
    return hues


def hue_distance(a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """Degrees between hues, 0..180."""
    return np.abs((a - b + 180.0) % 360.0 - 180.0)


def recolour(
    image: np.ndarray, colours: Sequence[str], hues: dict[str, float], random: np.random.Generator
) -> np.ndarray:
    """Show what is of some colours in hues that are none of the named ones.

    Args:
        image: (H, W, 3) uint8 RGB.
        colours: words of `hues`.
        hues: degrees, of all named colours.
        random: source of the new hues.

    Returns:
        (H, W, 3) uint8.
    """
    named = np.array(list(hues.values()), np.float32)
    free = np.arange(0.0, 360.0)
    free = free[hue_distance(free[:, None], named).min(1) >= HUE_GAP]
    hsv = cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_RGB2HSV)
    distances = hue_distance(hsv[..., :1], named)
    nearest = np.where((hsv[..., 1] > SATURATION) & (distances.min(-1) < HUE_REACH), distances.argmin(-1), -1)
    turns = np.zeros(len(named) + 1, np.float32)  # the last: what is of no colour
    for colour in colours:
        turns[list(hues).index(colour)] = random.choice(free) - hues[colour]
    turn = turns[nearest]
    hsv[..., 0] = (hsv[..., 0] + turn) % 360.0
    changed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255.0 + 0.5
    return np.where(turn[..., None] != 0.0, changed.astype(np.uint8), image)


def repaint_backdrop(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Show what is of the frame's most common colour in another: any hue, from grey to strong, from dark to light.

    Its light and dark parts stay so, with more or less contrast between them.

    Args:
        image: (H, W, 3) uint8 RGB.
        random: source of the new colour.

    Returns:
        (H, W, 3) uint8.
    """
    pixels = image.astype(np.float32)
    middle = np.median(pixels[::4, ::4].reshape(-1, 3), 0)
    lightness, light = pixels.max(-1), max(float(middle.max()), 1.0)
    lengths = np.linalg.norm(pixels, axis=-1) * max(float(np.linalg.norm(middle)), 1.0)
    alike = pixels @ middle > np.cos(BACKDROP_ANGLE) * lengths
    low, high = BACKDROP_LIGHT
    backdrop = alike & (lightness > low * light) & (lightness < high * light)
    hsv = np.array([[[random.uniform(0.0, 360.0), random.uniform(0.0, 0.8), random.uniform(0.12, 0.75)]]], np.float32)
    colour = 255.0 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
    shade = (lightness[backdrop] / light) ** random.uniform(0.4, 1.5)
    changed = image.copy()
    changed[backdrop] = np.clip(shade[:, None] * colour + 0.5, 0, 255).astype(np.uint8)
    return changed
