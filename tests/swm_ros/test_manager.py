# SPDX-License-Identifier: Apache-2.0
"""The manager's rule: bring-up in order, comebacks of replaced processes, what people took down stays down."""

import time

import pytest
from rclpy.parameter import Parameter
from rclpy.task import Future

from swm_core.errors import ConfigError
from swm_msgs.msg import Heartbeat
from swm_ros.manager import NodeState, Roster, StackState
from swm_ros.manager_node import Asked, Manager, ManagerConfig

NAMES = ("guard", "bridge", "planner")
UNCONFIGURED, INACTIVE, ACTIVE = 1, 2, 3  # of lifecycle_msgs/State


def brought_up() -> Roster:
    roster = Roster(NAMES, 1.0)
    for pid, name in enumerate(NAMES, 1):
        roster.hear(name, ACTIVE, pid, 0.0, was_active=True)
    roster.look(0.0)
    assert roster.state == StackState.RUNNING
    return roster


def test_nodes_come_up_one_after_the_other_even_if_later_ones_are_there_first():
    roster = Roster(NAMES, 1.0)
    roster.hear("planner", UNCONFIGURED, 3, 0.0)
    roster.hear("bridge", UNCONFIGURED, 2, 0.0)
    assert roster.next_step() is None, "the guard has not been heard"
    roster.hear("guard", UNCONFIGURED, 1, 0.0)
    asked = []
    while (step := roster.next_step()) is not None:
        asked.append(step)
        name, transition = step
        roster.hear(name, INACTIVE if transition == "configure" else ACTIVE, NAMES.index(name) + 1, 0.0)
    assert asked == [(name, step) for name in NAMES for step in ("configure", "activate")]
    roster.look(0.0)
    assert roster.state == StackState.RUNNING


def test_a_replaced_process_is_brought_up_again_although_another_is_silent():
    roster = brought_up()
    roster.hear("planner", UNCONFIGURED, 33, 5.0)
    roster.look(5.0)
    assert roster.members["guard"].state == NodeState.SILENT
    assert roster.state == StackState.DEGRADED
    assert roster.next_step() == ("planner", "configure")
    assert [m.restarts for m in roster.members.values()] == [0, 0, 1]
    roster.hear("guard", ACTIVE, 1, 5.1)
    roster.hear("bridge", ACTIVE, 2, 5.1)
    roster.hear("planner", ACTIVE, 33, 5.1)
    roster.look(5.1)
    assert roster.state == StackState.RUNNING


def test_what_somebody_took_down_stays_down():
    roster = brought_up()
    roster.hear("planner", INACTIVE, 3, 0.5, was_active=True)
    assert roster.next_step() is None
    assert roster.state == StackState.DEGRADED
    roster.hear("planner", UNCONFIGURED, 34, 0.9)
    assert roster.next_step() == ("planner", "configure"), "a new process was not taken down"


def test_what_somebody_took_down_stays_down_for_a_manager_that_was_restarted():
    roster = Roster(NAMES, 1.0)
    for pid, (name, state) in enumerate(zip(NAMES, (ACTIVE, INACTIVE, UNCONFIGURED), strict=True), 1):
        roster.hear(name, state, pid, 0.0, was_active=name != "planner")
    assert roster.next_step() == ("planner", "configure")


@pytest.mark.parametrize("guard_first", [True, False])
def test_a_new_guard_begins_a_new_stack_in_which_nothing_goes_on_from_the_former_one(guard_first):
    roster = Roster(NAMES, 1.0)
    beats = [("guard", UNCONFIGURED, 1, 0.0), ("bridge", INACTIVE, 2, 0.0, True), ("planner", ACTIVE, 3, 0.0, True)]
    for beat in beats if guard_first else reversed(beats):
        roster.hear(*beat)
        roster.look(0.0)
    asked = []
    while (step := roster.next_step()) is not None:
        assert roster.state == StackState.STARTING
        assert step not in asked, "it goes round and round"
        asked.append(step)
        name, transition = step
        roster.arrive(name, NodeState.ACTIVE if transition == "activate" else NodeState.INACTIVE)
    assert asked[0] == ("planner", "deactivate"), "it may pursue an old goal"
    assert asked[1:] == [
        ("guard", "configure"),
        *[(name, "activate") for name in NAMES],
    ]
    roster.look(0.0)
    assert roster.state == StackState.RUNNING
    roster.hear("planner", INACTIVE, 3, 0.5, was_active=True)
    assert roster.next_step() is None, "in this stack somebody took it down"


def test_a_guard_that_was_replaced_begins_a_new_stack_too():
    roster = brought_up()
    roster.hear("guard", UNCONFIGURED, 11, 0.1)
    assert roster.state == StackState.STARTING
    assert roster.next_step() == ("planner", "deactivate")


def test_a_manager_that_was_restarted_finds_the_nodes_active_and_asks_for_nothing():
    roster = Roster(NAMES, 1.0)
    for pid, name in enumerate(NAMES, 1):
        roster.hear(name, ACTIVE, pid, 0.0)
        assert roster.next_step() is None


def test_nodes_go_down_in_the_reverse_order():
    roster = brought_up()
    assert roster.end() == list(reversed(NAMES))
    roster.hear(NAMES[0], UNCONFIGURED, 1, 0.1)
    assert roster.next_step() is None, "nobody is brought up again in the end"


def test_strangers_and_states_in_between_change_nothing():
    roster = brought_up()
    roster.hear("stranger", UNCONFIGURED, 9, 0.1)
    roster.hear("planner", 10, 3, 0.1)  # TRANSITION_STATE_CONFIGURING
    assert roster.state == StackState.RUNNING


def test_a_name_that_repeats_is_an_error():
    with pytest.raises(ConfigError, match="twice"):
        ManagerConfig(nodes=("guard", "guard"))


@pytest.mark.ros
def test_a_node_that_hangs_in_a_transition_is_silent_after_its_time_and_goes_on_when_it_beats_again(ros):
    manager = Manager(parameter_overrides=[Parameter("nodes", value=["planner"])])
    assert manager.bring_up()
    try:
        manager.on_heartbeat(Heartbeat(node="planner", state=UNCONFIGURED, pid=7))
        now, limit = time.monotonic(), manager.config.transition_timeout
        member = manager.roster.members["planner"]
        for since, state in ((limit / 2, NodeState.UNCONFIGURED), (limit + 10.0, NodeState.SILENT)):
            member.heard = now - 10.0  # the last heartbeat came before the transition
            manager._asked = Asked("planner", "configure", Future(), now - since)
            manager.manage()
            assert member.state == state
        assert manager._reported[1] == ("planner", NodeState.SILENT, 0)
        manager.on_heartbeat(Heartbeat(node="planner", state=INACTIVE, pid=7))
        assert manager.roster.next_step() == ("planner", "activate")
    finally:
        manager.finish()
        manager.destroy_node()
