# SPDX-License-Identifier: Apache-2.0
"""Speed of the Language-Table simulation, as a ratio to what the engine does in the original.

How: both worlds live in this process and take turns, so that both see the same machine at the same time; a
round is ten steps of each, and the median over the rounds' ratios is reported, of processor time. The original
is represented by what it asks of pybullet and nothing of its own Python: 16 blocks as bodies with rolling
friction of which eight lie in use and eight on one spot, the whole arm with its collision shapes, the peg as a
body of two links held by a constraint and colliding with the wrist, the checkered plane, one inverse kinematics
of 100 iterations and 24 physics steps per action, and a frame of all of it by the tiny renderer. Its blocks
here have our meshes, which are simpler than its own; its real cost is therefore higher, and the ratio is a
lower bound. Ours is the whole of `LangTableEnv.step`, scene state included.

    OMP_NUM_THREADS=1 python benchmarks/langtable_speed.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pybullet
import pybullet_data
from pybullet_utils.bullet_client import BulletClient

from sim_bridges.langtable import blocks, specification
from sim_bridges.langtable.arm import INITIAL_JOINTS
from sim_bridges.langtable.env import LangTableEnv

PEG_URDF = """<robot name="peg">
<link name="holder"><inertial><mass value="0.1"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><origin xyz="0 0 0.015"/><geometry><cylinder radius="0.005" length="0.03"/></geometry></collision></link>
<link name="tip"><inertial><mass value="0.1"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<visual><geometry><cylinder radius="0.0127" length="0.135"/></geometry></visual>
<collision><geometry><cylinder radius="0.0127" length="0.135"/></geometry></collision></link>
<joint name="fixed" type="fixed"><parent link="holder"/><child link="tip"/><origin xyz="0 0 0.029"/></joint></robot>"""


class OriginalWork:
    """What the original asks of pybullet per step and per frame."""

    def __init__(self, layout: list[tuple[float, float, float]], peg: np.ndarray) -> None:
        """Build the table with eight blocks at (x, y, yaw), eight parked, and the peg over (2,) m."""
        p = self._client = BulletClient(pybullet.DIRECT)
        self._command = peg.copy()
        data = Path(pybullet_data.getDataPath())
        p.setGravity(0, 0, -9.8)
        p.loadURDF(str(data / "plane.urdf"), basePosition=[0, 0, -0.001])
        board = p.createVisualShape(pybullet.GEOM_BOX, halfExtents=[0.2286, 0.3048, 1e-4], rgbaColor=[0.2, 0.2, 0.2, 1])
        p.createMultiBody(0, -1, board, [0.35, 0, 0])
        self._arm = p.loadURDF(str(data / "xarm" / "xarm6_robot_white.urdf"), useFixedBase=True)
        infos = [p.getJointInfo(self._arm, joint) for joint in range(p.getNumJoints(self._arm))]
        self._joints = [info[0] for info in infos if info[2] == pybullet.JOINT_REVOLUTE]
        for joint, angle in zip(self._joints, INITIAL_JOINTS, strict=True):
            p.resetJointState(self._arm, joint, angle)
        self._hold_peg()
        parked = [(5.0, 5.0, 0.0)] * 8
        names = blocks.ALL_BLOCKS[:16]
        for name, (x, y, yaw) in zip(names, [*layout, *parked], strict=True):
            self._add_block(name, x, y, yaw)
        for _ in range(8):
            self.step(np.zeros(2))

    def _hold_peg(self) -> None:
        p = self._client
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "peg.urdf"
            path.write_text(PEG_URDF)
            peg = p.loadURDF(str(path))
        state = p.getLinkState(self._arm, self._joints[-1], computeForwardKinematics=1)
        p.resetBasePositionAndOrientation(peg, state[4], state[5])
        held = p.createConstraint(
            self._arm, self._joints[-1], peg, -1, pybullet.JOINT_FIXED, [0, 0, 0], [0, 0, 0], [0, 0, 0]
        )
        p.changeConstraint(held, maxForce=1000)

    def _add_block(self, name: str, x: float, y: float, yaw: float) -> None:
        p, (colour, shape) = self._client, name.split()
        mesh = blocks.visual_mesh(shape)
        collision = p.createCollisionShape(pybullet.GEOM_MESH, vertices=blocks.hull_points(shape).tolist())
        visual = p.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=mesh.vertices.tolist(),
            indices=mesh.faces.ravel().tolist(),
            normals=mesh.normals.tolist(),
            rgbaColor=blocks.COLOURS[colour],
        )
        body = p.createMultiBody(blocks.MASS, collision, visual, [x, y, 0], p.getQuaternionFromEuler([0, 0, yaw]))
        p.changeDynamics(body, -1, lateralFriction=0.5, rollingFriction=1e-4, restitution=0, collisionMargin=0.001)

    def step(self, action: np.ndarray) -> None:
        """One action (2,) m: inverse kinematics, motors, 24 physics steps."""
        p = self._client
        self._command = np.clip(self._command + action, specification.WORKSPACE_LOW, specification.WORKSPACE_HIGH)
        joints = [state[0] for state in p.getJointStates(self._arm, self._joints)]
        targets = p.calculateInverseKinematics(
            self._arm,
            self._joints[-1],
            [*self._command, specification.EFFECTOR_HEIGHT],
            [0, 1, 0, 0],
            lowerLimits=[-17] * 6,
            upperLimits=[17] * 6,
            jointRanges=[17] * 6,
            restPoses=[0, 0, *joints[2:]],
            maxNumIterations=100,
            residualThreshold=1e-10,
        )
        p.setJointMotorControlArray(self._arm, self._joints, p.POSITION_CONTROL, targets, forces=[1200] * 6)
        for _ in range(specification.STEPS_PER_ACTION):
            p.stepSimulation()

    def render(self) -> np.ndarray:
        """(180, 320, 4) uint8 frame."""
        view = pybullet.computeViewMatrix([0.75, 0, 0.5], [0.1622, 0, -0.309], [-0.809, 0, 0.5878])
        projection = pybullet.computeProjectionMatrixFOV(38.6055, 320 / 180, 0.01, 10)
        image = self._client.getCameraImage(320, 180, view, projection, renderer=pybullet.ER_TINY_RENDERER)
        return np.asarray(image[2])


def processor_time(work: Callable[[np.ndarray], object], actions: np.ndarray) -> float:
    """Processor seconds per action of work over (n, 2) actions."""
    begin = time.process_time()
    for action in actions:
        work(action)
    return (time.process_time() - begin) / len(actions)


@click.command(help=__doc__)
@click.option("--rounds", default=20, show_default=True, help="How often the two take turns.")
def main(rounds: int) -> None:
    """Measure and print times and ratios."""
    env = LangTableEnv(images=False)
    env.reset(seed=0)
    scene = env.scene()
    layout = [(x, y, yaw) for (x, y, _), yaw in zip(scene.positions, scene.yaws, strict=True)]
    theirs = OriginalWork(layout, scene.effector[:2])
    rng = np.random.default_rng(0)
    modes: dict[str, tuple[Callable[[np.ndarray], object], Callable[[np.ndarray], object]]] = {
        "without frame": (env.step, theirs.step),
        "with frame": (lambda a: (env.step(a), env.render()), lambda a: (theirs.step(a), theirs.render())),
    }
    for name, (ours, original) in modes.items():
        pairs = []
        for _ in range(rounds):
            actions = rng.uniform(-0.02, 0.02, (10, 2))
            pairs.append((processor_time(ours, actions), processor_time(original, actions)))
        mine, other = np.median(np.array(pairs), 0) * 1e3
        ratio = np.median([b / a for a, b in pairs])
        click.echo(f"{name:14} ours {mine:6.2f} ms  original's engine work {other:6.2f} ms  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
