# SPDX-License-Identifier: Apache-2.0
"""The planning worker: a job for a scene that is no more is dropped, and the next begins the task anew."""

import os
import threading
import time

import numpy as np
import pytest
from scripted_planner import ScriptedController
from stack_harness import PATIENCE

from swm_core.errors import ModelError
from swm_core.tasks import build_task, reach
from swm_ros.planning_worker import Frame, PlanningWorker
from swm_ros.schedule import Window

WINDOW = Window(0, np.zeros((0, 2), np.float32), float("inf"))
TASK = build_task(reach("red moon"))


class Counting(ScriptedController):
    """Counts how often a task was begun."""

    begun = 0

    def start(self, task):
        super().start(task)
        self.begun += 1


@pytest.fixture
def worker():
    ready = threading.Event()
    made = PlanningWorker(Counting, ready.set)
    made.ready = ready
    yield made
    made.close()


def test_the_model_is_made_on_the_thread_that_uses_it_which_yields_to_the_others():
    """Threads of the mathematics belong to the thread that calls it: a warm-up elsewhere would warm up others."""
    threads = []

    class Noting(ScriptedController):
        def __init__(self):
            super().__init__()
            threads.append((threading.get_ident(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))

        def ask(self, image, questions, actions):
            threads.append((threading.get_ident(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
            return np.zeros((1, 1), np.float32)

    worker = PlanningWorker(Noting, lambda: None, 19)
    worker.ask(None, [], None).result(PATIENCE)
    worker.close()
    assert threads[0] == threads[1]
    assert threads[0][0] != threading.get_ident()
    assert threads[0][1] == 19


def test_a_model_that_cannot_be_made_leaves_no_thread():
    before = threading.active_count()

    def fail():
        raise ModelError("no such model")

    with pytest.raises(ModelError, match="no such model"):
        PlanningWorker(fail, lambda: None)
    assert threading.active_count() == before


def plan(worker, forget=False):
    worker.ready.clear()
    frame = Frame(np.zeros((180, 320, 3), np.uint8), 1, time.monotonic(), time.monotonic())
    worker.plan(frame, WINDOW, 1, TASK)
    if forget:
        worker.forget()
    assert worker.ready.wait(PATIENCE)
    return [job.result() for job in worker.finished()]


def test_plans_of_one_scene_are_given_out_and_the_task_is_begun_once(worker):
    assert [len(plan(worker)) for _ in range(2)] == [1, 1]
    assert worker._controller.begun == 1


def test_why_the_controller_gives_up_comes_with_the_plan(worker):
    (planned,) = plan(worker)
    assert planned.given_up == ""
    worker._controller.given_up = "not within 8 actions"
    (planned,) = plan(worker)
    assert planned.given_up == "not within 8 actions"


def test_the_plan_in_hand_is_dropped_and_the_task_begun_anew(worker):
    assert plan(worker, forget=True) == []
    assert not worker.busy
    assert len(plan(worker)) == 1
    assert worker._controller.begun == 2
