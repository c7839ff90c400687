# SPDX-License-Identifier: Apache-2.0
"""What the manager knows of the nodes and what it does next. Pure logic: no ROS and no clock, as for the guard.

One rule brings the stack up and brings back a node whose process was replaced: the first node, in order, that is not
active and answers is taken one transition further. With a new process of the first node, the guard, a new stack
begins: what stands from before, on another machine, is taken down first. Nothing that must stop the robot depends on
the manager: the time-outs of planner, guard and robot do that. So a heartbeat that stays away has no consequence but a
word, and heartbeats may be late on a busy machine without harm.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class NodeState(enum.IntEnum):
    """How one node stands; the values are those of swm_msgs/StackStatus."""

    MISSING = 0
    UNCONFIGURED = 1
    INACTIVE = 2
    ACTIVE = 3
    SILENT = 4
    FINALIZED = 5


class StackState(enum.IntEnum):
    """How the stack stands; the values are those of swm_msgs/StackStatus."""

    STARTING = 0
    RUNNING = 1
    DEGRADED = 2
    FAILED = 3
    ENDING = 4


# primary states of lifecycle_msgs/State; a node in between counts as what it was before
PRIMARY = {1: NodeState.UNCONFIGURED, 2: NodeState.INACTIVE, 3: NodeState.ACTIVE, 4: NodeState.FINALIZED}
UP = {NodeState.UNCONFIGURED: "configure", NodeState.INACTIVE: "activate"}


@dataclass
class Member:
    """One node.

    Attributes:
        name: of the node.
        state: as last heard.
        pid: of its process.
        heard: when its last heartbeat came, s.
        restarts: how often its process was replaced.
        was_active: whether this process of it has been active; if it is not now, somebody took it down.
        left_over: whether it stands as a former stack, that of another guard, left it.
    """

    name: str
    state: NodeState = NodeState.MISSING
    pid: int = 0
    heard: float = float("-inf")
    restarts: int = 0
    was_active: bool = False
    left_over: bool = False


class Roster:
    """The nodes of the stack in the order of their bring-up; times are seconds of a monotonic clock."""

    def __init__(self, names: Sequence[str], timeout: float) -> None:
        """Know nothing of them yet.

        Args:
            names: of the nodes, in order.
            timeout: time without a heartbeat after which a node counts as silent, s.
        """
        self.members = {name: Member(name) for name in names}
        self.timeout = timeout
        self.ending = False
        self.failure = ""
        self._anew = False  # whether the guard's process was new when it was first heard
        self._complete = False  # whether the bring-up is over: all were active at some time

    def hear(self, name: str, primary: int, pid: int, now: float, was_active: bool = False) -> None:
        """Take a heartbeat; those of nodes that are not the stack's are ignored."""
        member = self.members.get(name)
        if member is None:
            return
        another = member.pid != pid
        member.restarts += another and member.pid != 0
        member.state = PRIMARY.get(primary, member.state)
        member.pid, member.heard, member.was_active = pid, now, was_active
        if another and name == next(iter(self.members)):
            self._anew = not was_active
            if self._anew:
                self._complete = False
                for each in self.members.values():
                    each.left_over = each.was_active
        elif another:
            member.left_over = was_active and self._anew

    def arrive(self, name: str, state: NodeState) -> None:
        """Take a node's word that the transition it was asked for has led to a state."""
        member = self.members[name]
        member.state = state
        member.left_over = member.left_over and state != NodeState.ACTIVE

    def _settled(self, member: Member) -> bool:
        """Whether there is nothing to do for it: it is active, or somebody took it down."""
        return (member.state == NodeState.ACTIVE or member.was_active) and not member.left_over

    def look(self, now: float) -> None:
        """Note who has fallen silent."""
        for member in self.members.values():
            if member.state != NodeState.MISSING and now - member.heard > self.timeout:
                member.state = NodeState.SILENT
        if all(map(self._settled, self.members.values())):
            self._complete = True

    @property
    def state(self) -> StackState:
        """How the stack stands."""
        if self.ending:
            return StackState.ENDING
        if self.failure:
            return StackState.FAILED
        if all(m.state == NodeState.ACTIVE for m in self.members.values()):
            return StackState.RUNNING
        return StackState.DEGRADED if self._complete else StackState.STARTING

    def next_step(self) -> tuple[str, str] | None:
        """Node and transition that are due; None while nothing can be done.

        At first the order is strict: a node is configured when those before it are active. Later a node that was
        replaced comes back although another is missing, and one that somebody took down stays down. Before a new stack
        comes up, what is left over of a former one goes down, the last in order first: it may pursue an old goal.
        """
        if self.ending:
            return None
        for member in reversed(self.members.values()):
            if member.left_over and member.state == NodeState.ACTIVE:
                return member.name, "deactivate"
        for member in self.members.values():
            if self._settled(member):
                continue
            if member.state in UP:
                return member.name, UP[member.state]
            if not self._complete:
                return None
        return None

    def end(self) -> list[str]:
        """Ask for nothing more; the nodes to be deactivated, the last in order first.

        Those that are not known to be active, too: one may have become it just now.
        """
        self.ending = True
        return [m.name for m in reversed(self.members.values()) if m.state != NodeState.MISSING]
