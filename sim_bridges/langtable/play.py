# SPDX-License-Identifier: Apache-2.0
"""Undirected play: aimless pushes of blocks, mixed with visits, strolls and pauses, so that everything happens."""

from __future__ import annotations

import numpy as np

from sim_bridges.langtable.pushing import BEHIND, Walker, clip_action, toward
from sim_bridges.langtable.specification import WORKSPACE_HIGH, WORKSPACE_LOW
from swm_core.environment import Environment
from swm_core.scene import SceneState

_KINDS = ("shove", "visit", "stroll", "cross", "pause")
_WEIGHTS = (0.58, 0.14, 0.14, 0.12, 0.02)
_EDGE = 0.05  # m; shoves turn inwards when a block is nearer to the workspace's edge than this
_TIMEOUT = 45  # steps after which any one thing is given up


class Play:
    """A stream of short undertakings, each of random kind, object, direction, length and speed."""

    def __init__(self) -> None:
        """Begin without an episode."""
        self._rng = np.random.default_rng(0)
        self._walker = Walker()
        self._kind, self._age, self._limit = "", 0, 0
        self._noise = np.zeros(2)

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode."""
        self._rng = np.random.default_rng(seed)
        self._begin(env.scene())

    @property
    def done(self) -> bool:
        """Never."""
        return False

    @property
    def description(self) -> str:
        """What it is doing."""
        return "undirected play"

    def act(self, scene: SceneState) -> np.ndarray:
        """(2,) float32 action in m."""
        self._age += 1
        if self._age > self._limit:
            self._begin(scene)
        peg, xy = scene.effector[:2], scene.positions[:, :2]
        step = getattr(self, f"_{self._kind}")(peg, xy)
        if step is None:
            self._begin(scene)
            step = np.zeros(2)
        self._noise = 0.8 * self._noise + self._rng.normal(0.0, 0.0015, 2)
        return clip_action(step + self._noise)

    def _begin(self, scene: SceneState) -> None:
        """Draw the next undertaking."""
        rng, xy = self._rng, scene.positions[:, :2]
        self._kind = str(rng.choice(_KINDS, p=_WEIGHTS))
        self._age, self._noise = 0, np.zeros(2)
        self._limit = {"stroll": int(rng.integers(6, 16)), "pause": int(rng.integers(1, 4))}.get(self._kind, _TIMEOUT)
        self._speed = rng.uniform(0.012, 0.03)
        self._block = int(rng.integers(len(xy)))
        self._angle = rng.uniform(0, 2 * np.pi)
        self._turn = rng.normal(0, 0.12)
        self._left = rng.uniform(0.05, 0.2)
        self._offset = rng.normal(0, 0.006)
        self._goal = rng.uniform(WORKSPACE_LOW, WORKSPACE_HIGH)
        self._pushing = False
        self._walker = Walker()
        if self._kind == "shove":
            self._angle = self._inward(xy[self._block])

    def _inward(self, block: np.ndarray) -> float:
        """A random direction that doesn't push a block over the workspace's edge, where the peg could not fetch it."""
        low, high = block < WORKSPACE_LOW + _EDGE, block > WORKSPACE_HIGH - _EDGE
        heading = np.array([np.cos(self._angle), np.sin(self._angle)])
        heading = np.where(low, np.abs(heading), np.where(high, -np.abs(heading), heading))
        return float(np.arctan2(heading[1], heading[0]))

    def _shove(self, peg: np.ndarray, xy: np.ndarray) -> np.ndarray | None:
        """Go behind a block, then push through it, the direction slowly turning."""
        block = xy[self._block]
        heading = np.array([np.cos(self._angle), np.sin(self._angle)])
        side = np.array([-heading[1], heading[0]])
        if not self._pushing:
            start = np.clip(block - BEHIND * heading + self._offset * side, WORKSPACE_LOW, WORKSPACE_HIGH)
            if np.linalg.norm(start - peg) > 0.012:
                return self._walker.step(peg, start, xy, max(self._speed, 0.02))
            self._pushing = True
        self._angle += self._turn * self._speed / 0.03
        self._left -= self._speed
        if self._left < -BEHIND:
            return None
        return self._speed * heading - 0.1 * ((peg - block) @ side - self._offset) * side

    def _visit(self, peg: np.ndarray, xy: np.ndarray) -> np.ndarray | None:
        """Go to a block until it is about touched."""
        gap = np.linalg.norm(xy[self._block] - peg)
        if gap < 0.03:
            return None
        if gap < 0.06:
            return toward(peg, xy[self._block], min(self._speed, 0.012))
        return self._walker.step(peg, xy[self._block], np.delete(xy, self._block, 0), self._speed)

    def _stroll(self, peg: np.ndarray, _: np.ndarray) -> np.ndarray:
        """Wander, the direction changing smoothly, back towards the middle at the edge."""
        self._turn = 0.8 * self._turn + self._rng.normal(0, 0.15)
        self._angle += self._turn
        if (peg < WORKSPACE_LOW + _EDGE).any() or (peg > WORKSPACE_HIGH - _EDGE).any():
            inward = (WORKSPACE_LOW + WORKSPACE_HIGH) / 2 - peg
            self._angle, self._turn = float(np.arctan2(inward[1], inward[0])) + self._rng.normal(0, 0.5), 0.0
        return self._speed * np.array([np.cos(self._angle), np.sin(self._angle)])

    def _cross(self, peg: np.ndarray, _: np.ndarray) -> np.ndarray | None:
        """Go straight to a point, through whatever stands there."""
        return None if np.linalg.norm(self._goal - peg) < 0.01 else toward(peg, self._goal, self._speed)

    def _pause(self, peg: np.ndarray, _: np.ndarray) -> np.ndarray:
        """Stay."""
        return np.zeros_like(peg)
