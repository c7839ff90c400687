# SPDX-License-Identifier: Apache-2.0
"""Guard: the last node before the hardware. Applies `swm_ros.guard` to /swm/command_raw and sends /swm/command.

Runs without the world model's libraries and in its own process, so that nothing that a planner does can stop it. When
commands stay away, it takes the safe action itself; time-outs run on receipt times of a monotonic clock. It is started
first, ends after those that command it, and is never started again by itself: when it is gone, the stack ends. Where
that is permitted it has a real-time priority. Not a safety-rated function.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from dataclasses import dataclass, field

from geometry_msgs.msg import PoseStamped, Vector3
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.publisher import Publisher
from rclpy.subscription import MessageInfo
from rclpy.timer import Timer
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from swm_core.errors import ConfigError
from swm_msgs.msg import Command, GuardStatus
from swm_ros import qos
from swm_ros.conversions import nanoseconds, vector
from swm_ros.diagnostics import ERROR, OK, WARN, Health
from swm_ros.guard import Cause, Guard, State
from swm_ros.guard_config import GuardConfig
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.motion import Motion
from swm_ros.robot_interface import RobotInterface, RobotPort
from swm_ros.static_tf import send_static_transform

STATUS_PERIOD = 0.2  # s
PRIORITY = 20  # of the real-time class SCHED_FIFO, above every ordinary process and below a robot's own drivers
LAST_WAIT = 2.0  # s that the guard waits at its end for those that command it to end first


@dataclass(frozen=True)
class GuardNodeConfig(GuardConfig):
    """Settings of the guard node.

    Attributes:
        robot: how the robot is spoken to.
    """

    robot: RobotInterface = field(default_factory=RobotInterface)


class GuardNode(ManagedNode[GuardNodeConfig]):
    """The node."""

    publisher: Publisher
    status: Publisher
    watchdog: Timer

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters; the guard's state outlives deactivation, so that an emergency stop stays latched."""
        super().__init__("guard", GuardNodeConfig, **kwargs)
        self.guard = Guard(self.config)
        self.robot: RobotPort | None = None
        self._reported: State | None = None
        self._told: set[Cause] = set()

    def setup(self) -> None:
        """Create the entities."""
        robot = self.config.robot
        self.publisher = self.advertise(
            Command, qos.COMMAND_DRY_RUN if robot.dry_run else qos.COMMAND_SAFE, qos.COMMAND
        )
        closed = self.robot.closed if self.robot else robot.gripper_start
        self.robot = RobotPort(robot, self.config.frame, self.config.control_period, self.advertise, closed)
        if robot.dry_run:
            self.get_logger().warning(f"dry run: nothing leaves; what would is on {qos.COMMAND_DRY_RUN}")
        if robot.publish_tf:
            send_static_transform(self, self.config.frame, robot.twist_frame, robot.base)
        self.status = self.advertise(GuardStatus, qos.GUARD_STATUS, qos.STATUS)
        self.listen(Command, qos.COMMAND_RAW, self.on_command, qos.COMMAND)
        profile = qos.COMMAND if robot.pose_reliability == "reliable" else qos.SENSOR
        self.listen(PoseStamped, robot.pose_topic, self.on_pose, profile)
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)  # who does not fit one fits another
        for profile in qos.STOPS:
            stop = self.create_subscription(Bool, qos.ESTOP, self.on_estop, profile, event_callbacks=quiet)
            self.own(functools.partial(self.destroy_subscription, stop))
        self.serve(Trigger, "~/estop", self.on_estop_service)
        self.serve(Trigger, "~/reset_estop", self.on_reset)
        self.watchdog = self.every(self.config.command_timeout, self.on_silence)
        self.every(STATUS_PERIOD, self.report)
        self.every(self.config.command_timeout / 4, lambda: self.guard.wake(time.monotonic()))

    def start(self) -> None:
        """Begin anew: commands from before the pause, and of the goal pursued then, must not pass."""
        self.guard.bar()
        self.watchdog.reset()
        self.report()

    def stop(self) -> None:
        """Leave the robot standing."""
        self.send_safe_action()

    def finish(self) -> None:
        """Pass nothing from now on, outlive those that send commands, then leave the robot standing."""
        if self.active:
            self.stop()
            end = time.monotonic() + LAST_WAIT
            while self.count_publishers(qos.COMMAND_RAW) and time.monotonic() < end:
                time.sleep(0.02)
            if self.guard.counts:
                counts = ", ".join(f"{cause.value} {number}" for cause, number in self.guard.counts.items())
                self.get_logger().info(f"{self.guard.accepted} commands passed; refused or reduced: {counts}")
        super().finish()

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
        self.guard.wake(now)
        allowed = self.guard.judge(asked, now)
        if allowed is None:
            self.report_change()
            return
        self.watchdog.reset()
        command.twist.twist.linear = Vector3(**dict(zip("xyz", allowed.linear, strict=True)))
        command.twist.twist.angular = Vector3(**dict(zip("xyz", allowed.angular, strict=True)))
        command.gripper = allowed.gripper
        self.send(command)
        self.report_change()

    def send(self, command: Command) -> None:
        """Publish a command that may leave, for whoever listens and for the robot."""
        self.publisher.publish(command)
        if self.robot:
            self.robot.send(command, self.get_clock().now().to_msg())

    def on_pose(self, pose: PoseStamped) -> None:
        """Keep where the effector is."""
        if self.robot is None:
            return
        try:
            self.guard.see_effector(self.robot.position(pose), time.monotonic(), nanoseconds(pose.header.stamp))
        except ConfigError as error:
            self.get_logger().error(str(error), once=True)

    def on_silence(self) -> None:
        """The watchdog ran out: nothing acceptable came within the time-out."""
        if self.guard.estop or self.guard.stale(time.monotonic()):
            self.send_safe_action()
        self.report_change()

    def on_estop(self, message: Bool, info: MessageInfo) -> None:
        """Latch on true, in every lifecycle state; false releases nothing, but without it the service does not either.

        Each word comes up to three times, as there are three subscriptions.
        """
        if self.guard.button.hear(message.data, info["source_timestamp"]):
            self.engage("topic " + qos.ESTOP)

    def on_estop_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Latch the emergency stop."""
        self.engage("service")
        response.success, response.message = True, "emergency stop latched; ~/reset_estop releases it"
        return response

    def on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Release the emergency stop, unless it is still pressed."""
        was, response.success = self.guard.estop, self.guard.reset()
        response.message = self.guard.message if was else "no emergency stop was latched"
        if not response.success:
            response.message = f"still pressed: the last word on {qos.ESTOP} is true; publish false there first"
        self.report_change()
        return response

    def engage(self, why: str) -> None:
        """Latch and stop at once."""
        self.guard.latch_estop(why)
        self.send_safe_action()
        self.report_change()

    def send_safe_action(self) -> None:
        """Send what the robot is to do when nothing else may pass; nothing, where that is its safe action."""
        motion = self.guard.rest(time.monotonic())
        if motion is None:
            return
        command = Command()
        command.header.stamp = self.get_clock().now().to_msg()
        command.header.frame_id = motion.frame
        command.twist.header = command.header
        self.send(command)

    def health(self) -> Health:
        """Whether commands pass, with counts per cause of refusal and limiting."""
        now, guard = time.monotonic(), self.guard
        values: dict[str, str | float] = {"accepted": guard.accepted, "limited": guard.limited}
        values |= {cause.value.replace(" ", "_"): guard.counts[cause] for cause in Cause}
        values |= {"command_age": guard.age(now)} if guard.age(now) >= 0 else {}
        values["last_event"] = guard.message
        service = f"ros2 service call {self.get_fully_qualified_name()}/reset_estop std_srvs/srv/Trigger"
        held = f"no acceptable command for {self.config.command_timeout} s, the safe action is taken"
        held += f"; {guard.message}" if guard.message else ""
        pressed = f" and still pressed (publish false on {qos.ESTOP})" if guard.button.pressed else ""
        level, message = {
            State.WAITING: (OK, f"waiting for commands on {qos.COMMAND_RAW}"),
            State.RUNNING: (OK, "commands pass"),
            State.HOLDING_STALE: (WARN, held),
            State.ESTOPPED: (ERROR, f"emergency stop latched{pressed}; when it is safe: {service}"),
        }[guard.state(now)]
        return Health(level, message, values)

    def report_change(self) -> None:
        """Report at once what is new: another state, or the first refusal of a cause."""
        if self.guard.state(time.monotonic()) != self._reported or self.guard.first.keys() - self._told:
            self.report()

    def report(self) -> None:
        """Publish the status with all counts; log a new state, and each cause the first time it occurs."""
        now, guard = time.monotonic(), self.guard
        state = guard.state(now)
        message = GuardStatus(
            state=int(state),
            estop=guard.estop,
            command_age=guard.age(now),
            epoch=guard.epoch,
            accepted=guard.accepted,
            limited=guard.limited,
            causes=[cause.value for cause in guard.counts],
            counts=list(guard.counts.values()),
            message=guard.message,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self.status.publish(message)
        for cause in guard.first.keys() - self._told:
            self._told.add(cause)
            self.get_logger().warning(f"{guard.first[cause]}; further ones are only counted, in {qos.GUARD_STATUS}")
        if state != self._reported:
            text = state.name.lower().replace("_", " ")
            if state in (State.RUNNING, State.WAITING):  # two lines: rclpy ties a line of code to one severity
                self.get_logger().info(text)
            else:
                why = guard.message if state == State.ESTOPPED else ""
                self.get_logger().warning(f"{text}; {why}" if why else text)
        self._reported = state


def go_first() -> bool:
    """Have this thread, and those that it begins, go before all ordinary ones; tell whether that is permitted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    return True


def main() -> None:
    """Run the node as a process."""
    go_first()  # before the middleware begins its threads
    sys.exit(run(GuardNode))


if __name__ == "__main__":
    main()
