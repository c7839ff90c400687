# SPDX-License-Identifier: Apache-2.0
"""The guard's geometry: how a velocity is reduced to stay within rates of change, a workspace, and out of boxes.

Each function only ever reduces: no component grows or changes its sign, so that what one has ensured the next keeps.
The effector is somewhere in a hull, an axis-aligned box (a point where its place is known exactly).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

Box = tuple[np.ndarray, np.ndarray]  # lowest and highest corner, each (3,) m


class Way:
    """The way made within the last time, by dead reckoning."""

    def __init__(self, span: float) -> None:
        """Stand.

        Args:
            span: how long it is remembered, s.
        """
        self.span = span
        self._made: deque[tuple[float, np.ndarray]] = deque([(0.0, np.zeros(3))])  # at a time, s, since the start, m

    def go_on(self, now: float, step: np.ndarray) -> None:
        """Add a (3,) step, m, made evenly since the last time; at a time, s."""
        self._made.append((now, self._made[-1][1] + step))
        while len(self._made) > 1 and self._made[1][0] <= now - self.span:
            self._made.popleft()

    def since(self, now: float) -> Box:
        """Lowest and highest way, each (3,) m, made since any moment within the span before a time, s."""
        times = np.array([at for at, _ in self._made])
        places = np.array([place for _, place in self._made])
        begin = [np.interp(now - self.span, times, places[:, axis]) for axis in range(3)]
        ways = places[-1] - np.vstack([begin, places[times >= now - self.span], places[-1]])
        return ways.min(0), ways.max(0)


def limit_speed(wanted: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Cut speeds to +-most; one that is above by a rounding error stays as it is."""
    return np.where(np.abs(wanted) > most * (1 + 1e-6), np.clip(wanted, -most, most), wanted)


def limit_change(
    wanted: np.ndarray,
    previous: np.ndarray,
    rise: np.ndarray,
    elapsed: float,
    acceleration: np.ndarray,
    jerk: np.ndarray,
) -> np.ndarray:
    """Limit how fast speed grows, and how fast that growth grows; slowing down and stopping are never limited.

    Args:
        wanted: (6,) velocity asked, m/s and rad/s.
        previous: (6,) velocity of the last command.
        rise: (6,) acceleration with which the last command's speed grew, signed; 0 where it did not.
        elapsed: time since the last command, s.
        acceleration: (6,) largest acceleration.
        jerk: (6,) largest growth of acceleration, per s.

    Returns:
        (6,) velocity. A reversal that cannot be completed goes to rest, never on in the old direction.
    """
    side = np.sign(wanted)
    growth = np.minimum(acceleration, np.maximum(side * rise, 0.0) + jerk * elapsed) * elapsed
    return side * np.clip(side * previous + growth, 0.0, side * wanted)


def rise_of(velocity: np.ndarray, previous: np.ndarray, elapsed: float) -> np.ndarray:
    """(6,) acceleration with which speed grew from one command to the next; 0 where it did not."""
    if elapsed <= 0:
        return np.zeros_like(velocity)
    grew = (np.abs(velocity) > np.abs(previous)) | (velocity * previous < 0)
    return np.where(grew, (velocity - previous) / elapsed, 0.0)


def stay_inside(velocity: np.ndarray, hull: Box, workspace: Box, horizon: float) -> np.ndarray:
    """Cut motion that would leave the workspace within a time; outside of it, only the way back is open.

    Args:
        velocity: (3,) m/s.
        hull: where the effector may be.
        workspace: where it must stay.
        horizon: time for which the velocity may act, s.
    """
    up = np.maximum((workspace[1] - hull[1]) / horizon, 0.0)
    down = np.minimum((workspace[0] - hull[0]) / horizon, 0.0)
    return np.clip(velocity, down, up)


def stay_out(velocity: np.ndarray, hull: Box, boxes: Sequence[Box], horizon: float) -> np.ndarray:
    """Cut motion that would enter a keep-out box within a time, so that it slides along the face that it would meet.

    Args:
        velocity: (3,) m/s.
        hull: where the effector may be.
        boxes: where it must not be. From within one, only motion to the nearest face is open.
        horizon: time for which the velocity may act, s.
    """
    for _ in range(3 * len(boxes) + 1):  # each round that changes something lowers one axis to one box's distance
        before = velocity
        for box in boxes:
            velocity = _stay_out_of_one(velocity, hull, box, horizon)
        if np.array_equal(before, velocity):
            return velocity
    return np.zeros_like(velocity)


def _stay_out_of_one(velocity: np.ndarray, hull: Box, box: Box, horizon: float) -> np.ndarray:
    near, far = box[0] - hull[1], box[1] - hull[0]  # ways along each axis to the first touch and to the last
    if np.all((near < 0) & (far > 0)):
        up = far <= -near
        axis = int(np.argmin(np.where(up, far, -near)))
        outwards = max(velocity[axis], 0.0) if up[axis] else min(velocity[axis], 0.0)
        return np.where(np.arange(3) == axis, outwards, 0.0)
    moving = velocity != 0
    safe = np.where(moving, velocity, 1.0)
    overlaps = (near < 0) & (far > 0)
    with np.errstate(over="ignore"):  # a time too long for a number is infinite, which is right
        enter = np.where(moving, np.where(velocity > 0, near, far) / safe, np.where(overlaps, -np.inf, np.inf))
        leave = np.where(moving, np.where(velocity > 0, far, near) / safe, np.where(overlaps, np.inf, -np.inf))
    axis = int(np.argmax(enter))
    if not (enter[axis] < min(np.min(leave), horizon) and np.min(leave) > 0):
        return velocity
    way = max(near[axis], 0.0) if velocity[axis] > 0 else min(far[axis], 0.0)
    return np.where(np.arange(3) == axis, way / horizon * (1 - 1e-9), velocity)
