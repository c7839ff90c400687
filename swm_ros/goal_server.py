# SPDX-License-Identifier: Apache-2.0
"""The planner's side of goals: topics and action; acceptance, refusal, preemption, cancellation and status.

Owns the goal pursued and its epoch. Every goal ends in exactly one final state, which is published and, for an
action, returned. All of it runs on the node's executor thread.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from std_msgs.msg import String
from std_srvs.srv import Trigger

from swm_core.environment import EnvironmentEntry
from swm_core.planning.plan import Plan
from swm_core.tasks import GoalParser, Task, parse_goal
from swm_msgs.action import ExecuteTask
from swm_msgs.msg import Goal as GoalMessage
from swm_msgs.msg import GoalStatus, ResultCode
from swm_ros import qos
from swm_ros.conversions import task_to_message
from swm_ros.goals import Goal, GoalRefusedError, task_from_text, task_from_typed
from swm_ros.lifecycle import ManagedNode

_OUTCOMES = {
    GoalStatus.SUCCEEDED: ServerGoalHandle.succeed,
    GoalStatus.CANCELED: ServerGoalHandle.canceled,
}


class _DeferredActionServer(ActionServer):
    """An action server whose execute callback runs when the outcome is known.

    rclpy polls a waiting coroutine in a busy loop, and a waiting thread would need a multi-threaded executor.
    """

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Callable[..., Any] | None) -> None:
        """The goal is now in the state "executing"; nothing is called yet."""

    def conclude(self, goal_handle: ServerGoalHandle, execute_callback: Callable[..., Any]) -> None:
        """Run the callback that sets the final state and returns the result."""
        super().notify_execute(goal_handle, execute_callback)


class GoalServer:
    """Holds the goal that is pursued."""

    def __init__(
        self, node: ManagedNode[Any], entry: EnvironmentEntry, names: Sequence[str], on_begin: Callable[[Goal], None],
        on_end: Callable[[Goal], None], parse: GoalParser = parse_goal,
    ) -> None:  # fmt: skip
        """Create topics, action and service on a node.

        Args:
            node: the planner's node.
            entry: environment, for its words and questions.
            names: objects that goals may name; can be replaced later (`names`).
            on_begin: called with each accepted goal.
            on_end: called with each goal that has reached a final state.
            parse: reads goals in words.
        """
        self.node, self.entry, self.names = node, entry, tuple(names)
        self.goal: Goal | None = None
        self._on_begin, self._on_end, self._parse = on_begin, on_end, parse
        self._epoch = time.time_ns() // 1_000_000  # a restarted planner's goals must be newer than those before
        self._handles: dict[str, ServerGoalHandle] = {}
        self._status = node.advertise(GoalStatus, qos.GOAL_STATUS, qos.STATUS)
        self._active = node.advertise(GoalMessage, qos.ACTIVE_GOAL, qos.LATCHED_EVENT)
        node.listen(String, qos.GOAL_TEXT, self.on_text, qos.GOAL)
        node.listen(GoalMessage, qos.GOAL_TYPED, self.on_typed, qos.GOAL)
        node.serve(Trigger, "~/cancel_goal", self.on_cancel_service)
        self._server = _DeferredActionServer(
            node, ExecuteTask, qos.EXECUTE_TASK, lambda handle: None, goal_callback=self._may_begin,
            handle_accepted_callback=self._on_action, cancel_callback=self._may_cancel,
        )  # fmt: skip
        node.own(self._server.destroy)

    def outrun(self, epoch: int) -> None:
        """Give the goals to come newer epochs than one that is known from elsewhere, whatever the clock said."""
        self._epoch = max(self._epoch, epoch)

    @property
    def pursued(self) -> Goal | None:
        """The goal that is not yet ended, if any."""
        return self.goal if self.goal is not None and not self.goal.ended else None

    def idle(self) -> None:
        """Publish that there is no goal."""
        self._publish(GoalStatus(state=GoalStatus.IDLE, message="ready for a goal"))

    def on_text(self, message: String) -> None:
        """A goal in words."""
        self._offer(lambda: task_from_text(message.data, self.names, self.entry, self._parse), str(uuid.uuid4()))

    def on_typed(self, message: GoalMessage) -> None:
        """A goal as a typed task."""
        self._offer(
            lambda: task_from_typed(message.task, self.names, self.entry.spec), message.goal_id or str(uuid.uuid4())
        )

    def on_cancel_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Give up the goal that is pursued."""
        response.success = self.pursued is not None
        response.message = "canceled" if self.pursued else "no goal is pursued"
        self.end(GoalStatus.CANCELED, ResultCode.CANCELED, "canceled by service")
        return response

    def end(self, state: int, code: int, message: str) -> None:
        """Bring the pursued goal to a final state; nothing happens when there is none."""
        goal = self.pursued
        if goal is None:
            return
        goal.state, goal.code, goal.message = state, code, message
        self.node.get_logger().info(f"goal '{goal.task.name}' ended: {message}")
        self._publish(self._about(goal))
        self._return(goal)
        self._on_end(goal)

    def progress(self, plan: Plan, subgoal: int) -> None:
        """Publish how the pursued goal stands after a plan, and tell the action's client."""
        goal = self.pursued
        if goal is None:
            return
        goal.state, goal.message = GoalStatus.ACTIVE, ""
        status = self._about(goal)
        status.subgoal, status.questions = subgoal, list(plan.questions)
        status.probabilities = np.asarray(plan.now, np.float32).tolist()
        status.completion = float(plan.completion)
        self._publish(status)
        handle = self._handles.get(goal.goal_id)
        if handle is not None and handle.is_active:
            feedback = ExecuteTask.Feedback(
                questions=status.questions, subgoal=subgoal, subgoal_count=status.subgoal_count
            )
            feedback.probabilities, feedback.completion = status.probabilities, status.completion
            feedback.value, feedback.steps = float(plan.value), goal.steps
            handle.publish_feedback(feedback)

    def wait(self, why: str) -> None:
        """Publish, once, that motion for the pursued goal is held."""
        goal = self.pursued
        if goal is None or goal.state == GoalStatus.WAITING:
            return
        goal.state, goal.message = GoalStatus.WAITING, why
        self.node.get_logger().warning(f"motion held: {why}", throttle_duration_sec=2.0)
        self._publish(self._about(goal))

    def check_timeout(self, now: float) -> None:
        """Abort the pursued goal when its time is over."""
        goal = self.pursued
        if goal is not None and now > goal.deadline:
            self.end(GoalStatus.ABORTED, ResultCode.TIMEOUT, f"not reached within {goal.deadline - goal.begun:.1f} s")

    def _offer(self, make: Callable[[], Task], goal_id: str) -> None:
        """Accept a goal, or refuse it on the log and the status topic."""
        try:
            self._accept(make(), goal_id, float("inf"))
        except GoalRefusedError as error:
            self._refuse(error, goal_id)

    def _refuse(self, error: GoalRefusedError, goal_id: str) -> None:
        self.node.get_logger().error(f"goal refused: {error}")
        status = GoalStatus(goal_id=goal_id, state=GoalStatus.REFUSED, code=error.code, message=str(error))
        status.examples, status.epoch = error.examples, self._epoch
        self._publish(status)

    def _accept(self, task: Task, goal_id: str, timeout: float) -> None:
        self.end(GoalStatus.PREEMPTED, ResultCode.PREEMPTED, f"another goal came: {task.name}")
        self._epoch += 1
        now = time.monotonic()
        self.goal = Goal(goal_id, self._epoch, task, now, now + timeout)
        self.node.get_logger().info(f"goal accepted: {task.name}")
        accepted = GoalMessage(goal_id=goal_id, task=task_to_message(task))
        accepted.header.stamp = self.node.get_clock().now().to_msg()
        self._active.publish(accepted)
        self._publish(self._about(self.goal))
        self._on_begin(self.goal)

    def _may_begin(self, request: ExecuteTask.Goal) -> GoalResponse:
        return GoalResponse.ACCEPT if self.node.active else GoalResponse.REJECT

    def _may_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        """Accept a cancellation; it is carried out by the result, after rclpy has changed the state."""
        goal_id = bytes(handle.goal_id.uuid).hex()
        executor = self.node.executor
        if executor is None or self.pursued is None or self.pursued.goal_id != goal_id:
            return CancelResponse.REJECT
        executor.create_task(self._cancel, goal_id)
        return CancelResponse.ACCEPT

    def _cancel(self, goal_id: str) -> None:
        if self.pursued is not None and self.pursued.goal_id == goal_id:
            self.end(GoalStatus.CANCELED, ResultCode.CANCELED, "canceled by the client")

    def _on_action(self, handle: ServerGoalHandle) -> None:
        """Begin an action's goal; what cannot become a task is aborted with the reason in the result."""
        request, goal_id = handle.request, bytes(handle.goal_id.uuid).hex()
        handle.execute()
        self._handles[goal_id] = handle
        try:
            if not 0 < request.timeout < float("inf"):
                text = f"timeout is {request.timeout} s; it must be finite and above 0"
                raise GoalRefusedError(ResultCode.BAD_ARGUMENT, text, self.names)
            if request.task.subgoals:
                task = task_from_typed(request.task, self.names, self.entry.spec)
            else:
                task = task_from_text(request.goal_text, self.names, self.entry, self._parse)
            self._accept(task, goal_id, request.timeout)
        except GoalRefusedError as error:
            self._refuse(error, goal_id)
            self._send_result(goal_id, GoalStatus.REFUSED, ExecuteTask.Result(code=error.code, message=str(error)))

    def _return(self, goal: Goal) -> None:
        result = ExecuteTask.Result(code=goal.code, message=goal.message, steps=goal.steps)
        result.duration = time.monotonic() - goal.begun
        self._send_result(goal.goal_id, goal.state, result)

    def _send_result(self, goal_id: str, state: int, result: ExecuteTask.Result) -> None:
        handle = self._handles.pop(goal_id, None)
        if handle is None:
            return

        def conclude(handle: ServerGoalHandle) -> ExecuteTask.Result:
            _OUTCOMES.get(state, ServerGoalHandle.abort)(handle)
            return result

        self._server.conclude(handle, conclude)

    def _about(self, goal: Goal) -> GoalStatus:
        status = GoalStatus(
            goal_id=goal.goal_id, epoch=goal.epoch, task=goal.task.name, state=goal.state, code=goal.code
        )
        status.message, status.subgoal_count = goal.message, len(goal.task.subgoals)
        status.questions = [q.text for q in goal.task.subgoals[0].questions]
        return status

    def _publish(self, status: GoalStatus) -> None:
        status.header.stamp = self.node.get_clock().now().to_msg()
        self._status.publish(status)
