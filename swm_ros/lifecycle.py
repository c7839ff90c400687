# SPDX-License-Identifier: Apache-2.0
"""The managed node that every node of the stack is, and the main function that they share.

A subclass fills in `setup` (configure), `start` (activate), `stop` (deactivate) and `close` (clean-up). Its entities
are made with `advertise`, `listen`, `serve` and `every`, are silent unless the node is active, and are destroyed at
clean-up. What it returns from `health` is published as diagnostics. With the parameter `autostart` (default) a node
configures and activates itself, so that one that is started alone needs no manager; the stack's manager brings up the
others and hears their heartbeats.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import psutil
import rclpy
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

from swm_core.errors import ConfigError, SwmError
from swm_msgs.msg import Heartbeat
from swm_ros import parameters, qos
from swm_ros.diagnostics import WARN, Health, Reporter
from swm_ros.stack import CANNOT_BEGIN, LAUNCHER_PID

Config = TypeVar("Config")
HEARTBEAT_PERIOD = 0.2  # s


class ManagedNode(LifecycleNode, Generic[Config]):
    """Lifecycle node with a configuration from a frozen dataclass."""

    def __init__(self, name: str, config_type: type[Config], **kwargs: Any) -> None:
        """Declare parameters.

        Args:
            name: node name.
            config_type: frozen dataclass of the node's settings.
            **kwargs: passed to rclpy's node (tests give parameter overrides).

        Raises:
            ConfigError: a parameter is unknown, of a wrong type or out of range.
        """
        super().__init__(name, **kwargs)
        text = "configure and activate without a lifecycle manager"
        autostart = self.declare_parameter("autostart", True, ParameterDescriptor(description=text, read_only=True))
        self.autostart: bool = autostart.value
        text = "time between diagnostic messages, s"
        limits = [FloatingPointRange(from_value=0.05, to_value=60.0, step=0.0)]
        described = ParameterDescriptor(description=text, read_only=True, floating_point_range=limits)
        period = self.declare_parameter("diagnostics_period", 1.0, described)
        self.config: Config = parameters.declare(self, config_type)
        parameters.refuse_unknown(self)
        self.active = False
        self.was_active = False  # at some time in this process
        self.signal = 0  # that ends the process
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.failure = ""
        self._destroyers: list[Callable[[], object]] = []
        self._heartbeats = self.create_publisher(Heartbeat, qos.HEARTBEAT, qos.RECORD)
        self.create_timer(HEARTBEAT_PERIOD, self._beat, clock=self.steady_clock)
        Reporter(self, period.value, self.steady_clock, self._reported_health)

    def _beat(self) -> None:
        """Tell that the executor turns, in every lifecycle state."""
        state = self._state_machine.current_state[0]
        beat = Heartbeat(node=self.get_name(), state=state, was_active=self.was_active, pid=os.getpid())
        beat.header.stamp = self.get_clock().now().to_msg()
        self._heartbeats.publish(beat)

    def setup(self) -> None:
        """Create what the node needs (configure)."""

    def start(self) -> None:
        """Begin work (activate)."""

    def stop(self) -> None:
        """End work (deactivate); must leave the robot without a motion command."""

    def close(self) -> None:
        """Free what `setup` made other than ROS entities (clean-up)."""

    def health(self) -> Health:
        """How the node is while it is active; asked at each diagnostic message."""
        return Health()

    def _reported_health(self) -> Health:
        if self.active:
            return self.health()
        way = f"ros2 lifecycle set {self.get_fully_qualified_name()} configure, then activate"
        return Health(WARN, f"not active; {way}")

    def advertise(self, message: type, topic: str, qos: QoSProfile) -> Publisher:
        """Publisher that is silent unless the node is active."""
        publisher = self.create_lifecycle_publisher(message, topic, qos)
        self._destroyers.append(lambda: self.destroy_lifecycle_publisher(publisher))
        return publisher

    def listen(self, message: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        """Subscription whose messages are dropped unless the node is active."""

        def when_active(received: Any) -> None:
            if self.active:
                callback(received)

        subscription = self.create_subscription(message, topic, when_active, qos)
        self._destroyers.append(lambda: self.destroy_subscription(subscription))

    def serve(self, service: type, name: str, callback: Callable[..., Any], group: CallbackGroup | None = None) -> None:
        """Service, answered in every state from configured on.

        Args:
            service: its type.
            name: its name.
            callback: gets request and response, returns the response.
            group: a callback that awaits something needs a reentrant one, as the node's default group stands still
                until a callback of it has returned.
        """
        made = self.create_service(service, name, callback, callback_group=group)
        self._destroyers.append(lambda: self.destroy_service(made))

    def every(self, period: float, callback: Callable[[], None], clock: Clock | None = None) -> Timer:
        """Timer that does nothing unless the node is active.

        Args:
            period: s.
            callback: called without arguments.
            clock: by default the monotonic clock; a simulator passes the node's ROS clock.
        """

        def when_active() -> None:
            if self.active:
                callback()

        timer = self.create_timer(period, when_active, clock=clock or self.steady_clock)
        self._destroyers.append(lambda: self.destroy_timer(timer))
        return timer

    def own(self, destroy: Callable[[], object]) -> None:
        """Call `destroy` at clean-up."""
        self._destroyers.append(destroy)

    def give_up(self, why: str) -> None:
        """End the process with the status that says that starting it again is of no use."""
        self.failure = why

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `setup`."""
        return self._transition("configure", self.setup, lambda: super(ManagedNode, self).on_configure(state))

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the publishers, then run `start`."""

        def begin() -> None:
            self.active = self.was_active = True
            self.start()

        super().on_activate(state)
        return self._transition("activate", begin)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `stop` while the publishers are still open, then close them."""
        result = self._transition("deactivate", self.stop, lambda: super(ManagedNode, self).on_deactivate(state))
        self.active = False
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        return self._transition("clean up", self._free)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End work if active, then free everything."""
        return self._transition("shut down", self.finish)

    def finish(self) -> None:
        """Stop and free, from whichever state."""
        if self.active:
            self.stop()
            self.active = False
        self._free()

    def _free(self) -> None:
        self.close()
        while self._destroyers:
            self._destroyers.pop()()

    def _transition(self, name: str, *actions: Callable[[], object]) -> TransitionCallbackReturn:
        try:
            for action in actions:
                action()
        except SwmError as error:
            self.get_logger().error(f"cannot {name}: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().error(f"cannot {name}: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def bring_up(self) -> bool:
        """Configure and activate, if `autostart` says so; tell whether that worked."""
        if not self.autostart:
            self.get_logger().info("waiting for the manager")
            return True
        success = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == success and self.trigger_activate() == success)


def run(make: Callable[[], ManagedNode[Any]]) -> int:
    """Main function of a node process: bring it up, spin, end cleanly on SIGINT and SIGTERM.

    The signals only set a flag, so that the node can still publish its last word (zero velocity, goal aborted) when
    it ends.

    Returns:
        Exit status: 0, or CANNOT_BEGIN when a parameter is wrong or the node could not be configured or activated.
    """
    stopping, node = threading.Event(), None

    def end(number: int, _: object) -> None:
        if node is not None:
            node.signal = number
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make()
        if not node.bring_up():
            return CANNOT_BEGIN
        _spin(node, stopping)
        return CANNOT_BEGIN if node.failure else 0
    except ConfigError as error:
        rclpy.logging.get_logger("swm").error(str(error))
        return CANNOT_BEGIN
    finally:
        if node is not None:
            node.finish()
            node.destroy_node()
        rclpy.try_shutdown()


def _spin(node: ManagedNode[Any], stopping: threading.Event) -> None:
    """Spin until a signal has come or the launcher is gone."""
    launcher = int(os.environ.get(LAUNCHER_PID, "0"))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stopping.is_set() and not node.failure and (not launcher or psutil.pid_exists(launcher)):
        executor.spin_once(timeout_sec=0.2)
    executor.remove_node(node)
