# SPDX-License-Identifier: Apache-2.0
"""Every fault of the catalogue against the whole stack with a scripted planner; no command outside the limits ever."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import rclpy

from swm_ros.chaos import run
from swm_ros.faults import DISK_FULL, FAULTS, GOALS, LAST, ROBOT_TIMEOUT, measure, recording_stack, stand_still
from swm_ros.rig import Rig

FOLDER = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (FOLDER, before) if p)
    folder = tmp_path_factory.mktemp("rig")
    described = recording_stack(folder)
    nodes = [replace(n, module="scripted_planner") if n.name == "planner" else n for n in described]
    rclpy.init()
    made = Rig(nodes, folder / "log")
    yield made
    made.close()
    rclpy.try_shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_robot_stands_still_in_time_and_goes_on_afterwards(rig, fault):
    found = measure(rig, fault, GOALS[0], 6000)
    assert found.as_wanted, found
    assert not rig.outside


@pytest.mark.ros
@pytest.mark.slow
def test_after_a_minute_of_chaos_the_stack_works(rig):
    outcome = run(rig, 60.0, 1, reach=False)
    assert outcome.passed, outcome


@pytest.mark.ros
@pytest.mark.slow
def test_with_a_full_disk_the_recording_ends_and_nothing_else(rig):
    found = measure(rig, DISK_FULL, GOALS[0], 6000)
    assert found.longest_gap < ROBOT_TIMEOUT, found
    assert found.moving_after < 1.0, found
    assert "not recording" in rig.log.read_text()


@pytest.mark.ros
@pytest.mark.slow
def test_without_a_guard_the_robot_stands_still(rig):
    assert measure(rig, LAST, GOALS[0], 6000).as_wanted


@pytest.mark.parametrize(
    ("commands", "now", "expected"),
    [
        ([(0.1, True), (0.2, False), (0.3, True)], 0.4, 0.2),
        ([(0.1, True), (0.2, True)], 0.3, None),
        ([(0.1, True)], 1.0, 0.1 + ROBOT_TIMEOUT),
        ([(0.05, True), (0.9, True)], 1.0, 0.05 + ROBOT_TIMEOUT),
        ([], 1.0, ROBOT_TIMEOUT),
    ],
)
def test_standing_still_begins_with_zero_or_with_the_robots_own_time_out(commands, now, expected):
    found = stand_still([(10.0 + at, moves) for at, moves in commands], 10.0, 10.0 + now)
    assert found == (None if expected is None else pytest.approx(expected))
