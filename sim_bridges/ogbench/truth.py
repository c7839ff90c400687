# SPDX-License-Identifier: Apache-2.0
"""The scene state of a MuJoCo simulation: poses, contacts, what the fingers press on, gaps; without touching it.

After a step, MuJoCo's contacts and sites are those of one physics step earlier. Computing them anew in the simulation
itself would change what follows, so it is done in a copy of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from swm_core.scene import SceneState

GAP_LIMIT = 1.0  # m; gaps beyond are not measured
FINGERS = (("ur5e/robotiq/left_pad1", "ur5e/robotiq/left_pad2"), ("ur5e/robotiq/right_pad1", "ur5e/robotiq/right_pad2"))
PINCH = "ur5e/robotiq/pinch"  # the point between the finger tips
DRIVER = "ur5e/robotiq/right_driver_joint"
CLOSED_ANGLE = 0.8  # rad, of the driver joint of a closed gripper


@dataclass(frozen=True)
class _Places:
    """Where things stand in a model: numbers of geoms, of the pinch site, and in qpos."""

    cubes: tuple[int, ...]
    fingers: tuple[tuple[int, ...], ...]
    pinch: int
    driver: int
    poses: tuple[int, ...]


class Truth:
    """Reads the scene of one compiled model."""

    def __init__(self, model: mujoco.MjModel, count: int) -> None:
        """Find `count` cubes and the gripper in the model."""
        self._model, self._data = model, mujoco.MjData(model)
        cubes = tuple(model.geom(f"object_{i}").id for i in range(count))
        fingers = tuple(tuple(model.geom(name).id for name in finger) for finger in FINGERS)
        poses = tuple(int(model.joint(f"object_joint_{i}").qposadr[0]) for i in range(count))
        driver = int(model.joint(DRIVER).qposadr[0])
        self._at = _Places(cubes, fingers, model.site(PINCH).id, driver, poses)

    def instant(self, data: mujoco.MjData) -> mujoco.MjData:
        """A simulation's state with places and contacts of this instant; valid until the next call.

        Args:
            data: the simulation's own; not changed.
        """
        there = self._data
        there.qpos[:], there.qvel[:] = data.qpos, data.qvel
        there.mocap_pos[:], there.mocap_quat[:] = data.mocap_pos, data.mocap_quat
        mujoco.mj_fwdPosition(self._model, there)
        return there

    def scene(self, names: Sequence[str], data: mujoco.MjData) -> SceneState:
        """The scene state of a simulation.

        Args:
            names: of the cubes, in the model's order.
            data: the simulation's state; not changed.
        """
        there, at = self.instant(data), self._at
        contacts, fingers = self._contacts()
        return SceneState(
            tuple(names),
            np.array([there.qpos[i : i + 3] for i in at.poses]),
            np.array([_yaw(there.qpos[i + 3 : i + 7]) for i in at.poses]),
            there.site_xpos[at.pinch].copy(),
            contacts,
            np.clip(there.qpos[at.driver] / CLOSED_ANGLE, 0.0, 1.0),
            fingers,
            self._gaps(contacts),
        )

    def _contacts(self) -> tuple[np.ndarray, np.ndarray]:
        """Who touches whom, (N+1, N+1) bool, and in which direction each finger presses on each cube, (F, N, 3)."""
        at, count = self._at, len(self._at.cubes)
        cubes = {geom: i for i, geom in enumerate(at.cubes)}
        owners = {geom: f for f, finger in enumerate(at.fingers) for geom in finger}
        touching, pushes = np.zeros((count + 1, count + 1), bool), np.zeros((len(at.fingers), count, 3))
        for contact in self._data.contact[: self._data.ncon]:
            if contact.dist > 0.0:
                continue
            first, second = (int(geom) for geom in contact.geom)
            if first in cubes and second in cubes:
                touching[cubes[first], cubes[second]] = touching[cubes[second], cubes[first]] = True
            for geom, other, sign in ((first, second, 1.0), (second, first, -1.0)):
                if geom in owners and other in cubes:
                    touching[-1, cubes[other]] = touching[cubes[other], -1] = True
                    pushes[owners[geom], cubes[other]] += sign * contact.frame[:3]  # the normal, from first to second
        lengths = np.linalg.norm(pushes, axis=-1, keepdims=True)
        return touching, pushes / np.where(lengths > 0.0, lengths, 1.0)

    def _gaps(self, contacts: np.ndarray) -> np.ndarray:
        """(N,) least distance between a finger and each cube, m."""
        at = self._at
        pads = [geom for finger in at.fingers for geom in finger]
        gaps = [
            min(mujoco.mj_geomDistance(self._model, self._data, pad, cube, GAP_LIMIT, None) for pad in pads)
            for cube in at.cubes
        ]
        return np.where(contacts[-1, :-1], 0.0, np.maximum(gaps, 0.0))


def _yaw(quaternion: np.ndarray) -> float:
    """Direction of the x axis of a turned body (w, x, y, z), about the world's z, rad."""
    w, x, y, z = quaternion
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
