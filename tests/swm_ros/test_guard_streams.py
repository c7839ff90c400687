# SPDX-License-Identifier: Apache-2.0
"""Hostile streams of commands against the guard: whatever comes, nothing outside the limits leaves.

A robot executes exactly what leaves. The oracle here shares no code with the guard.
"""

import math

import numpy as np
import pytest

from swm_ros.guard import Guard
from swm_ros.guard_config import GuardConfig
from swm_ros.motion import Motion

STREAMS, LENGTH = 40, 2500
EPS = 1e-9
BASE = {
    "max_velocity": (0.3, 0.2, 0.1),
    "max_acceleration": (2.0, 3.0, 1.0),
    "max_jerk": (30.0, 60.0, 10.0),
    "max_angular_velocity": (0.0, 0.5, 1.0),
    "max_angular_acceleration": (0.0, 4.0, 8.0),
    "max_angular_jerk": (0.0, 80.0, 100.0),
    "workspace_low": (0.15, -0.3, 0.0),
    "workspace_high": (0.6, 0.3, 0.3),
    "max_gripper_rate": 5.0,
}
BOXES = (0.3, -0.1, 0.0, 0.4, 0.05, 0.15, 0.42, 0.06, 0.0, 0.5, 0.2, 0.3, 0.38, 0.02, 0.1, 0.45, 0.1, 0.2)
CONFIGS = {
    "boxes": GuardConfig(**BASE, keep_out=BOXES),
    "slow": GuardConfig(**BASE, keep_out=BOXES, speed_scale=0.1, command_timeout=0.1),
    "silent": GuardConfig(**BASE, keep_out=BOXES[:6], pose_timeout=2.0, command_timeout=0.5, safe_action="none"),
    "open": GuardConfig(**BASE, pose_delay=0.0),
    "late": GuardConfig(**BASE, keep_out=BOXES, pose_delay=0.3, safe_action="hold"),
}


class Robot:
    """Moves with the last velocity that left, until it is replaced or the guard's time-out is over."""

    def __init__(self, config):
        self.config = config
        self.position, self.velocity, self.rise = np.array([0.2, -0.2, 0.2]), np.zeros(6), np.zeros(6)
        self.now = self.spoken = 0.0
        self.places = [(0.0, self.position)]  # where it was at which time
        self.stirred = -math.inf  # when something other than rest after rest left
        self.boxes = np.reshape(config.keep_out, (-1, 2, 3))
        self.most = np.array((*config.max_velocity, *config.max_angular_velocity)) * config.speed_scale
        self.acceleration = np.array((*config.max_acceleration, *config.max_angular_acceleration))
        self.jerk = np.array((*config.max_jerk, *config.max_angular_jerk))

    def run(self, until):
        way = self.velocity[:3] * (until - self.now)
        after = self.position + way
        assert np.all(after >= np.array(self.config.workspace_low) - EPS)
        assert np.all(after <= np.array(self.config.workspace_high) + EPS)
        for low, high in self.boxes:
            part = np.array([0.0, 1.0])  # the part of the way inside the slab of each axis
            for axis in range(3):
                if way[axis]:
                    crossings = np.sort((np.array([low[axis], high[axis]]) - self.position[axis]) / way[axis])
                    part = np.array([max(part[0], crossings[0]), min(part[1], crossings[1])])
                elif not low[axis] < self.position[axis] < high[axis]:
                    part = np.array([1.0, 0.0])
            if part[1] > part[0]:
                middle = self.position + way * part.mean()
                assert np.min(np.minimum(middle - low, high - middle)) <= EPS, "inside a keep-out box"
        self.position, self.now = after, until
        self.places.append((until, after))

    def seen(self, at):
        """Where it was at a time."""
        times, places = zip(*self.places[-200:], strict=True)
        return tuple(float(np.interp(at, times, axis)) for axis in np.transpose(places))

    def obey(self, velocity):
        assert np.all(np.abs(velocity) <= self.most * (1 + 2e-6))
        elapsed = min(self.now - self.stirred, self.config.control_period)
        for axis, (new, old, rise) in enumerate(zip(velocity, self.velocity, self.rise, strict=True)):
            if new * old >= 0 and abs(new) <= abs(old):
                self.rise[axis] = 0.0
                continue
            side = np.sign(new)
            growth = side * (new - old)
            assert growth <= self.acceleration[axis] * elapsed + EPS
            assert growth <= (max(side * rise, 0.0) + self.jerk[axis] * elapsed) * elapsed + EPS
            self.rise[axis] = (new - old) / elapsed if elapsed else 0.0
        if np.any(velocity) or np.any(self.velocity):
            self.stirred = self.now
        self.velocity, self.spoken = velocity.copy(), self.now


def hostile(random, robot, order):
    """A command of a stream that knows where the robot and its limits are."""
    kind = random.integers(10)
    linear = random.uniform(-0.5, 0.5, 3)
    if kind == 0:
        linear = 10.0 ** random.uniform(-300, 300, 3) * random.choice([-1, 1], 3)
    elif kind == 1:
        linear[random.integers(3)] = random.choice([math.nan, math.inf, -math.inf])
    elif kind == 2 and len(robot.boxes):  # into the middle of a box, or just past its corner
        box = robot.boxes[random.integers(len(robot.boxes))]
        aim = box.mean(0) if random.random() < 0.5 else box[random.integers(2)]
        linear = (aim - robot.position) * random.choice([0.5, 2.0, 4.0, 10.0])
    elif kind == 3:  # to a corner of the workspace
        linear = (random.choice([-1, 1], 3) * 1.0 - robot.position) * 2
    elif kind == 4:  # back and forth
        linear = -np.sign(robot.velocity[:3] + 1e-12) * robot.most[:3]
    elif kind == 5:
        linear = np.sign(linear) * robot.most[:3] * (1 + random.uniform(-1e-7, 1e-3))
    angular = random.uniform(-2, 2, 3) if random.random() < 0.5 else np.zeros(3)
    epoch, plan, step = order
    move = random.integers(8)
    if move == 0:
        order = (epoch, max(plan - random.integers(3), 0), int(random.integers(20)))
    elif move == 1:
        order = (max(epoch - 1, 0), plan + 100, step)
    elif move == 2:
        order = (epoch + int(random.random() < 0.2), plan + 1, 0)
    else:
        order = (epoch, plan, step + 1)
    frame = "base" if random.random() < 0.03 else "world"
    gripper = random.choice([0.0, random.uniform(-20, 20), math.inf, math.nan], p=[0.6, 0.37, 0.02, 0.01])
    return Motion(tuple(map(float, linear)), tuple(map(float, angular)), float(gripper), frame, tuple(map(int, order)))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_nothing_outside_the_limits_leaves(name):
    """In all 10^5 commands."""
    config, passed = CONFIGS[name], 0
    for stream in range(STREAMS // len(CONFIGS)):
        passed += attack(config, np.random.default_rng([stream, len(name)]))
    assert passed > 0.2 * STREAMS // len(CONFIGS) * LENGTH, "the stream was so hostile that it tested nothing"


def attack(config, random) -> int:
    guard, robot, passed = Guard(config), Robot(config), 0
    newest, heard, barred, stopped = (0, 0, -1), 0, -1, False
    longest = random.choice([0.02, 0.1, 0.3])
    guard.see_effector(tuple(robot.position), 0.0)
    for _ in range(LENGTH):
        now = robot.now + random.choice([0.0, random.uniform(0, longest), random.uniform(0, 0.15)])
        if now > robot.spoken + config.command_timeout:  # the node's watchdog, or the robot's own
            robot.run(max(robot.spoken + config.command_timeout, robot.now))
            safe = guard.rest(robot.now)
            assert (safe is None) if config.safe_action == "none" else (safe is None or safe.still)
            robot.obey(np.zeros(6))
        robot.run(now)
        event = random.random()
        if event < 0.4:
            measured = now - random.uniform(0.0, config.pose_delay)
            guard.see_effector(robot.seen(measured) if event > 0.02 else (math.nan, 0.0, 0.0), now)
        if event > 0.998:
            guard.latch_estop("test")
            if guard.rest(now) is not None:
                robot.obey(np.zeros(6))
            stopped = True
        elif stopped and event > 0.95:
            guard.reset()
            stopped, barred = False, max(newest[0], heard)
        asked = hostile(random, robot, newest if random.random() < 0.9 else (newest[0] + 1, newest[1], 0))
        out = guard.judge(asked, now)
        finite = np.all(np.isfinite((*asked.linear, *asked.angular, asked.gripper)))
        if stopped and finite and asked.frame == "world":
            heard = max(heard, asked.order[0])
        if out is None:
            continue
        passed += 1
        assert not stopped
        assert finite
        assert asked.frame == out.frame == "world"
        assert out.order == asked.order > newest
        assert out.order[0] > barred
        assert abs(out.gripper) <= config.max_gripper_rate * config.speed_scale * (1 + 2e-6)
        newest = out.order
        wanted, given = (np.array((*m.linear, *m.angular, m.gripper)) for m in (asked, out))
        assert np.all((wanted * given >= 0) & (np.abs(given) <= np.abs(wanted))), "more than was asked"
        robot.obey(given[:6])
    return passed
