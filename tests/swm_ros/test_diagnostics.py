# SPDX-License-Identifier: Apache-2.0
"""Every node reports on /diagnostics what is wrong and what to do, and its numbers on topics of their own."""

import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from stack_harness import pursue
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger

from swm_ros import qos
from swm_ros.diagnostics import OK, Health, Reporter

pytestmark = pytest.mark.ros


def report(line, name, holds, begin=0.0):
    """The first status of a node since a time for which a condition holds."""
    found = line.wait_for(qos.DIAGNOSTICS, lambda d: d.status[0].name == f"swm/{name}" and holds(d.status[0]), begin)
    return found.status[0]


def test_every_node_reports_and_its_numbers_can_be_plotted(line):
    line.listen(Float64, "/swm/planner/numbers/plans", qos.RECORD)
    line.listen(Float64, "/swm/guard/numbers/accepted", qos.RECORD)
    pursue(line)
    planner = report(line, "planner", lambda s: s.message.startswith("active: reach red moon"))
    assert planner.level == DiagnosticStatus.OK
    values = {v.key: v.value for v in planner.values}
    assert values["model"] == "scripted"
    assert float(values["latency"]) > 0
    assert report(line, "guard", lambda s: s.message == "commands pass").level == DiagnosticStatus.OK
    assert report(line, "perception", lambda s: True).hardware_id == "swm/perception"
    begin = time.monotonic()
    assert line.wait_for("/swm/planner/numbers/plans", lambda m: m.data > 0, begin)
    assert line.wait_for("/swm/guard/numbers/accepted", lambda m: m.data > 0, begin)


def test_an_emergency_stop_is_an_error_that_says_how_to_release_it(line):
    begin = time.monotonic()
    line.estop.publish(Bool(data=True))
    try:
        status = report(line, "guard", lambda s: s.level == DiagnosticStatus.ERROR, begin)
        assert status.message.startswith("emergency stop latched")
        assert "ros2 service call /swm/guard/reset_estop" in status.message
        assert "still pressed" in status.message
    finally:
        line.estop.publish(Bool(data=False))
        report(line, "guard", lambda s: "still pressed" not in s.message, time.monotonic())
        line.call(Trigger, "/swm/guard/reset_estop", Trigger.Request())
    begin = time.monotonic()
    report(line, "guard", lambda s: s.level == DiagnosticStatus.OK, begin)


def test_missing_frames_are_told_by_who_misses_them(line, camera):
    camera.image = None
    begin = time.monotonic()
    try:
        assert qos.CAMERA_IMAGE in report(line, "perception", lambda s: s.level == DiagnosticStatus.WARN, begin).message
        assert qos.OBSERVATION in report(line, "planner", lambda s: s.level == DiagnosticStatus.WARN, begin).message
    finally:
        camera.image = camera.good


def test_numbers_that_are_not_known_are_not_published(line):
    values = {"known": 2, "unknown": float("nan"), "words": "2"}
    topics = {f"/probe/numbers/{name}": name for name in values}
    for topic in topics:
        line.listen(Float64, topic, qos.RECORD)
    Reporter(line.node, 0.05, line.node.get_clock(), lambda: Health(OK, "fine", values))
    assert line.wait_for("/probe/numbers/known", lambda m: m.data == 2.0)
    assert [name for topic, name in topics.items() if line.heard[topic]] == ["known"]
