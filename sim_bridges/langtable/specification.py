# SPDX-License-Identifier: Apache-2.0
"""The fixed numbers of Language-Table: table, workspace, camera, control, and the environment specification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_bridges.langtable.blocks import OBJECT_SETS
from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec

WORKSPACE_LOW = np.array([0.15, -0.3048])
WORKSPACE_HIGH = np.array([0.6, 0.3048])
SPAWN_MARGIN = 0.08  # blocks and peg start this far inside the workspace

GROUND_HEIGHT = -0.001


@dataclass(frozen=True)
class FlatPicture:
    """A horizontal rectangle that is seen and not felt: two corners and a height in m, and its colour."""

    low: tuple[float, float]
    high: tuple[float, float]
    height: float
    rgba: tuple[float, float, float, float]


# Floor left and right of y = 0, then the board. The original draws an endless checkered plane, of which the camera sees
# these two tiles; two small rectangles are drawn much faster.
FLAT_PICTURES = (
    FlatPicture((-0.3, -0.7), (0.8, 0.0), GROUND_HEIGHT, (0.679, 0.78, 0.939, 1.0)),
    FlatPicture((-0.3, 0.0), (0.8, 0.7), GROUND_HEIGHT, (1.0, 1.0, 1.0, 1.0)),
    FlatPicture((0.1214, -0.3048), (0.5786, 0.3048), 0.0, (0.2, 0.2, 0.2, 1.0)),  # 18 x 24 inch
)

CONTROL_RATE = 10  # Hz
PHYSICS_RATE = 240  # Hz
STEPS_PER_ACTION = PHYSICS_RATE // CONTROL_RATE
ACTION_LIMIT = 0.03  # m per step and axis (paper; the original itself does not clip)
EPISODE_STEPS = 120  # paper, Sec. 5

EFFECTOR_HEIGHT = 0.145  # commanded height of the wrist flange (link 6)
PEG_RADIUS = 0.0127
PEG_LENGTH = 0.135
PEG_BOTTOM = 0.0085  # lower end above the plane

# Optical axes in the world (rows: image right, down, forward): 54 degrees down, image up is -x.
_PITCH = np.pi / 5
CAMERA = Camera(
    width=320,
    height=180,
    focal=0.803 * 320,
    position=(0.75, 0.0, 0.5),
    rotation=(
        (0.0, 1.0, 0.0),
        (float(np.cos(_PITCH)), 0.0, -float(np.sin(_PITCH))),
        (-float(np.sin(_PITCH)), 0.0, -float(np.cos(_PITCH))),
    ),
)
CAMERA_NEAR, CAMERA_FAR = 0.01, 10.0

SPECIFICATION = EnvironmentSpec(
    name="langtable",
    action_names=("dx", "dy"),
    action_low=(-ACTION_LIMIT, -ACTION_LIMIT),
    action_high=(ACTION_LIMIT, ACTION_LIMIT),
    action_units=("m", "m"),
    control_period=1 / CONTROL_RATE,
    episode_steps=EPISODE_STEPS,
    camera=CAMERA,
    workspace_low=(float(WORKSPACE_LOW[0]), float(WORKSPACE_LOW[1]), PEG_BOTTOM),
    workspace_high=(float(WORKSPACE_HIGH[0]), float(WORKSPACE_HIGH[1]), PEG_BOTTOM),
    effector_word="robotic peg",
    object_sets=OBJECT_SETS,
    max_object_size=0.0525,
    table_height=0.0,
    mirror_symmetric=True,
)
