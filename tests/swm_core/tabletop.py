# SPDX-License-Identifier: Apache-2.0
"""A small flat-table environment without a physics engine: discs that are pushed when the tool overlaps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from swm_core.camera import Camera
from swm_core.data.collection import CollectionSettings
from swm_core.environment import EnvironmentEntry, EnvironmentSpec
from swm_core.scene import SceneState
from swm_core.tasks.langtable_questions import EFFECTOR_WORDS, LANGTABLE_LOCATE, LANGTABLE_QUESTIONS

RADIUS = 0.02
COLOURS = {"red": (255, 60, 60), "blue": (60, 60, 255), "yellow": (255, 255, 60), "green": (60, 255, 60)}
SPEC = EnvironmentSpec(
    name="tabletop",
    action_names=("dx", "dy"),
    action_low=(-0.03, -0.03),
    action_high=(0.03, 0.03),
    action_units=("m", "m"),
    control_period=0.1,
    episode_steps=40,
    camera=Camera(64, 48, 60.0, (0.375, 0.0, 0.8), ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0))),
    mirror_symmetric=True,
    workspace_low=(0.15, -0.3, 0.0),
    workspace_high=(0.6, 0.3, 0.1),
    effector_word="robotic peg",
    object_sets={
        "FOUR": ("red moon", "blue cube", "green star", "yellow pentagon"),
        "SIX": ("red moon", "blue cube", "green star", "yellow pentagon", "red cube", "blue moon"),
    },
)


class Tabletop:
    """The environment; everything follows from the seed."""

    environment_spec = SPEC

    def __init__(self, images: bool = True) -> None:
        self.images = images
        self.random = np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.names = tuple((options or {}).get("objects", SPEC.object_sets["FOUR"]))
        low, high = np.array([0.25, -0.2]), np.array([0.5, 0.2])
        self.tool = self.random.uniform(low, high)
        self.blocks = self.random.uniform(low, high, (len(self.names), 2))
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.tool = np.clip(self.tool + action, SPEC.workspace_low[:2], SPEC.workspace_high[:2])
        offset = self.blocks - self.tool
        distance = np.linalg.norm(offset, axis=1, keepdims=True).clip(1e-6)
        self.blocks = np.where(distance < 2 * RADIUS, self.tool + offset / distance * 2 * RADIUS, self.blocks)
        return self._observation(), 0.0, False, False, {}

    def _observation(self) -> dict:
        return {"image": self.render()} if self.images else {}

    def render(self) -> np.ndarray:
        image = np.full((SPEC.camera.height, SPEC.camera.width, 3), 47, np.uint8)
        for name, block in zip(self.names, self.blocks, strict=True):
            u, v = SPEC.camera.project(np.array([*block, 0.0]))
            cv2.circle(image, (int(u), int(v)), 2, COLOURS[name.split()[0]], -1)
        u, v = SPEC.camera.project(np.array([*self.tool, 0.0]))
        cv2.circle(image, (int(u), int(v)), 1, (120, 120, 120), -1)
        return image

    def scene(self) -> SceneState:
        points = np.concatenate([self.blocks, self.tool[None]])
        touching = np.linalg.norm(points[:, None] - points[None], axis=-1) < 2 * RADIUS + 1e-6
        np.fill_diagonal(touching, False)
        n = len(self.names)
        positions = np.concatenate([self.blocks, np.zeros((n, 1))], 1)
        return SceneState(self.names, positions, np.zeros(n), np.array([*self.tool, 0.0]), touching, np.array(0.0))

    def close(self) -> None:
        pass


class Chase:
    """Moves to one object and on through it; done on contact."""

    def reset(self, env: Tabletop, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.target = int(self.random.integers(len(env.names)))
        self.done = False
        self.description = f"reach {env.names[self.target]}"

    def act(self, scene: SceneState) -> np.ndarray:
        self.done |= bool(scene.contacts[self.target, -1])
        towards = scene.positions[self.target, :2] - scene.effector[:2] + self.random.normal(0, 0.005, 2)
        return np.float32(0.012 * towards / np.linalg.norm(towards).clip(1e-3))


class Wander:
    """Undirected: a random heading that turns slowly."""

    done = False
    description = "wander"

    def reset(self, env: Tabletop, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.heading = self.random.uniform(0, 2 * np.pi)

    def act(self, scene: SceneState) -> np.ndarray:
        self.heading += self.random.normal(0, 0.4)
        return np.float32([0.02 * np.cos(self.heading), 0.02 * np.sin(self.heading)])


ENTRY = EnvironmentEntry(
    SPEC,
    Tabletop,
    {"chase": Chase, "wander": Wander},
    questions=LANGTABLE_QUESTIONS,
    locate=LANGTABLE_LOCATE,
    effector_words=EFFECTOR_WORDS,
    names=SPEC.object_sets["SIX"],
)

SETTINGS = CollectionSettings("tabletop", SPEC.object_sets["SIX"], steps=30)


def register(folder: Path) -> None:
    """Write package metadata that registers the environment for every process with `folder` on its path."""
    info = folder / "tabletop-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tabletop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[semworld.environments]\ntabletop = tabletop:ENTRY\n")
