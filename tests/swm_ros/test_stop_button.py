# SPDX-License-Identifier: Apache-2.0
"""The words of the emergency stop's topic, as three subscriptions hear them."""

import time

import rclpy
from hypothesis import given
from hypothesis import strategies as st
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from std_msgs.msg import Bool

from swm_ros import qos
from swm_ros.guard_node import GuardNode
from swm_ros.stop_button import StopButton


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_the_last_word_holds_in_whatever_order_three_subscriptions_hear_them(words, data):
    queues, button = [list(enumerate(words, 1)) for _ in range(3)], StopButton()
    presses = heard = 0
    while waiting := [queue for queue in queues if queue]:
        stamp, pressed = data.draw(st.sampled_from(waiting)).pop(0)
        presses += button.hear(pressed, stamp)
        heard = max(heard, stamp)
        assert button.pressed == words[heard - 1], "a late word counted"
    assert presses == sum(words)


def test_an_older_stamp_is_of_another_clock_and_counts():
    button = StopButton()
    assert not button.hear(False, 900)
    assert button.hear(True, 5)
    assert button.pressed


def test_without_stamps_every_word_counts():
    button = StopButton()
    assert button.hear(True, 0)
    assert not button.hear(False, 0)
    assert button.hear(True, 0)


def test_what_is_pressed_and_let_go_while_the_guard_is_busy_can_be_released(ros):
    node, sender = GuardNode(), rclpy.create_node("sender")
    publisher = sender.create_publisher(Bool, qos.ESTOP, qos.GOAL)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        end = time.monotonic() + 20.0
        while publisher.get_subscription_count() < 2 and time.monotonic() < end:  # the third is for latched words only
            time.sleep(0.02)
        for pressed in (True, False, True, False):
            publisher.publish(Bool(data=pressed))
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        assert node.guard.estop
        assert node.guard.reset(), "the last word was false"
    finally:
        node.destroy_node()
        sender.destroy_node()
