# SPDX-License-Identifier: Apache-2.0
"""Messages to core types and back; the only place that knows both."""

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
from swm_core.errors import BridgeError, GoalError, SceneError
from swm_core.planning.plan import Plan
from swm_core.scene import EFFECTOR, SceneState
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion
from swm_msgs import msg

MAX_QUESTIONS = 64  # per subgoal; more is taken for a malformed goal
MAX_SUBGOALS = 64
_LINEAR = {"dx": "x", "dy": "y", "dz": "z"}
_ANGULAR = {"droll": "x", "dpitch": "y", "dyaw": "z"}


def task_from_message(message: msg.Task) -> Task:
    """A typed task, checked.

    Raises:
        GoalError: no subgoals, no questions, an empty text, or a weight that is not finite and above 0.
    """
    if not 0 < len(message.subgoals) <= MAX_SUBGOALS:
        raise GoalError(f"task {message.name!r} has {len(message.subgoals)} subgoals; 1 to {MAX_SUBGOALS} are possible")
    return Task(message.name or "typed goal", tuple(_subgoal(s, i) for i, s in enumerate(message.subgoals)))


def _subgoal(message: msg.Subgoal, index: int) -> Subgoal:
    if not 0 < len(message.questions) <= MAX_QUESTIONS:
        raise GoalError(f"subgoal {index} has {len(message.questions)} questions; 1 to {MAX_QUESTIONS} are possible")
    questions = tuple(_question(q) for q in message.questions)
    if len(message.completion) > MAX_QUESTIONS:
        raise GoalError(f"subgoal {index} ends with {len(message.completion)} questions; at most {MAX_QUESTIONS}")
    return Subgoal(questions, tuple(_question(q) for q in message.completion))


def _question(message: msg.Question) -> WeightedQuestion:
    return WeightedQuestion(message.text, message.desired_answer, message.weight)


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
        if name in _LINEAR:
            setattr(twist.twist.linear, _LINEAR[name], float(value) / spec.control_period)
        elif name in _ANGULAR:
            setattr(twist.twist.angular, _ANGULAR[name], float(value) / spec.control_period)
        elif name == "gripper":
            gripper = float(value) / spec.control_period
        else:
            raise BridgeError(f"action dimension {name!r} of {spec.name} has no place in a twist")
    return twist, gripper


def action_from_command(command: msg.Command, spec: EnvironmentSpec) -> np.ndarray:
    """(A,) float32 action that a command means for one control period, clipped to the action bounds."""
    twist = command.twist.twist
    values = []
    for name in spec.action_names:
        if name in _LINEAR:
            values.append(getattr(twist.linear, _LINEAR[name]) * spec.control_period)
        elif name in _ANGULAR:
            values.append(getattr(twist.angular, _ANGULAR[name]) * spec.control_period)
        else:
            values.append(command.gripper * spec.control_period)
    return np.clip(np.asarray(values), spec.action_low, spec.action_high).astype(np.float32)


def scene_to_message(scene: SceneState, header: Header, episode: int, step: int) -> msg.SceneState:
    """The message of one instant's scene."""
    names = (*scene.names, EFFECTOR)

    def touched(row: int) -> list[str]:
        return [names[i] for i in np.flatnonzero(scene.contacts[row])]

    objects = [
        msg.ObjectState(
            name=name,
            position=_point(scene.positions[i]),
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
        effector=_point(scene.effector),
        effector_contacts=touched(len(scene.names)),
        gripper=float(scene.gripper),
    )


def scene_from_message(message: msg.SceneState) -> SceneState:
    """The scene of a message; inverse of `scene_to_message`.

    Raises:
        SceneError: names repeat, or the objects tell of different numbers of fingers.
    """
    names = tuple(o.name for o in message.objects)
    places = {name: i for i, name in enumerate((*names, EFFECTOR))}
    contacts = np.zeros((len(places), len(places)), bool)
    for row, touched in enumerate([*(o.contacts for o in message.objects), message.effector_contacts]):
        for name in touched:
            if name in places:
                contacts[row, places[name]] = contacts[places[name], row] = True
    counts = {len(o.fingers) for o in message.objects}
    if len(counts) > 1:
        raise SceneError(f"objects tell of {' and '.join(map(str, sorted(counts)))} fingers")
    pressed = np.array([[vector(finger) for finger in o.fingers] for o in message.objects])
    return SceneState(
        names,
        np.array([_xyz(o.position) for o in message.objects]).reshape(-1, 3),
        np.array([o.yaw for o in message.objects]),
        np.array(_xyz(message.effector)),
        contacts,
        np.asarray(message.gripper),
        pressed.reshape(len(names), *counts, 3).swapaxes(0, 1) if counts else np.zeros((0, 0, 3)),
        np.array([o.gap for o in message.objects]),
    )


def plan_to_message(plan: Plan) -> msg.Plan:
    """The message of a plan, without header, ids, task name, stamps and period."""
    iterations, _, sub_chunks = plan.probabilities.shape
    horizon, action_dim = plan.actions.shape
    return msg.Plan(
        horizon=horizon,
        action_dim=action_dim,
        actions=_flat(plan.actions),
        committed=plan.committed,
        value=float(plan.value),
        iterations=iterations - 1,
        sub_chunks=sub_chunks,
        questions=list(plan.questions),
        values=_flat(plan.values),
        step_sizes=_flat(plan.step_sizes),
        probabilities=_flat(plan.probabilities),
        now=_flat(plan.now),
        completion=float(plan.completion),
        candidate_count=len(plan.candidates),
        candidates=_flat(plan.candidates),
        candidate_values=_flat(plan.candidate_values),
        path=[_point(p) for p in plan.path],
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
    return Pose(position=_point(position), orientation=turned)


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


def nanoseconds(stamp: Time) -> int:
    """A stamp as nanoseconds since the epoch of its clock; negative seconds are kept."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def stamp_of(total: int) -> Time:
    """The stamp of a number of nanoseconds."""
    return Time(sec=total // 1_000_000_000, nanosec=total % 1_000_000_000)


def _point(values: Sequence[float] | np.ndarray) -> Point:
    return Point(x=float(values[0]), y=float(values[1]), z=float(values[2]))


def _xyz(point: Point) -> tuple[float, float, float]:
    return point.x, point.y, point.z


def _flat(values: np.ndarray) -> array.array:
    return array.array("f", np.asarray(values, np.float32).tobytes())
