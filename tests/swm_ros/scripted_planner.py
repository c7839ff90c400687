# SPDX-License-Identifier: Apache-2.0
"""The real planner node as a process, with a scripted controller in place of the world model: fast and predictable.

The arm moves along y, to the side that the goal's object says; a goal about a star makes planning fail, one about
something yellow makes it slow. The question "break?" meets a defect, "slow?" takes long.
"""

import sys
import time

import numpy as np

from swm_core.errors import PlanningError
from swm_core.planning.plan import Plan
from swm_ros.lifecycle import run
from swm_ros.planner_node import Planner

SPEED = 0.004  # m per step
PLANNING_TIME = 0.03  # s
SLOW = 0.7  # s, longer than a lockstep bridge waits before it repeats a frame
HORIZON = 16


class ScriptedController:
    """Keeps the contract of `Controller`."""

    given_up = ""

    def __init__(self):
        self.task, self.subgoal, self.finished = None, 0, False
        self.weights = "scripted"

    def start(self, task):
        self.task, self.subgoal, self.finished = task, 0, False

    def attention(self, image, questions):
        return np.zeros((len(questions), 0, 0), np.float32)

    def plan(self, image, committed=None, deadline=None, executed=None):
        if self.task is None:
            raise PlanningError("no task was started")
        if "star" in self.task.name:
            raise PlanningError("scripted failure")
        if image.shape != (180, 320, 3) or image.dtype != np.uint8:
            raise PlanningError(f"image is {image.shape} {image.dtype}")
        time.sleep(SLOW if "yellow" in self.task.name else PLANNING_TIME)
        side = -1.0 if "blue" in self.task.name else 1.0
        actions = np.tile(np.array([0.0, side * SPEED], np.float32), (HORIZON, 1))
        actions[: len(committed)] = committed
        questions = tuple(q.text for q in self.task.subgoals[0].questions)
        shape = (2, len(questions), 2)
        path = np.concatenate([np.zeros((1, 2)), np.cumsum(actions, 0)])
        return Plan(
            actions,
            len(committed),
            1.0,
            questions,
            np.full(shape, 0.5, np.float32),
            np.array([0.5, 1.0], np.float32),
            np.array([0.01], np.float32),
            np.full(len(questions), 0.25, np.float32),
            0.25,
            np.concatenate([path, np.zeros((HORIZON + 1, 1))], 1).astype(np.float32),
            actions[None],
            np.array([1.0], np.float32),
            timings={"encode": 0.01, "iterations": 0.02, "total": PLANNING_TIME},
        )

    def ask(self, image, questions, actions):
        if questions[0] == "break?":
            raise RuntimeError("scripted defect")
        if questions[0] == "slow?":
            time.sleep(2 * SLOW)
        return np.tile(np.linspace(0, 1, len(actions) + 1, dtype=np.float32), (len(questions), 1))


if __name__ == "__main__":
    sys.exit(run(lambda: Planner(make_controller=lambda config: ScriptedController())))
