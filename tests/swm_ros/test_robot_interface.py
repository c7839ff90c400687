# SPDX-License-Identifier: Apache-2.0
"""Commands in a robot's own messages and frames, and its poses in the guard's."""

import itertools
import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from std_msgs.msg import Float64, Float64MultiArray

from swm_core.errors import ConfigError
from swm_core.frames import Transform
from swm_msgs.msg import Command
from swm_ros.conversions import pose, quaternion
from swm_ros.robot_interface import RobotInterface, RobotPort
from swm_ros.static_tf import transform_message

# the robot's base stands 1 m along the world's x and is turned a quarter about z: its x is the world's y
BASE = (1.0, 0.0, 0.2, 0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5))
NOW = Time(sec=5)


class Sent:
    """Publishers that remember; stands in for a node's."""

    def __init__(self):
        self.messages = []

    def advertise(self, kind, topic, profile):
        sent = self

        class Publisher:
            def publish(self, message):
                assert isinstance(message, kind)
                sent.messages.append((topic, message))

        return Publisher()


def command(x=0.0, y=0.0, yaw=0.0, gripper=0.0) -> Command:
    made = Command(gripper=gripper)
    made.twist.header.frame_id = "world"
    made.twist.twist.linear.x, made.twist.twist.linear.y, made.twist.twist.angular.z = x, y, yaw
    return made


def port(sent, **settings) -> RobotPort:
    config = RobotInterface(**settings)
    return RobotPort(config, "world", 0.1, sent.advertise, config.gripper_start)


def test_velocities_are_turned_into_the_robots_frame_and_stamped_by_this_machines_clock():
    sent = Sent()
    port(sent, twist_topic="/servo", twist_frame="base_link", base_pose=BASE).send(command(y=0.2, yaw=0.5), NOW)
    ((topic, message),) = sent.messages
    assert (topic, type(message)) == ("/servo", TwistStamped)
    assert (message.header.frame_id, message.header.stamp) == ("base_link", NOW)
    linear, angular = message.twist.linear, message.twist.angular
    assert [linear.x, linear.y, linear.z] == pytest.approx([0.2, 0, 0], abs=1e-12)
    assert [angular.x, angular.y, angular.z] == pytest.approx([0, 0, 0.5], abs=1e-12)


def test_without_a_frame_of_its_own_the_robot_gets_the_guards():
    sent = Sent()
    port(sent, twist_topic="/cmd", twist_type="Twist").send(command(x=0.1), NOW)
    assert sent.messages == [("/cmd", Twist(linear=command(x=0.1).twist.twist.linear))]


@pytest.mark.parametrize(("kind", "message"), [("Float64", Float64), ("Float64MultiArray", Float64MultiArray)])
def test_the_gripper_gets_positions_in_its_controllers_unit_and_nothing_when_it_is_left_alone(
    kind, message, monkeypatch
):
    sent, clock = Sent(), itertools.count(5.0, 0.2)
    monkeypatch.setattr("swm_ros.robot_interface.time.monotonic", lambda: next(clock))
    robot = port(
        sent, gripper_topic="/gripper", gripper_type=kind, gripper_open=0.08, gripper_closed=0.0, gripper_start=0.5
    )
    for rate in (-2.5, 0.0, 10.0, -1.0):
        robot.send(command(gripper=rate), NOW)
    values = [m.data if message is Float64 else m.data[0] for _, m in sent.messages]
    assert values == pytest.approx([0.06, 0.0, 0.008])


def test_a_burst_of_commands_moves_the_gripper_no_faster(monkeypatch):
    sent, clock = Sent(), itertools.count(5.0, 0.01)
    monkeypatch.setattr("swm_ros.robot_interface.time.monotonic", lambda: next(clock))
    robot = port(sent, gripper_topic="/gripper", gripper_type="Float64", gripper_open=0.0, gripper_closed=1.0)
    for _ in range(11):
        robot.send(command(gripper=2.0), NOW)
    assert robot.closed == pytest.approx(2.0 * (0.1 + 10 * 0.01)), "the time of the first, and what passed since"


def test_in_a_dry_run_the_robot_has_not_even_a_publisher():
    sent = Sent()
    port(sent, twist_topic="/servo", gripper_topic="/gripper", dry_run=True).send(command(x=0.1, gripper=1.0), NOW)
    assert not sent.messages


def test_poses_come_into_the_guards_frame_and_unknown_frames_are_refused():
    robot = port(Sent(), twist_frame="base_link", base_pose=BASE)
    stamped = PoseStamped(pose=pose((0.3, 0.1, 0.0)))
    stamped.header.frame_id = "base_link"
    assert robot.position(stamped) == pytest.approx((0.9, 0.3, 0.2))
    stamped.header.frame_id = "world"
    assert robot.position(stamped) == pytest.approx((0.3, 0.1, 0.0))
    stamped.header.frame_id = "camera"
    with pytest.raises(ConfigError, match="'camera'; 'world' or 'base_link'"):
        robot.position(stamped)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"twist_type": "Wrench"}, "TwistStamped"),
        ({"gripper_type": "Bool"}, "Float64"),
        ({"base_pose": (1.0, 2.0)}, "base_pose"),
        ({"base_pose": BASE}, "twist_frame"),
        ({"gripper_open": math.nan}, "finite"),
        ({"pose_reliability": "some"}, "best_effort"),
    ],
)
def test_absurd_interfaces_are_errors(settings, said):
    with pytest.raises(ConfigError, match=said):
        RobotInterface(**settings)


def test_a_static_transform_says_what_the_settings_say():
    message = transform_message("world", "base_link", Transform.from_numbers(BASE, "base"))
    assert (message.header.frame_id, message.child_frame_id) == ("world", "base_link")
    t, r = message.transform.translation, message.transform.rotation
    assert (t.x, t.y, t.z, r.x, r.y, r.z, r.w) == pytest.approx(BASE, abs=1e-12)


def test_quaternions_of_random_rotations_give_the_rotation_back():
    random = np.random.default_rng(0)
    for numbers in [*random.normal(size=(50, 4)), *np.eye(4)]:
        unit = numbers / np.linalg.norm(numbers)
        rotation = Transform.from_numbers((0, 0, 0, *unit), "r").rotation
        q = quaternion(rotation)
        assert Transform.from_numbers((0, 0, 0, q.x, q.y, q.z, q.w), "r").rotation == pytest.approx(rotation, abs=1e-9)
