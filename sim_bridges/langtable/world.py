# SPDX-License-Identifier: Apache-2.0
"""The simulated table: plane, board, arm with peg, blocks; moved by commands, asked about contacts, drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pybullet
from pybullet_utils.bullet_client import BulletClient

from sim_bridges.langtable import blocks, specification
from sim_bridges.langtable.arm import INITIAL_JOINTS, arm_description
from sim_bridges.langtable.layout import Layout
from swm_core.errors import BridgeError

CONTACT_DISTANCE = 0.001  # m; bodies at most this far apart are in contact
SETTLE_STEPS = 200
_CONTACT_SIZE = 0.06  # m between centres beyond which no two blocks touch
_MOTOR_FORCE = 1200
_REACH = 0.012  # m; gap below which peg and blocks, or two blocks, count as near
_REST_SPEED = 1e-3  # m/s and rad/s


@dataclass(frozen=True)
class Snapshot:
    """Full state of a world, valid for the world that made it until it is started or built anew."""

    state: int
    command: np.ndarray
    moving: tuple[bool, ...]
    touched: frozenset[int]
    generation: int


class World:
    """One pybullet client with one table; not thread-safe, used from the thread that made it.

    Attributes:
        objects: names of the blocks present.
        command: (2,) float64, commanded effector position, m.
    """

    def __init__(self, objects: tuple[str, ...]) -> None:
        """Build the table with these blocks, the arm at its initial joints."""
        self.objects: tuple[str, ...] = ()
        self.command = np.zeros(2)
        self._client = BulletClient(pybullet.DIRECT)
        self._generation = 0
        self.rebuild(objects)

    def rebuild(self, objects: tuple[str, ...]) -> None:
        """Build the table anew with other blocks; snapshots made before are void."""
        p = self._client
        p.resetSimulation()
        p.setGravity(0, 0, -9.8)
        p.setTimeStep(1 / specification.PHYSICS_RATE)
        p.setPhysicsEngineParameter(enableFileCaching=0, deterministicOverlappingPairs=1)
        ground_picture, *pictures = specification.FLAT_PICTURES
        self._plane = self._add_ground(ground_picture)
        for picture in pictures:
            p.createMultiBody(0, -1, self._picture(picture))
        self._arm = self._add_arm()
        self.objects = blocks.validate_objects(objects)
        self._blocks = [self._add_block(name, index) for index, name in enumerate(self.objects)]
        self._held = [False] * len(self._blocks)
        self._touched: frozenset[int] = frozenset()
        self._radii = np.array([blocks.radius(name.split()[1]) for name in self.objects])
        self._generation += 1

    def _add_ground(self, picture: specification.FlatPicture) -> int:
        """The surface that blocks rest on: a large box, of which a picture is seen (else its sides would be)."""
        half = 100.0, 100.0, 5.0
        base = specification.GROUND_HEIGHT - half[2]
        shape = self._client.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half)
        ground = self._client.createMultiBody(0, shape, self._picture(picture, base), [0, 0, base])
        self._client.changeDynamics(ground, -1, lateralFriction=1.0)
        return ground

    def _picture(self, picture: specification.FlatPicture, base: float = 0.0) -> int:
        """Visual shape of a horizontal rectangle for a body whose origin is at height `base`."""
        (x0, y0), (x1, y1), z = picture.low, picture.high, picture.height - base
        return self._client.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=[[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]],
            indices=[0, 1, 2, 0, 2, 3],
            normals=[[0, 0, 1]] * 4,
            rgbaColor=picture.rgba,
        )

    def _add_arm(self) -> int:
        p = self._client
        arm = p.loadURDF(str(arm_description()), useFixedBase=True)
        infos = [p.getJointInfo(arm, joint) for joint in range(p.getNumJoints(arm))]
        links = {info[12].decode(): info[0] for info in infos}
        self._flange, self._peg = links["link6"], links["peg"]
        self._joints = [info[0] for info in infos if info[2] == pybullet.JOINT_REVOLUTE]
        for joint in range(-1, len(infos)):
            p.changeDynamics(arm, joint, linearDamping=0, angularDamping=0)
        p.setCollisionFilterPair(arm, self._plane, self._peg, -1, 0)
        for joint, angle in zip(self._joints, INITIAL_JOINTS, strict=True):
            p.resetJointState(arm, joint, angle)
        return arm

    def _add_block(self, name: str, index: int) -> int:
        colour, shape = name.split()
        p, mesh = self._client, blocks.visual_mesh(shape)
        collision = p.createCollisionShape(pybullet.GEOM_MESH, vertices=blocks.hull_points(shape).tolist())
        visual = p.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=mesh.vertices.tolist(),
            indices=mesh.faces.ravel().tolist(),
            normals=mesh.normals.tolist(),
            rgbaColor=blocks.COLOURS[colour],
        )
        body = p.createMultiBody(blocks.MASS, collision, visual, [5.0, 5.0 + index, 0.0])
        p.changeDynamics(
            body,
            -1,
            lateralFriction=blocks.LATERAL_FRICTION,
            restitution=0,
            rollingFriction=blocks.ROLLING_FRICTION,
            collisionMargin=blocks.COLLISION_MARGIN,
            localInertiaDiagonal=blocks.bounding_inertia(shape).tolist(),
        )
        return body

    def start(self, layout: Layout) -> None:
        """Begin from a layout: arm at rest over its command, blocks placed and settled for 200 physics steps.

        The table is built anew: the engine keeps contact caches that let an episode depend on those before.
        """
        self.rebuild(self.objects)
        p = self._client
        self.command = layout.peg.copy()
        for _ in range(4):
            for joint, angle in zip(self._joints, self._inverse_kinematics(), strict=True):
                p.resetJointState(self._arm, joint, angle)
        for index, (x, y, yaw) in enumerate(layout.blocks):
            self.place(index, x, y, yaw)
        self._drive(SETTLE_STEPS)
        self._touched = frozenset()

    def place(self, index: int, x: float, y: float, yaw: float) -> None:
        """Put a block upright on the table, at rest."""
        p = self._client
        self._hold_all_but([not held or i == index for i, held in enumerate(self._held)])
        p.resetBasePositionAndOrientation(self._blocks[index], [x, y, 0.0], p.getQuaternionFromEuler([0, 0, yaw]))
        p.resetBaseVelocity(self._blocks[index], [0, 0, 0], [0, 0, 0])

    def move(self, delta: np.ndarray) -> None:
        """Add (2,) m to the command, keep it in the workspace, and advance one control period."""
        self.command = np.clip(self.command + delta, specification.WORKSPACE_LOW, specification.WORKSPACE_HIGH)
        self._hold_all_but(self._moving())
        self._drive(specification.STEPS_PER_ACTION)

    def _drive(self, steps: int) -> None:
        """Drive the arm towards the command for a number of physics steps, and note which blocks the peg touches."""
        p = self._client
        p.setJointMotorControlArray(
            self._arm,
            self._joints,
            pybullet.POSITION_CONTROL,
            targetPositions=self._inverse_kinematics(),
            forces=[_MOTOR_FORCE] * len(self._joints),
        )
        touched: set[int] = set()
        for _ in range(steps):
            p.stepSimulation()
            points = p.getContactPoints(self._arm)
            touched.update(body for point in points if point[8] <= CONTACT_DISTANCE for body in point[1:3])
        self._touched = frozenset(touched)

    def _inverse_kinematics(self) -> tuple[float, ...]:
        p = self._client
        joints = [state[0] for state in p.getJointStates(self._arm, self._joints)]
        count = len(joints)
        return p.calculateInverseKinematics(
            self._arm,
            self._flange,
            [*self.command, specification.EFFECTOR_HEIGHT],
            [0, 1, 0, 0],
            lowerLimits=[-17] * count,
            upperLimits=[17] * count,
            jointRanges=[17] * count,
            restPoses=[0, 0, *joints[2:]],
            maxNumIterations=100,
            residualThreshold=1e-10,
        )

    def _moving(self) -> list[bool]:
        """Which blocks may move in this control period: those in motion, in the peg's reach, and their neighbours."""
        p = self._client
        xy = np.array([p.getBasePositionAndOrientation(body)[0][:2] for body in self._blocks])
        speed = np.array([np.abs(np.concatenate(p.getBaseVelocity(body))).max() for body in self._blocks])
        peg = self.peg()[:2]
        along = self.command - peg
        t = np.clip((xy - peg) @ along / max(along @ along, 1e-12), 0, 1)
        gap = np.linalg.norm(peg + t[:, None] * along - xy, axis=1) - self._radii - specification.PEG_RADIUS
        moving = (gap < _REACH) | (speed > _REST_SPEED)
        apart = np.linalg.norm(xy[:, None] - xy, axis=-1) - self._radii - self._radii[:, None]
        near = apart < 2 * _REACH + np.linalg.norm(
            along
        )  # a block gets no farther than it is pushed, and slides a little
        for _ in self._blocks:
            moving = (near & moving).any(1)
        return moving.tolist()

    def _hold_all_but(self, moving: list[bool]) -> None:
        """Make the other blocks immovable, which spares the engine their contacts: most of its time.

        Derived from the state alone, so that a restored world goes on as it did. A block is held only at rest.
        """
        p = self._client
        for index, body in enumerate(self._blocks):
            if moving[index] and self._held[index]:
                inertia = blocks.bounding_inertia(self.objects[index].split()[1]).tolist()
                p.changeDynamics(body, -1, mass=blocks.MASS, localInertiaDiagonal=inertia)
            elif not moving[index] and not self._held[index]:
                p.resetBaseVelocity(body, [0, 0, 0], [0, 0, 0])
                p.changeDynamics(body, -1, mass=0)
            self._held[index] = not moving[index]

    def poses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions (N, 3) in m, yaws (N,) in rad, and tilts (N,), the cosine between block and world z axis."""
        positions, yaws, tilts = [], [], []
        for body in self._blocks:
            position, quaternion = self._client.getBasePositionAndOrientation(body)
            m = self._client.getMatrixFromQuaternion(quaternion)
            positions.append(position)
            yaws.append(np.arctan2(m[3], m[0]))
            tilts.append(m[8])
        return np.array(positions).reshape(-1, 3), np.array(yaws), np.array(tilts)

    def peg(self) -> np.ndarray:
        """(3,) float64: measured centre of the peg's lower end, m."""
        state = self._client.getLinkState(self._arm, self._peg, computeForwardKinematics=1)
        m = self._client.getMatrixFromQuaternion(state[1])
        return np.array(state[0]) + np.array([m[2], m[5], m[8]]) * specification.PEG_LENGTH / 2

    def flange(self) -> np.ndarray:
        """(3,) float64: measured centre of mass of the flange (link 6), m."""
        return np.array(self._client.getLinkState(self._arm, self._flange, computeForwardKinematics=1)[0])

    def contacts(self) -> np.ndarray:
        """(N+1, N+1) bool, symmetric: which bodies touch; row and column N are the peg.

        The peg's contacts are those at any moment of the last control period: a pushed block leaps ahead of the peg and
        is caught again several times in it.
        """
        index = {body: i for i, body in enumerate(self._blocks)}
        index[self._arm] = len(self._blocks)
        touching = np.zeros((len(index), len(index)), bool)
        for point in self._client.getContactPoints():
            a, b = index.get(point[1]), index.get(point[2])
            if a is not None and b is not None and point[8] <= CONTACT_DISTANCE:
                touching[a, b] = touching[b, a] = True
        for i, body in enumerate(self._blocks):
            if body in self._touched:
                touching[i, -1] = touching[-1, i] = True
        self._add_contacts_of_held(touching)
        return touching

    def _add_contacts_of_held(self, touching: np.ndarray) -> None:
        """Mark contacts between held blocks, which the engine doesn't report by itself."""
        xy = self.poses()[0][:, :2]
        held = np.array(self._held)
        near = np.linalg.norm(xy[:, None] - xy, axis=-1) < _CONTACT_SIZE
        for a, b in np.argwhere(np.triu(near & held & held[:, None], 1)):
            if self._client.getClosestPoints(self._blocks[a], self._blocks[b], CONTACT_DISTANCE):
                touching[a, b] = touching[b, a] = True

    def save(self) -> Snapshot:
        """Remember the full state; release it with `release`."""
        moving = tuple(not held for held in self._held)
        return Snapshot(self._client.saveState(), self.command.copy(), moving, self._touched, self._generation)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a remembered state exactly.

        Raises:
            BridgeError: the world was rebuilt since.
        """
        if snapshot.generation != self._generation:
            raise BridgeError("this snapshot belongs to an earlier episode; a reset ends its validity")
        self._hold_all_but(list(snapshot.moving))
        self._client.restoreState(snapshot.state)
        self.command = snapshot.command.copy()
        self._touched = snapshot.touched

    def release(self, snapshot: Snapshot) -> None:
        """Free the memory of a remembered state."""
        if snapshot.generation == self._generation:
            self._client.removeState(snapshot.state)

    def render(self) -> np.ndarray:
        """(180, 320, 3) uint8 RGB frame; a point seen at (u, v) is drawn at column u, row v - 1, as in the original."""
        camera = specification.CAMERA
        eye, forward = np.array(camera.position), np.array(camera.rotation[2])
        view = pybullet.computeViewMatrix(
            eye.tolist(), (eye + forward).tolist(), (-np.array(camera.rotation[1])).tolist()
        )
        fov = float(np.degrees(2 * np.arctan(camera.height / 2 / camera.focal)))
        projection = pybullet.computeProjectionMatrixFOV(
            fov, camera.width / camera.height, specification.CAMERA_NEAR, specification.CAMERA_FAR
        )
        image = self._client.getCameraImage(
            camera.width,
            camera.height,
            view,
            projection,
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
        )[2]
        return np.ascontiguousarray(np.asarray(image, np.uint8).reshape(camera.height, camera.width, 4)[..., :3])

    def close(self) -> None:
        """End the simulation; nothing else may be called after."""
        if self._client.isConnected():
            self._client.disconnect()
