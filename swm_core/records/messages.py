# SPDX-License-Identifier: Apache-2.0
"""Messages to core types, by the names of their fields: messages of rclpy and those read from a recording alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from swm_core.environment import EnvironmentSpec
from swm_core.errors import GoalError, SceneError
from swm_core.scene import EFFECTOR, SceneState
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion

MAX_QUESTIONS = 64  # per subgoal; more is taken for a malformed goal
MAX_SUBGOALS = 64
LINEAR = {"dx": "x", "dy": "y", "dz": "z"}  # action dimension: axis of the twist
ANGULAR = {"droll": "x", "dpitch": "y", "dyaw": "z"}


def positions(points: Sequence[Any]) -> np.ndarray:
    """(N, 3) coordinates of geometry_msgs/Point."""
    return np.array([(p.x, p.y, p.z) for p in points]).reshape(-1, 3)


def task_from_message(message: Any) -> Task:
    """A typed task, checked.

    Raises:
        GoalError: no subgoals, no questions, an empty text, or a weight that is not finite and above 0.
    """
    if not 0 < len(message.subgoals) <= MAX_SUBGOALS:
        raise GoalError(f"task {message.name!r} has {len(message.subgoals)} subgoals; 1 to {MAX_SUBGOALS} are possible")
    return Task(message.name or "typed goal", tuple(_subgoal(s, i) for i, s in enumerate(message.subgoals)))


def _subgoal(message: Any, index: int) -> Subgoal:
    if not 0 < len(message.questions) <= MAX_QUESTIONS:
        raise GoalError(f"subgoal {index} has {len(message.questions)} questions; 1 to {MAX_QUESTIONS} are possible")
    questions = tuple(_question(q) for q in message.questions)
    if len(message.completion) > MAX_QUESTIONS:
        raise GoalError(f"subgoal {index} ends with {len(message.completion)} questions; at most {MAX_QUESTIONS}")
    return Subgoal(questions, tuple(_question(q) for q in message.completion))


def _question(message: Any) -> WeightedQuestion:
    return WeightedQuestion(message.text, message.desired_answer, message.weight)


def action_from_command(command: Any, spec: EnvironmentSpec) -> np.ndarray:
    """(A,) float32 action that a command means for one control period, clipped to the action bounds."""
    twist = command.twist.twist
    values = []
    for name in spec.action_names:
        if name in LINEAR:
            values.append(getattr(twist.linear, LINEAR[name]) * spec.control_period)
        elif name in ANGULAR:
            values.append(getattr(twist.angular, ANGULAR[name]) * spec.control_period)
        else:
            values.append(command.gripper * spec.control_period)
    return np.clip(np.asarray(values), spec.action_low, spec.action_high).astype(np.float32)


def scene_from_message(message: Any) -> SceneState:
    """The scene of a swm_msgs/SceneState.

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
    pressed = np.array([[_xyz(finger) for finger in o.fingers] for o in message.objects])
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


def nanoseconds(stamp: Any) -> int:
    """A stamp as nanoseconds since the epoch of its clock; negative seconds are kept."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _xyz(point: Any) -> tuple[float, float, float]:
    return point.x, point.y, point.z
