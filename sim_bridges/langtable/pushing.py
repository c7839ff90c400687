# SPDX-License-Identifier: Apache-2.0
"""How a round peg pushes a block: round to its far side, push from behind, steer, begin again when it slips."""

from __future__ import annotations

import numpy as np

from sim_bridges.langtable.routes import route
from sim_bridges.langtable.specification import ACTION_LIMIT, WORKSPACE_HIGH, WORKSPACE_LOW

FREE_SPEED = 0.03  # m per step: the original's oracle moves at 0.30 m/s in free space,
NEAR_SPEED = 0.035  # and at 0.35 m/s among blocks, scaled down by the distance left to its next subgoal,
_NEAR_SCALES = ((0.02, 0.2), (0.04, 0.3), (0.06, 0.4), (0.08, 0.5), (0.10, 0.6))
SUBGOAL_GAP = 0.035  # m; which it sets about this far apart while it pushes,
WAY_GAP = 0.038  # m; and while it goes round
FREE_DISTANCE = 0.12  # m to the nearest block: free space
BEHIND = 0.05  # m from the block's centre to the point where a push begins
AT_START = 0.004  # m from that point at which the push begins, whichever way the peg then stands
AIM_BEHIND = 0.01  # m behind the centre: what the peg aims at while it pushes
CLEARANCE = 0.045  # m between the peg and the centres of blocks that it goes round
BLOCK_CLEARANCE = 0.06  # m between centres when a block is pushed past others
EDGE = 0.055  # m; blocks are kept this far inside the workspace, so that the peg can get behind them
_REPLAN = 5  # steps between two searches for a way


def toward(start: np.ndarray, goal: np.ndarray, speed: float) -> np.ndarray:
    """(2,) step from start to goal, at most `speed` long."""
    gap = goal - start
    length = float(np.linalg.norm(gap))
    return gap if length <= speed else gap * (speed / length)


def near_speed(distance: float) -> float:
    """Step length among blocks, m, for the distance left to the subgoal."""
    return NEAR_SPEED * next((scale for limit, scale in _NEAR_SCALES if distance < limit), 0.6)


class Walker:
    """Moves the peg to a point round the blocks, searching for the way only now and then."""

    def __init__(self) -> None:
        """Begin without a way."""
        self._path = np.zeros((0, 2))
        self._age = _REPLAN

    def step(self, peg: np.ndarray, goal: np.ndarray, obstacles: np.ndarray, speed: float | None = None) -> np.ndarray:
        """(2,) next step from peg (2,) to goal (2,), past obstacles (N, 2); at the oracle's speed if None is given."""
        if self._age >= _REPLAN or len(self._path) == 0:
            self._path, self._age = route(peg, goal, obstacles, CLEARANCE), 0
        self._age += 1
        self._path[-1] = goal
        while len(self._path) > 1 and np.linalg.norm(self._path[0] - peg) < 0.008:
            self._path = self._path[1:]
        if speed is None:
            free = len(obstacles) == 0 or np.linalg.norm(obstacles - peg, axis=1).min() > FREE_DISTANCE
            speed = FREE_SPEED if free else near_speed(min(float(np.linalg.norm(goal - peg)), WAY_GAP))
        return toward(peg, self._path[0], speed)


class Pusher:
    """Pushes one block to a point, step by step; holds little but whether it is pushing or going round."""

    def __init__(self, pace: float = 1.0) -> None:
        """Begin by going round; `pace` multiplies the oracle's speed."""
        self.pace = pace
        self._walker = Walker()
        self._pushing = False
        self._subgoal, self._age = np.zeros(2), 0

    def step(self, peg: np.ndarray, block: np.ndarray, goal: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Next action.

        Args:
            peg: (2,) effector command, m.
            block: (2,) centre of the block to push.
            goal: (2,) where its centre should go.
            others: (N, 2) centres of blocks in the way, the goal's own block excepted.

        Returns:
            (2,) float64, m.
        """
        if self._age % _REPLAN == 0 or np.linalg.norm(self._subgoal - block) < SUBGOAL_GAP:
            self._subgoal = route(block, goal, others, BLOCK_CLEARANCE, EDGE)[0]
        self._age += 1
        gap = self._subgoal - block
        heading = gap / max(float(np.linalg.norm(gap)), 1e-9)
        behind = float((block - peg) @ heading)
        sideways = float(abs(heading[0] * (peg - block)[1] - heading[1] * (peg - block)[0]))
        if self._pushing:
            self._pushing = behind > 0.012 and sideways < 0.02
        else:
            self._pushing = behind > 0.028 and sideways < 0.008
        start = np.clip(block - BEHIND * heading, WORKSPACE_LOW, WORKSPACE_HIGH)
        if self._pushing or np.linalg.norm(start - peg) < AT_START:
            speed = near_speed(min(float(np.linalg.norm(gap)), SUBGOAL_GAP))
            return toward(peg, block - AIM_BEHIND * heading, self.pace * speed)
        return self.pace * self._walker.step(peg, start, np.concatenate([block[None], others]))


def clip_action(action: np.ndarray) -> np.ndarray:
    """(2,) float32 action inside the bounds."""
    return np.clip(action, -ACTION_LIMIT, ACTION_LIMIT).astype(np.float32)
