# SPDX-License-Identifier: Apache-2.0
"""Guard: the last node before the hardware. Applies `swm_ros.guard` to /swm/command_raw and sends /swm/command.

Runs without the world model's libraries and in its own process, so that nothing that a planner does can stop it. When
commands stay away, it sends zero velocity itself; time-outs run on receipt times of a monotonic clock. Not a
safety-rated function.
"""

from __future__ import annotations

import functools
import sys
import time

from geometry_msgs.msg import PoseStamped, Vector3
from rclpy.publisher import Publisher
from rclpy.timer import Timer
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from swm_msgs.msg import Command, GuardStatus
from swm_ros import qos
from swm_ros.conversions import vector
from swm_ros.guard import Guard, GuardConfig, Motion, State
from swm_ros.lifecycle import ManagedNode, run

STATUS_PERIOD = 0.2  # s


class GuardNode(ManagedNode[GuardConfig]):
    """The node."""

    publisher: Publisher
    status: Publisher
    watchdog: Timer

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters; the guard's state outlives deactivation, so that an emergency stop stays latched."""
        super().__init__("guard", GuardConfig, **kwargs)
        self.guard = Guard(self.config)
        self._reported: tuple[State, str] | None = None

    def setup(self) -> None:
        """Create the entities."""
        self.publisher = self.advertise(Command, qos.COMMAND_SAFE, qos.COMMAND)
        self.status = self.advertise(GuardStatus, qos.GUARD_STATUS, qos.STATUS)
        self.listen(Command, qos.COMMAND_RAW, self.on_command, qos.COMMAND)
        self.listen(PoseStamped, qos.EFFECTOR_POSE, self.on_pose, qos.COMMAND)
        # Two subscriptions: one hears every publisher, the other gets what was latched before this node began.
        for profile in (qos.GOAL, qos.LATCHED_EVENT):
            stop = self.create_subscription(Bool, qos.ESTOP, self.on_estop, profile)
            self.own(functools.partial(self.destroy_subscription, stop))
        self.serve(Trigger, "~/estop", self.on_estop_service)
        self.serve(Trigger, "~/reset_estop", self.on_reset)
        self.watchdog = self.every(self.config.command_timeout, self.on_silence)
        self.every(STATUS_PERIOD, self.report)

    def start(self) -> None:
        """Begin anew: commands from before the pause must not pass."""
        self.watchdog.reset()
        self.report()

    def stop(self) -> None:
        """Leave the robot standing."""
        self.send_zero()

    def on_command(self, command: Command) -> None:
        """Judge one command and send what may pass."""
        twist, now = command.twist, time.monotonic()
        asked = Motion(
            vector(twist.twist.linear),
            vector(twist.twist.angular),
            command.gripper,
            twist.header.frame_id,
            (command.epoch, command.plan_id, command.step),
        )
        allowed = self.guard.judge(asked, now)
        if allowed is None:
            self.report_change()
            return
        self.watchdog.reset()
        command.twist.twist.linear = Vector3(**dict(zip("xyz", allowed.linear, strict=True)))
        command.twist.twist.angular = Vector3(**dict(zip("xyz", allowed.angular, strict=True)))
        command.gripper = allowed.gripper
        self.publisher.publish(command)
        self.report_change()

    def on_pose(self, pose: PoseStamped) -> None:
        """Keep where the effector is."""
        position = pose.pose.position
        self.guard.see_effector((position.x, position.y, position.z), time.monotonic())

    def on_silence(self) -> None:
        """The watchdog ran out: nothing acceptable came within the time-out."""
        if self.guard.state(time.monotonic()) in (State.HOLDING_STALE, State.ESTOPPED):
            self.send_zero()
        self.report_change()

    def on_estop(self, message: Bool) -> None:
        """Latch on true, in every lifecycle state; false does not release (only the service does)."""
        if message.data:
            self.engage("topic " + qos.ESTOP)

    def on_estop_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Latch the emergency stop."""
        self.engage("service")
        response.success, response.message = True, "emergency stop latched; ~/reset_estop releases it"
        return response

    def on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Release the emergency stop."""
        was = self.guard.estop
        self.guard.reset()
        response.success, response.message = True, "released" if was else "no emergency stop was latched"
        self.report_change()
        return response

    def engage(self, why: str) -> None:
        """Latch and stop at once."""
        self.guard.latch_estop(why)
        self.send_zero()
        self.report_change()

    def send_zero(self) -> None:
        """Publish the safe action."""
        command = Command()
        command.header.stamp = self.get_clock().now().to_msg()
        command.header.frame_id = self.config.frame
        command.twist.header = command.header
        self.publisher.publish(command)

    def report_change(self) -> None:
        """Report at once when the state changed, and log it."""
        state = self.guard.state(time.monotonic())
        if self._reported is None or state != self._reported[0]:
            self.report()

    def report(self) -> None:
        """Publish the status; log a new state and a new cause once."""
        now, guard = time.monotonic(), self.guard
        state = guard.state(now)
        message = GuardStatus(
            state=int(state),
            estop=guard.estop,
            command_age=guard.age(now),
            accepted=guard.accepted,
            limited=guard.limited,
            causes=[cause.value for cause in guard.counts],
            counts=list(guard.counts.values()),
            message=guard.message,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self.status.publish(message)
        if self._reported is None or self._reported[0] != state:
            news = guard.message if self._reported is None or guard.message != self._reported[1] else ""
            text = state.name.lower().replace("_", " ") + (f"; {news}" if news else "")
            if state == State.RUNNING:  # two lines: rclpy ties a line of code to one severity
                self.get_logger().info(text)
            else:
                self.get_logger().warning(text)
        elif guard.message != self._reported[1]:
            self.get_logger().warning(guard.message, throttle_duration_sec=2.0)
        self._reported = (state, guard.message)


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(GuardNode))


if __name__ == "__main__":
    main()
