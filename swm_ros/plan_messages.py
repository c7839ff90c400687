# SPDX-License-Identifier: Apache-2.0
"""Plans as messages: the whole record, and the plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time

from swm_core.environment import EnvironmentSpec
from swm_msgs import msg
from swm_ros import qos
from swm_ros.conversions import plan_to_message, stamp_of
from swm_ros.diagnostics import OK, WARN, Health
from swm_ros.goals import STATE_NAMES, Goal
from swm_ros.planning_worker import Planned


@dataclass(frozen=True)
class Numbered:
    """A plan that was put to use, with what is told about it.

    Attributes:
        made: the plan and what it was made from.
        plan_id: its number.
        goal: that it pursues.
        ready: monotonic time at which the node had it, s.
        late: whether the first command that it was to decide had been due before.
        late_plans: number of late plans so far, this one included.
    """

    made: Planned
    plan_id: int
    goal: Goal
    ready: float
    late: bool
    late_plans: int


def plan_message(numbered: Numbered, spec: EnvironmentSpec, now: Time) -> msg.Plan:
    """The complete message of a plan."""
    made, goal = numbered.made, numbered.goal
    message = plan_to_message(made.plan)
    message.header.stamp, message.header.frame_id = now, "world"
    message.plan_id, message.epoch = numbered.plan_id, goal.epoch
    message.goal_id, message.task = goal.goal_id, goal.task.name
    message.observation_stamp, message.control_period = stamp_of(made.frame.stamp), spec.control_period
    return message


def plan_stats(numbered: Numbered, first_command: float | None, now: Time) -> msg.PlanStats:
    """A plan in numbers that plot directly.

    Args:
        numbered: the plan.
        first_command: monotonic time at which its first command went out, s; None if none did.
        now: for the header.
    """
    made = numbered.made
    plan, frame = made.plan, made.frame
    transported = frame.taken < frame.received  # else the frame's stamp was not believed
    stats = msg.PlanStats(
        plan_id=numbered.plan_id,
        epoch=numbered.goal.epoch,
        value_first=float(plan.values[0]),
        value_best=float(plan.value),
        iterations=len(plan.values) - 1,
        encode_seconds=float(plan.timings.get("encode", 0.0)),
        iterations_seconds=float(plan.timings.get("iterations", 0.0)),
        total_seconds=made.ended - made.begun,
        transport_seconds=frame.received - frame.taken if transported else math.nan,
        frame_age=made.begun - frame.received,
        latency=numbered.ready - frame.received,
        first_command_age=math.nan if first_command is None else first_command - frame.taken,
        deadline_missed=bool(plan.deadline_missed),
        late=numbered.late,
        late_plans=numbered.late_plans,
        committed=int(plan.committed),
        completion=float(plan.completion),
        now=[float(p) for p in plan.now],
    )
    stats.header.stamp = now
    return stats


def planning_health(
    newest: msg.PlanStats | None, goal: Goal | None, silent: bool, values: Mapping[str, str | float]
) -> Health:
    """How planning goes.

    Args:
        newest: numbers of the newest plan.
        goal: the newest goal.
        silent: whether frames stay away.
        values: further ones.
    """
    values = {**values, "goal": goal.task.name if goal else ""}
    if newest is not None:
        for name in ("value_first", "value_best", "completion", "iterations", "total_seconds", "frame_age", "latency"):
            values[name] = getattr(newest, name)
    if silent:
        way = "what does the perception node report?"
        return Health(WARN, f"no frame on {qos.OBSERVATION}, so nothing moves; {way}", values)
    if goal is None:
        return Health(OK, f"waiting for a goal on {qos.GOAL_TEXT}, {qos.GOAL_TYPED} or {qos.EXECUTE_TASK}", values)
    told = f"{STATE_NAMES[goal.state]}: {goal.task.name}" + (f"; {goal.message}" if goal.message else "")
    if goal.state in (msg.GoalStatus.ABORTED, msg.GoalStatus.WAITING):
        return Health(WARN, told, values)
    if newest is not None and newest.deadline_missed:
        way = "fewer planner.gradient.iterations, or a free processor"
        return Health(WARN, f"{told}; plans are stopped before their last iteration: {way}", values)
    return Health(OK, told, values)
