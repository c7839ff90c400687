# SPDX-License-Identifier: Apache-2.0
"""Manager: brings the nodes up in order, brings back those whose process was replaced, takes them down in reverse.

It speaks lifecycle services and hears heartbeats; processes belong to whoever started them (`swm-sim`, `ros2 launch`),
who starts dead ones again, all but the guard. The stack goes on without it, so it may be restarted like any other.
"""

from __future__ import annotations

import functools
import signal
import sys
import time
from dataclasses import dataclass, field

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client
from rclpy.publisher import Publisher
from rclpy.task import Future

from swm_core.errors import ConfigError
from swm_msgs.msg import Heartbeat, StackStatus
from swm_ros import qos
from swm_ros.lifecycle import HEARTBEAT_PERIOD, ManagedNode, run
from swm_ros.manager import NodeState, Roster, StackState

TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
}
LISTENING = 2.0  # s at the beginning, in which those are heard that a former stack left over
PATIENCE = 5.0  # s; the log tells whom the bring-up has waited for that long
LOST_AFTER = 2.0  # s; a node whose heartbeats go on that long after a request has not got it
AFTER = {"configure": NodeState.INACTIVE, "activate": NodeState.ACTIVE, "deactivate": NodeState.INACTIVE}


@dataclass(frozen=True)
class Asked:
    """A transition that was asked for.

    Attributes:
        node: its name.
        transition: "configure", "activate" or "deactivate".
        answer: the service's.
        at: when, s.
    """

    node: str
    transition: str
    answer: Future
    at: float


@dataclass(frozen=True)
class ManagerConfig:
    """Settings of the manager.

    Attributes:
        nodes: names of the nodes in the order of their bring-up, in the manager's namespace; empty for none.
        heartbeat_timeout: time without a heartbeat after which a node is reported as silent, s.
        transition_timeout: how long none is expected of a node that was asked for a transition, s; it may load a model.
        shutdown_timeout: longest time for taking all nodes down, s.
    """

    nodes: tuple[str, ...] = ()
    heartbeat_timeout: float = field(default=2.0, metadata={"range": (0.5, 60.0)})
    transition_timeout: float = field(default=120.0, metadata={"range": (1.0, 3600.0)})
    shutdown_timeout: float = field(default=2.5, metadata={"range": (0.1, 60.0)})

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            ConfigError: one repeats.
        """
        if len(set(self.nodes)) != len(self.nodes):
            raise ConfigError(f"nodes {self.nodes} name one twice")


class Manager(ManagedNode[ManagerConfig]):
    """The node."""

    status: Publisher

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("manager", ManagerConfig, **kwargs)
        self.roster = Roster(self.config.nodes, self.config.heartbeat_timeout)
        self._busy_at = 0.0  # when a transition was last under way, s
        self._asked: Asked | None = None
        self._refused: Asked | None = None
        self._reported: tuple[object, ...] = ()

    def setup(self) -> None:
        """Create the entities."""
        self.status = self.advertise(StackStatus, qos.STACK_STATUS, qos.LATCHED_EVENT)
        self.listen(Heartbeat, qos.HEARTBEAT, self.on_heartbeat, qos.RECORD)
        self.callers: dict[str, Client] = {}
        for name in self.config.nodes:
            self.callers[name] = self.create_client(ChangeState, f"{name}/change_state")
            self.own(functools.partial(self.destroy_client, self.callers[name]))
        self.every(HEARTBEAT_PERIOD, self.manage)

    def start(self) -> None:
        """Begin to listen."""
        self._begin = self._busy_at = time.monotonic()

    def on_heartbeat(self, beat: Heartbeat) -> None:
        """Take a node's word on its state."""
        now, asked, member = time.monotonic(), self._asked, self.roster.members.get(beat.node)
        if member is not None and asked is not None and asked.node == beat.node:
            if beat.pid == member.pid and now - asked.at < LOST_AFTER:
                return  # sent before the transition began
            self._asked = None  # another process, or one that turns its executor and has not got the request
        self.roster.hear(beat.node, beat.state, beat.pid, now, beat.was_active)
        refused = self._refused
        if refused is not None and refused.node == beat.node:
            self._refused = None
            if member is not None and member.state != AFTER[refused.transition]:
                self.roster.failure = f"{refused.node} cannot {refused.transition}; its log says why"

    def manage(self) -> None:
        """Take the first node that is not active one step further, one transition at a time; report changes."""
        now, roster = time.monotonic(), self.roster
        if self._asked is not None:
            if now - self._asked.at < self.config.transition_timeout:
                roster.members[self._asked.node].heard = now  # its executor is at the transition
            self.take_answer()
        roster.look(now)
        idle = not (self._asked or self._refused or roster.failure) and now - self._begin >= LISTENING
        step = roster.next_step() if idle else None
        if step is not None:
            self._asked = self.ask(*step)
            if self._asked and self._asked.transition == "deactivate":
                self.get_logger().warning(f"{self._asked.node} goes on from a former stack and is taken down")
        self.report()
        if self._asked or roster.state != StackState.STARTING:
            self._busy_at = now
        elif now - self._busy_at > PATIENCE:
            self._busy_at = float("inf")  # once is enough
            self.get_logger().info(f"waiting; {self.away()}")

    def ask(self, node: str, transition: str) -> Asked | None:
        """Ask a node for a transition; None while its service is not there."""
        client = self.callers[node]
        if not client.service_is_ready():
            return None
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
        return Asked(node, transition, client.call_async(request), time.monotonic())

    def take_answer(self) -> None:
        """Take the answer to the transition asked for, once it is there.

        A refusal counts when the node's next heartbeat agrees: a request that was sent twice is refused once.
        """
        asked = self._asked
        if asked is None or not asked.answer.done():
            return
        self._asked, result = None, asked.answer.result()
        if result is not None and result.success:
            self.roster.arrive(asked.node, AFTER[asked.transition])
        else:
            self._refused = asked

    def report(self) -> None:
        """Publish and log what has changed; end the process where the stack cannot come up."""
        roster = self.roster
        members = roster.members.values()
        now = (roster.state, *((m.name, m.state, m.restarts) for m in members))
        if now == self._reported:
            return
        self._reported = now
        text = roster.failure or "; ".join(filter(None, (roster.state.name.lower(), self.away())))
        silent = any(m.state == NodeState.SILENT for m in members)
        message = StackStatus(state=int(roster.state), nodes=list(roster.members), message=text)
        message.node_states, message.restarts = [int(m.state) for m in members], [m.restarts for m in members]
        message.header.stamp = self.get_clock().now().to_msg()
        self.status.publish(message)
        if roster.state == StackState.FAILED:
            self.get_logger().error(text)
            self.give_up(text)
        elif roster.state == StackState.DEGRADED or (roster.state == StackState.STARTING and silent):
            self.get_logger().warning(text)
        elif roster.state == StackState.RUNNING:
            self.get_logger().info(text)

    def away(self) -> str:
        """How those stand that are not active, for people."""
        members = self.roster.members.values()
        return "; ".join(f"{m.name} is {m.state.name.lower()}" for m in members if m.state != NodeState.ACTIVE)

    def finish(self) -> None:
        """Take the nodes down in the reverse order: the guard, which came first, goes last.

        Not so after SIGTERM, which is for the manager alone; the end of a stack begins with SIGINT.
        """
        if self.active and not self.roster.failure and self.signal != signal.SIGTERM:
            active = self.roster.end()
            self.report()
            end = time.monotonic() + self.config.shutdown_timeout
            for name in active:
                asked = self.ask(name, "deactivate")
                if asked is not None:
                    rclpy.spin_until_future_complete(self, asked.answer, timeout_sec=max(0.0, end - time.monotonic()))
                    self.get_logger().info(f"{name} is taken down")
        super().finish()


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Manager))


if __name__ == "__main__":
    main()
