# SPDX-License-Identifier: Apache-2.0
"""Perception, planner and guard as processes: a misbehaving camera, nonsensical goals, a killed planner."""

import array
import math
import time

import pytest
from sensor_msgs.msg import Image
from stack_harness import moving, pursue
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from swm_msgs.msg import Command, Goal, GoalStatus, GuardStatus, Question, ResultCode, Subgoal, Task
from swm_ros import qos

pytestmark = pytest.mark.ros
STOP = 0.3  # s, within which motion must end


def last_motion(probe, begin):
    """Receipt time of the last moving command since a time."""
    return max((at for at, c in list(probe.heard[qos.COMMAND_SAFE]) if at >= begin and moving(c)), default=begin)


@pytest.mark.parametrize(
    ("text", "code"), [("reach the purple cube", ResultCode.OBJECT_UNKNOWN), ("dance", ResultCode.GOAL_UNPARSED)]
)
def test_a_goal_that_cannot_be_is_refused_with_reason_and_examples(line, processes, text, code):
    begin = time.monotonic()
    line.text.publish(String(data=text))
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.REFUSED, begin)
    assert status.code == code
    assert "reach the red moon" in status.examples
    assert text.split()[-1] in status.message
    assert "goal refused" in processes.log("planner")
    time.sleep(0.3)
    assert not any(map(moving, line.since(qos.COMMAND_SAFE, begin)))


@pytest.mark.parametrize(
    "task",
    [
        Task(name="nothing", subgoals=[Subgoal()]),
        Task(name="nan", subgoals=[Subgoal(questions=[Question(text="Is it red?", weight=math.nan)])]),
    ],
)
def test_a_malformed_typed_goal_is_refused_and_the_running_one_goes_on(line, task):
    running = pursue(line)
    begin = time.monotonic()
    line.typed.publish(Goal(goal_id="bad", task=task))
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.REFUSED, begin)
    assert (status.goal_id, status.code) == ("bad", ResultCode.GOAL_MALFORMED)
    assert status.message.startswith("malformed goal")
    line.wait_for(qos.COMMAND_SAFE, lambda c: moving(c) and c.epoch == running.epoch, time.monotonic())


def test_a_typed_goal_is_pursued(line):
    begin = time.monotonic()
    question = Question(text="Is the robotic peg touching the red moon?")
    line.typed.publish(Goal(goal_id="mine", task=Task(name="typed", subgoals=[Subgoal(questions=[question])])))
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.ACTIVE and s.goal_id == "mine", begin)
    assert status.questions == [question.text]
    assert list(status.probabilities) == [0.25]


def bad_images():
    def image(**changes):
        made = Image(height=180, width=320, encoding="rgb8", step=960, data=array.array("B", bytes(960 * 180)))
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    yield "size", image(height=90, width=160, step=480, data=array.array("B", bytes(480 * 90)))
    yield "encoding", image(encoding="mono8", step=320, data=array.array("B", bytes(320 * 180)))
    yield "length", image(data=array.array("B", bytes(1000)))


@pytest.mark.parametrize(("cause", "image"), list(bad_images()), ids=lambda v: v if isinstance(v, str) else "")
def test_a_bad_image_is_refused_with_its_cause_and_motion_stops(line, camera, processes, cause, image):
    pursue(line)
    camera.image = image
    begin = time.monotonic()
    try:
        status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.WAITING, begin)
        assert "no camera frame" in status.message
        report = line.wait_for(
            qos.DIAGNOSTICS, lambda d: d.status[0].message.startswith("frames refused"), begin
        ).status[0]
        counts = {v.key: int(v.value) for v in report.values}
        assert counts[f"refused_{cause}"] > 0
        assert "frame refused" in processes.log("perception")
    finally:
        camera.image = camera.good
    line.wait_for(qos.COMMAND_SAFE, moving, time.monotonic())


def test_a_malformed_observation_is_refused_by_planner_and_monitor_which_go_on(line, processes):
    processes.start("monitor", "swm_ros.monitor_node")
    publisher = line.node.create_publisher(Image, qos.OBSERVATION, qos.IMAGE)
    line.listen(Image, qos.MONITOR_IMAGE, qos.IMAGE)
    line.wait_for(qos.MONITOR_IMAGE, lambda m: True)
    for _, image in bad_images():
        image.header.stamp = line.node.get_clock().now().to_msg()
        for _ in range(3):
            publisher.publish(image)
            time.sleep(0.1)
    pursue(line)
    line.wait_for(qos.MONITOR_IMAGE, lambda m: True)
    for name in ("planner", "monitor"):
        for said in ("image is 160x90", "encoding 'mono8'", "data has 1000 bytes"):
            assert processes.log(name).count(said) == 1
    line.node.destroy_publisher(publisher)


def test_a_silent_camera_stops_the_motion_and_its_return_resumes_it(line, camera):
    pursue(line)
    camera.image = None
    silent = camera.last_sent
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.WAITING, silent)
    assert "no camera frame" in status.message
    time.sleep(max(0.0, silent + 1.0 - time.monotonic()))
    assert last_motion(line, silent) - silent < STOP
    back = time.monotonic()
    camera.image = camera.good
    line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.ACTIVE, back)
    line.wait_for(qos.COMMAND_SAFE, moving, back)


def test_a_second_goal_takes_the_place_of_the_first(line):
    first = pursue(line, "reach the red moon")
    begin = time.monotonic()
    second = pursue(line, "reach the blue cube")
    ended = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.PREEMPTED, begin)
    assert ended.goal_id == first.goal_id
    assert "reach blue cube" in ended.message
    assert second.epoch > first.epoch
    time.sleep(0.5)
    order = [(c.epoch, c.plan_id, c.step) for c in line.since(qos.COMMAND_SAFE, begin) if c.plan_id]
    assert order == sorted(order)
    newest = [c for c in line.since(qos.COMMAND_SAFE, begin) if c.epoch == second.epoch and moving(c)]
    assert all(c.twist.twist.linear.y < 0 for c in newest), "commands of the first goal after the second's"


def test_the_planner_failing_ends_the_goal_with_the_reason(line):
    begin = time.monotonic()
    line.text.publish(String(data="reach the green star"))
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.ABORTED, begin)
    assert status.code == ResultCode.PLANNING_FAILED
    assert "scripted failure" in status.message


def test_a_goal_is_canceled_by_service(line):
    goal = pursue(line)
    begin = time.monotonic()
    assert line.call(Trigger, "/swm/planner/cancel_goal", Trigger.Request()).success
    status = line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.CANCELED, begin)
    assert status.goal_id == goal.goal_id
    time.sleep(0.3)
    assert last_motion(line, begin) - begin < 0.15
    waits = line.wait_for(qos.GUARD_STATUS, lambda s: s.state == GuardStatus.WAITING, begin)
    assert waits.command_age > 0, "after a goal the guard waits for the next, and is not stale"
    time.sleep(0.3)
    assert line.since(qos.GUARD_STATUS, begin)[-1].state == GuardStatus.WAITING
    assert not line.call(Trigger, "/swm/planner/cancel_goal", Trigger.Request()).success


def test_the_emergency_stop_latches_until_it_is_reset(line, processes):
    pursue(line)
    pressed = time.monotonic()
    line.estop.publish(Bool(data=True))
    line.wait_for(qos.GUARD_STATUS, lambda s: s.state == GuardStatus.ESTOPPED, pressed)
    assert not line.call(Trigger, "/swm/guard/reset_estop", Trigger.Request()).success, "it is still pressed"
    line.estop.publish(Bool(data=False))  # does not release
    time.sleep(0.5)
    assert last_motion(line, pressed) - pressed < 0.15
    assert line.since(qos.GUARD_STATUS, pressed)[-1].estop
    released = time.monotonic()
    assert line.call(Trigger, "/swm/guard/reset_estop", Trigger.Request()).success
    time.sleep(0.5)
    assert not any(map(moving, line.since(qos.COMMAND_SAFE, released))), "the release itself started a motion"
    pursue(line)
    assert line.call(Trigger, "/swm/guard/estop", Trigger.Request()).success
    line.wait_for(qos.GUARD_STATUS, lambda s: s.state == GuardStatus.ESTOPPED, released)
    line.call(Trigger, "/swm/guard/reset_estop", Trigger.Request())
    assert "incompatible" not in processes.log("guard"), "who presses the button is not to read that nobody hears it"


def test_hostile_commands_are_refused_and_counted(line):
    line.call(Trigger, "/swm/planner/cancel_goal", Trigger.Request())
    begin = time.monotonic()
    for velocity, frame in ((math.nan, "world"), (math.inf, "world"), (0.1, "base")):
        command = Command(plan_id=1, epoch=2**63)
        command.twist.header.frame_id, command.twist.twist.linear.x = frame, velocity
        line.raw.publish(command)
        time.sleep(0.05)
    status = line.wait_for(qos.GUARD_STATUS, lambda s: {"not finite", "frame"} <= set(s.causes), begin)
    counts = dict(zip(status.causes, status.counts, strict=True))
    assert counts["not finite"] >= 2
    assert counts["frame"] >= 1
    assert not any(map(moving, line.since(qos.COMMAND_SAFE, begin)))
    pursue(line)  # the absurd epoch of refused commands is not remembered


def test_commands_keep_their_rhythm_and_carry_their_plan(line):
    pursue(line)
    begin = time.monotonic()
    time.sleep(2.0)
    received = [(at, c) for at, c in list(line.heard[qos.COMMAND_SAFE]) if at >= begin]
    assert 18 <= len(received) <= 22
    assert all(moving(c) and c.plan_id and c.observation_stamp.sec for _, c in received)
    stats = line.since(qos.PLAN_STATS, begin)
    assert len(stats) > 10
    assert all(s.total_seconds >= 0.03 and s.latency >= s.total_seconds for s in stats)
    assert all(s.transport_seconds >= 0 for s in stats)
    executed = [s for s in stats if not math.isnan(s.first_command_age)]
    assert len(executed) > 10
    assert all(s.first_command_age >= s.transport_seconds + s.latency for s in executed)
    late = [s.late_plans for s in stats]
    assert late == sorted(late)


def test_a_killed_planner_stops_the_robot_and_a_new_one_is_obeyed(line, processes):
    pursue(line)
    killed = processes.kill("planner")
    status = line.wait_for(qos.GUARD_STATUS, lambda s: s.state == GuardStatus.HOLDING_STALE, killed)
    assert status.command_age > 0.25
    zero = line.wait_for(qos.COMMAND_SAFE, lambda c: not moving(c), killed)
    assert zero.plan_id == 0
    stopped = next(at for at, c in list(line.heard[qos.COMMAND_SAFE]) if at >= killed and not moving(c))
    assert stopped - killed < STOP
    time.sleep(0.5)
    assert last_motion(line, stopped) == stopped
    begin = time.monotonic()
    processes.start("planner", "scripted_planner.py", objects_from_scene=False)
    line.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.IDLE, begin)
    pursue(line)
