# SPDX-License-Identifier: Apache-2.0
"""The fixed numbers of the cube world: objects, workspace, control, camera, backgrounds, and the specification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec
from swm_core.errors import ConfigError

Colour = tuple[float, float, float]

CUBES = ("red cube", "blue cube", "yellow cube", "green cube")
OBJECT_SETS = {"CUBE_4": CUBES, "CUBE_3": CUBES[:3], "CUBE_2": CUBES[:2], "CUBE_1": CUBES[:1]}  # first: the default
CUBE_SIZE = 0.04  # m, edge
WORKSPACE_LOW, WORKSPACE_HIGH = (0.25, -0.35, 0.02), (0.6, 0.35, 0.35)  # where the package lets the gripper go, m

CONTROL_RATE = 10  # Hz (paper A.3.1; the package's own default is 20)
EPISODE_STEPS = 200  # paper A.3.1
ACTION_LIMITS = (0.05, 0.05, 0.05, 0.3, 1.0)  # m, m, m, rad and share of the gripper's range that an action of 1 means

WIDTH, HEIGHT = 244, 224  # px (paper A.3.1)
FIELD_OF_VIEW_DEG = 45.0  # vertical
CAMERA_NAME = "front_pixels"  # the package's camera for observations in pixels


def _camera() -> Camera:
    """The package's camera: its centre and its image axes x (right) and y (up), the latter made orthogonal."""
    right, up = np.array([0.0, 1.0, 0.0]), np.array([-0.628, 0.001, 0.778])
    up -= right * (right @ up)
    up /= np.linalg.norm(up)
    axes = (right, -up, np.cross(right, -up))
    rotation = tuple((float(x), float(y), float(z)) for x, y, z in axes)
    focal = HEIGHT / 2 / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
    return Camera(WIDTH, HEIGHT, focal, (1.053, -0.014, 0.639), rotation)


CAMERA = _camera()


@dataclass(frozen=True)
class Background:
    """Colours of everything that is neither robot nor cube, RGB in 0..1.

    Attributes:
        floor: one colour of the checkered floor.
        tile: the other.
        lines: of the lines between the tiles.
        sky: above the horizon.
    """

    floor: Colour
    tile: Colour
    lines: Colour
    sky: Colour


# The first is the package's own; data is collected with it. The others are for evaluation out of the domain (paper
# Sec. 4.1): cubes and gripper are still well seen before them.
BACKGROUNDS = MappingProxyType(
    {
        "slate": Background((0.08, 0.11, 0.16), (0.15, 0.18, 0.25), (0.8, 0.8, 0.8), (0.15, 0.18, 0.25)),
        "pine": Background((0.04, 0.15, 0.12), (0.08, 0.23, 0.18), (0.8, 0.8, 0.8), (0.10, 0.25, 0.20)),
        "umber": Background((0.24, 0.15, 0.08), (0.34, 0.23, 0.14), (0.8, 0.8, 0.8), (0.28, 0.18, 0.10)),
        "ash": Background((0.45, 0.45, 0.45), (0.58, 0.58, 0.58), (0.1, 0.1, 0.1), (0.70, 0.70, 0.70)),
    }
)
DEFAULT_BACKGROUND = next(iter(BACKGROUNDS))


def find_background(name: str) -> Background:
    """The background of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in BACKGROUNDS:
        raise ConfigError(f"no background {name!r}; known: {', '.join(BACKGROUNDS)}")
    return BACKGROUNDS[name]


def validate_objects(objects: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple.

    Raises:
        ConfigError: none, an unknown one, or one twice.
    """
    names = tuple(objects)
    unknown = [name for name in names if name not in CUBES]
    if unknown or not names or len(set(names)) != len(names):
        raise ConfigError(f"objects must be one or more of {', '.join(CUBES)}, each once; got {names}")
    return names


SPECIFICATION = EnvironmentSpec(
    name="ogbench",
    action_names=("dx", "dy", "dz", "dyaw", "gripper"),
    action_low=tuple(-limit for limit in ACTION_LIMITS),
    action_high=ACTION_LIMITS,
    action_units=("m", "m", "m", "rad", "1"),
    control_period=1 / CONTROL_RATE,
    episode_steps=EPISODE_STEPS,
    camera=CAMERA,
    workspace_low=WORKSPACE_LOW,
    workspace_high=WORKSPACE_HIGH,
    effector_word="robotic gripper",
    object_sets=OBJECT_SETS,
    max_object_size=CUBE_SIZE * math.sqrt(2),
    table_height=0.0,
    mirror_symmetric=False,  # the arm bends to one side, and the camera stands 14 mm beside the middle
    fingers=2,
)
