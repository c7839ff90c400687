# SPDX-License-Identifier: Apache-2.0
"""Core types to messages, and back by way of `swm_core.records.messages`; the only place that knows both."""

from __future__ import annotations

import array
import math
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, TwistStamped, Vector3
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec
from swm_core.errors import BridgeError
from swm_core.planning.plan import Plan
from swm_core.records.messages import (  # noqa: F401, the way from messages is there, for recordings as well
    ANGULAR,
    LINEAR,
    MAX_QUESTIONS,
    action_from_command,
    nanoseconds,
    positions,
    scene_from_message,
    task_from_message,
)
from swm_core.scene import EFFECTOR, SceneState
from swm_core.tasks.task import Task, WeightedQuestion
from swm_msgs import msg


def task_to_message(task: Task) -> msg.Task:
    """The message of a task; `task_from_message` gives the same task back."""

    def question(q: WeightedQuestion) -> msg.Question:
        return msg.Question(text=q.text, desired_answer=q.desired, weight=float(q.weight))

    subgoals = [
        msg.Subgoal(questions=[question(q) for q in s.questions], completion=[question(q) for q in s.completion])
        for s in task.subgoals
    ]
    return msg.Task(name=task.name, subgoals=subgoals)


def action_to_twist(action: np.ndarray, spec: EnvironmentSpec) -> tuple[TwistStamped, float]:
    """Velocity and rate of the gripper whose effect over one control period is the action.

    Args:
        action: (A,) in the environment's units per step.
        spec: names the dimensions ("dx" .. "dyaw", "gripper": change per step).

    Returns:
        Twist with an empty stamp, in the frame "world" (m/s, rad/s), and the rate at which the gripper closes (share of
        its range per second), 0 where there is none.
    """
    twist, gripper = TwistStamped(header=Header(frame_id="world")), 0.0
    for name, value in zip(spec.action_names, action, strict=True):
        if name in LINEAR:
            setattr(twist.twist.linear, LINEAR[name], float(value) / spec.control_period)
        elif name in ANGULAR:
            setattr(twist.twist.angular, ANGULAR[name], float(value) / spec.control_period)
        elif name == "gripper":
            gripper = float(value) / spec.control_period
        else:
            raise BridgeError(f"action dimension {name!r} of {spec.name} has no place in a twist")
    return twist, gripper


def scene_to_message(scene: SceneState, header: Header, episode: int, step: int) -> msg.SceneState:
    """The message of one instant's scene."""
    names = (*scene.names, EFFECTOR)

    def touched(row: int) -> list[str]:
        return [names[i] for i in np.flatnonzero(scene.contacts[row])]

    objects = [
        msg.ObjectState(
            name=name,
            position=point(scene.positions[i]),
            yaw=float(scene.yaws[i]),
            contacts=touched(i),
            fingers=[Vector3(x=x, y=y, z=z) for x, y, z in scene.fingers[:, i].tolist()],
            gap=float(scene.gaps[i]),
        )
        for i, name in enumerate(scene.names)
    ]
    return msg.SceneState(
        header=header,
        episode=episode,
        step=step,
        objects=objects,
        effector=point(scene.effector),
        effector_contacts=touched(len(scene.names)),
        gripper=float(scene.gripper),
    )


def plan_to_message(plan: Plan) -> msg.Plan:
    """The message of a plan, without header, ids, task name, stamps and period."""
    iterations, _, sub_chunks = plan.probabilities.shape
    horizon, action_dim = plan.actions.shape
    return msg.Plan(
        horizon=horizon,
        action_dim=action_dim,
        actions=flat(plan.actions),
        committed=plan.committed,
        value=float(plan.value),
        iterations=iterations - 1,
        sub_chunks=sub_chunks,
        questions=list(plan.questions),
        values=flat(plan.values),
        step_sizes=flat(plan.step_sizes),
        probabilities=flat(plan.probabilities),
        now=flat(plan.now),
        completion=float(plan.completion),
        candidate_count=len(plan.candidates),
        candidates=flat(plan.candidates),
        candidate_values=flat(plan.candidate_values),
        path=[point(p) for p in plan.path],
    )


def camera_info(camera: Camera) -> CameraInfo:
    """Calibration of a pinhole camera without distortion, with an empty header."""
    u, v = (float(c) for c in camera.centre)
    f = float(camera.focal)
    return CameraInfo(
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[f, 0.0, u, 0.0, f, v, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[f, 0.0, u, 0.0, 0.0, f, v, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def pose(position: Sequence[float] | np.ndarray, yaw: float = 0.0) -> Pose:
    """Pose at a position (m) turned about z (rad)."""
    turned = Quaternion(z=math.sin(yaw / 2), w=math.cos(yaw / 2))
    return Pose(position=point(position), orientation=turned)


def quaternion(rotation: np.ndarray) -> Quaternion:
    """The unit quaternion of a (3, 3) rotation matrix, w not negative."""
    r = np.asarray(rotation, float)
    # Bar-Itzhack: the eigenvector of the largest eigenvalue, well conditioned for every rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0.0, 0.0, 0.0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0.0, 0.0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0.0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    found = np.linalg.eigh(k)[1][:, -1]
    x, y, z, w = (float(v) for v in (found if found[3] >= 0 else -found))
    return Quaternion(x=x, y=y, z=z, w=w)


def vector(values: Vector3) -> tuple[float, float, float]:
    """Components of a vector message."""
    return values.x, values.y, values.z


def stamp_of(total: int) -> Time:
    """The stamp of a number of nanoseconds."""
    return Time(sec=total // 1_000_000_000, nanosec=total % 1_000_000_000)


def point(values: Sequence[float] | np.ndarray) -> Point:
    """A position, m, as a message."""
    return Point(x=float(values[0]), y=float(values[1]), z=float(values[2]))


def flat(values: np.ndarray) -> array.array:
    """The elements of an array in row-major order, as a message holds float32."""
    return array.array("f", np.asarray(values, np.float32).tobytes())
