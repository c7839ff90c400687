# SPDX-License-Identifier: Apache-2.0
"""Another planner or model on the recorded observations: where would it have decided otherwise?

The observations are those that followed from the recorded commands. So a replay compares decisions, frame by frame; it
does not tell what the other planner would have reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from swm_core.environment import EnvironmentSpec
from swm_core.errors import RecordingError
from swm_core.evaluation.plan_pictures import free_path
from swm_core.planning.controller import Controller
from swm_core.planning.value import chunk_value, sub_chunk_ends
from swm_core.records.messages import nanoseconds
from swm_core.records.names import PLAN
from swm_core.records.reader import RecordedGoal, Recording
from swm_core.tasks.task import Task, WeightedQuestion


@dataclass(frozen=True)
class Decision:
    """One recorded plan beside the one that was made now from the same frame.

    Attributes:
        time: of the recorded plan since the recording began, s.
        task: name of the task.
        image: (H, W, 3) uint8 RGB, the frame.
        recorded_path: (H + 1, 3) where the recorded chunk leads if nothing stops it, world frame, m.
        path: (H + 1, 3) the same of the chunk chosen now.
        distance: between the ends of the two, m.
        turn: angle between the first moves that were not yet committed, deg; NaN where one does not move.
        recorded_value: what the model used now thinks of the recorded chunk (Eq. 2).
        value: what it thinks of its own.
        recorded_completion: probability that the subgoal was reached, by the recorded model.
        completion: by the one used now.
    """

    time: float
    task: str
    image: np.ndarray
    recorded_path: np.ndarray
    path: np.ndarray
    distance: float
    turn: float
    recorded_value: float
    value: float
    recorded_completion: float
    completion: float


def replay(recording: Recording, controller: Controller, spec: EnvironmentSpec) -> list[Decision]:
    """Plan again from every frame from which a plan was made.

    Args:
        recording: of the stack.
        controller: the planner and model to compare with.
        spec: of the environment.

    Raises:
        RecordingError: there are no plans, or none of their frames or goals.
    """
    wanted = {nanoseconds(logged.message.observation_stamp): logged for logged in recording.of(PLAN)}
    goals = {goal.goal_id: goal for goal in recording.goals()}
    if not wanted:
        raise RecordingError(f"{recording.path}: no plans on {PLAN}; was a goal pursued?")
    decisions: list[Decision] = []
    started, before = "", 0
    for frame in recording.frames():
        logged = wanted.pop(frame.stamp, None)
        goal = goals.get(logged.message.goal_id) if logged else None
        if logged is None or goal is None:
            continue
        if goal.goal_id != started:
            controller.start(goal.task)
            started, before = goal.goal_id, frame.stamp
        executed = round((frame.stamp - before) / 1e9 / spec.control_period)
        before = frame.stamp
        time = (logged.received - recording.begin) / 1e9
        decisions.append(_decide(controller, spec, goal, logged.message, frame.image, executed, time))
    if not decisions:
        raise RecordingError(f"{recording.path}: none of the frames and goals of its plans were recorded")
    return decisions


def _decide(
    controller: Controller,
    spec: EnvironmentSpec,
    goal: RecordedGoal,
    message: Any,
    image: np.ndarray,
    executed: int,
    time: float,
) -> Decision:
    recorded = np.asarray(message.actions, np.float32).reshape(message.horizon, message.action_dim)
    low, high = np.asarray(spec.action_low, np.float32), np.asarray(spec.action_high, np.float32)
    recorded = np.clip(recorded, low, high)
    committed = recorded[: min(message.committed, controller.config.horizon - 1)]
    plan = controller.plan(image, committed, executed=executed)
    start = np.array([message.path[0].x, message.path[0].y, message.path[0].z]) if message.path else plan.path[0]
    paths = [free_path(start, actions, spec) for actions in (recorded, plan.actions)]
    length = min(map(len, paths))
    moves = [path[len(committed) + 1] - path[len(committed)] for path in paths]
    questions = _questions(goal.task, plan.questions)
    values = [_value(controller, image, questions, actions) for actions in (recorded, plan.actions)]
    return Decision(
        time=time,
        task=goal.task.name,
        image=image,
        recorded_path=paths[0],
        path=paths[1],
        distance=float(np.linalg.norm(paths[0][length - 1] - paths[1][length - 1])),
        turn=_angle(moves[0], moves[1]),
        recorded_value=values[0],
        value=values[1],
        recorded_completion=float(message.completion),
        completion=plan.completion,
    )


def _questions(task: Task, texts: tuple[str, ...]) -> tuple[WeightedQuestion, ...]:
    """Those of the subgoal that the plan was made for."""
    return next(s.questions for s in task.subgoals if tuple(q.text for q in s.questions) == texts)


def _value(
    controller: Controller, image: np.ndarray, questions: tuple[WeightedQuestion, ...], actions: np.ndarray
) -> float:
    actions = actions[: controller.model.horizon]
    yes = controller.ask(image, [q.text for q in questions], actions)
    wanted = np.where([[q.desired] for q in questions], yes, 1 - yes)
    ends = sub_chunk_ends(len(actions), min(controller.config.sub_chunk, len(actions)))
    weights = torch.tensor([q.weight for q in questions])
    return float(chunk_value(torch.from_numpy(wanted[None][:, :, ends]), weights))


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(a @ b / lengths, -1.0, 1.0)))) if lengths > 1e-9 else float("nan")
