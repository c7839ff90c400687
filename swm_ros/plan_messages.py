# SPDX-License-Identifier: Apache-2.0
"""Plans as messages: the whole record, and the plain numbers."""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time

from swm_core.environment import EnvironmentSpec
from swm_msgs import msg
from swm_ros.conversions import plan_to_message, stamp_of
from swm_ros.goals import Goal
from swm_ros.planning_worker import Planned


def plan_message(made: Planned, plan_id: int, goal: Goal, spec: EnvironmentSpec, now: Time) -> msg.Plan:
    """The complete message of a plan."""
    message = plan_to_message(made.plan)
    message.header.stamp, message.header.frame_id = now, "world"
    message.plan_id, message.epoch = plan_id, goal.epoch
    message.goal_id, message.task = goal.goal_id, goal.task.name
    message.observation_stamp, message.control_period = stamp_of(made.frame.stamp), spec.control_period
    return message


def plan_stats(made: Planned, plan_id: int, goal: Goal, now: Time) -> msg.PlanStats:
    """A plan in numbers that plot directly."""
    plan = made.plan
    stats = msg.PlanStats(
        plan_id=plan_id,
        epoch=goal.epoch,
        value_first=float(plan.values[0]),
        value_best=float(plan.value),
        iterations=len(plan.values) - 1,
        encode_seconds=float(plan.timings.get("encode", 0.0)),
        iterations_seconds=float(plan.timings.get("iterations", 0.0)),
        total_seconds=made.ended - made.begun,
        frame_age=made.begun - made.frame.received,
        latency=time.monotonic() - made.frame.received,
        deadline_missed=bool(plan.deadline_missed),
        committed=int(plan.committed),
        completion=float(plan.completion),
        now=[float(p) for p in plan.now],
    )
    stats.header.stamp = now
    return stats
