# SPDX-License-Identifier: Apache-2.0
"""The planner's action and question service, with the real rclpy clients."""

import math
import time

import numpy as np
import pytest
from action_msgs.msg import GoalStatus as ActionStatus
from rclpy.action import ActionClient
from stack_harness import PATIENCE, moving, pursue

from swm_msgs.action import ExecuteTask
from swm_msgs.msg import GoalStatus, Question, ResultCode, Subgoal, Task
from swm_msgs.srv import AskQuestion
from swm_ros import qos

pytestmark = pytest.mark.ros


def done(future):
    end = time.monotonic() + PATIENCE
    while not future.done() and time.monotonic() < end:
        time.sleep(0.005)
    assert future.done(), "no answer of the action server"
    return future.result()


@pytest.fixture(scope="module")
def action(line):
    client = ActionClient(line.node, ExecuteTask, qos.EXECUTE_TASK)
    assert client.wait_for_server(timeout_sec=PATIENCE)
    yield client
    client.destroy()


def send(action, feedback=None, **goal):
    handle = done(action.send_goal_async(ExecuteTask.Goal(**goal), feedback_callback=feedback))
    assert handle.accepted
    return handle


def test_a_task_that_is_not_reached_in_time_is_aborted_after_feedback(line, action):
    pursue(line)  # from here on the planner has discovered the frames
    heard = []
    handle = send(action, heard.append, goal_text="reach the red moon", timeout=1.0)
    answer = done(handle.get_result_async())
    assert answer.status == ActionStatus.STATUS_ABORTED
    assert answer.result.code == ResultCode.TIMEOUT
    assert 1.0 <= answer.result.duration < 1.5
    assert answer.result.steps >= 5
    assert len(heard) > 3
    assert list(heard[-1].feedback.probabilities) == [0.25, 0.25]
    assert heard[-1].feedback.steps <= answer.result.steps


def test_a_task_is_canceled_and_the_robot_stands(line, action):
    handle = send(action, goal_text="reach the red moon", timeout=30.0)
    line.wait_for(qos.COMMAND_SAFE, moving)
    canceled = time.monotonic()
    assert done(handle.cancel_goal_async()).goals_canceling
    answer = done(handle.get_result_async())
    assert answer.status == ActionStatus.STATUS_CANCELED
    assert answer.result.code == ResultCode.CANCELED
    line.wait_for(qos.COMMAND_SAFE, lambda c: not moving(c), canceled)


def test_a_goal_by_topic_preempts_a_task_and_a_late_cancel_does_not_hit_it(line, action):
    handle = send(action, goal_text="reach the red moon", timeout=30.0)
    line.wait_for(qos.COMMAND_SAFE, moving)
    second = pursue(line, "reach the blue cube")
    answer = done(handle.get_result_async())
    assert (answer.status, answer.result.code) == (ActionStatus.STATUS_ABORTED, ResultCode.PREEMPTED)
    done(handle.cancel_goal_async())
    line.wait_for(qos.COMMAND_SAFE, lambda c: moving(c) and c.epoch == second.epoch, time.monotonic())


@pytest.mark.parametrize(
    ("goal", "code"),
    [
        ({"goal_text": "reach the purple cube"}, ResultCode.OBJECT_UNKNOWN),
        ({"goal_text": "reach the red moon", "timeout": 0.0}, ResultCode.BAD_ARGUMENT),
        ({"goal_text": "reach the red moon", "timeout": math.nan}, ResultCode.BAD_ARGUMENT),
        ({"task": Task(name="x", subgoals=[Subgoal()])}, ResultCode.GOAL_MALFORMED),
        ({"goal_text": "reach the green star"}, ResultCode.PLANNING_FAILED),
    ],
)
def test_what_cannot_be_done_is_aborted_with_code_and_message(action, goal, code):
    answer = done(send(action, **goal).get_result_async())
    assert answer.status == ActionStatus.STATUS_ABORTED
    assert answer.result.code == code
    assert answer.result.message


def test_a_typed_task_is_pursued(line, action):
    begin = time.monotonic()
    question = Question(text="Is the robotic peg touching the red moon?")
    task = Task(name="mine", subgoals=[Subgoal(questions=[question])])
    handle = send(action, task=task, timeout=30.0)
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.ACTIVE and s.task == "mine", begin)
    assert status.questions == [question.text]
    done(handle.cancel_goal_async())
    done(handle.get_result_async())


def ask(line, **request):
    return line.call(AskQuestion, "/swm/planner/ask", AskQuestion.Request(**request))


def test_questions_are_answered_at_every_horizon_while_planning_goes_on(line):
    pursue(line)
    answer = ask(line, questions=["a?", "b?"], actions=[0.01] * 8, action_dim=2)
    assert (answer.code, answer.horizons) == (ResultCode.OK, 5)
    assert np.reshape(answer.probabilities, (2, 5))[1] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert answer.observation_stamp.sec
    now = ask(line, questions=["a?"])
    assert (now.code, now.horizons) == (ResultCode.OK, 1)


def test_a_defect_in_answering_is_told_and_the_node_goes_on(line):
    answer = ask(line, questions=["break?"])
    assert (answer.code, answer.message) == (ResultCode.UNKNOWN, "RuntimeError; the planner's log says more")
    assert ask(line, questions=["a?"]).code == ResultCode.OK


def test_a_question_is_refused_while_another_is_answered(line):
    client = line.node.create_client(AskQuestion, "/swm/planner/ask")
    assert client.wait_for_service(timeout_sec=PATIENCE)
    first, second = (client.call_async(AskQuestion.Request(questions=["slow?"])) for _ in range(2))
    refused = done(second)
    assert not first.done()
    assert refused.code == ResultCode.NOT_ACTIVE
    assert "earlier question" in refused.message
    begin = time.monotonic()
    line.wait_for(qos.COMMAND_RAW, lambda c: True, begin)
    assert not first.done(), "commands stand still while a question is answered"
    assert done(first).code == ResultCode.OK
    assert ask(line, questions=["a?"]).code == ResultCode.OK
    line.node.destroy_client(client)


@pytest.mark.parametrize(
    "request_fields",
    [
        {},
        {"questions": [" "]},
        {"questions": ["a?"] * 65},
        {"questions": ["a?"], "actions": [0.01] * 3, "action_dim": 2},
        {"questions": ["a?"], "actions": [0.01] * 6, "action_dim": 3},
        {"questions": ["a?"], "actions": [math.nan, 0.0], "action_dim": 2},
        {"questions": ["a?"], "actions": [0.5, 0.0], "action_dim": 2},
        {"questions": ["a?"], "actions": [0.01] * 130, "action_dim": 2},
    ],
)
def test_malformed_questions_are_refused(line, request_fields):
    answer = ask(line, **request_fields)
    assert answer.code == ResultCode.BAD_ARGUMENT
    assert answer.message
    assert not answer.probabilities
