# SPDX-License-Identifier: Apache-2.0
"""Evaluation leaves no process behind, even when the launcher does not heed SIGINT; paired seeds are compared."""

import subprocess
import sys

import psutil
from stack_harness import PATIENCE

from swm_ros.evaluate import Outcome, compared
from swm_ros.evaluated_stack import end

DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
LAUNCHER = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
node = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE, start_new_session=True)
helper = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE)
node.stdout.readline(), helper.stdout.readline()
print(node.pid, helper.pid, flush=True)
time.sleep(600)
"""


def test_what_does_not_end_is_killed_with_all_its_nodes():
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, start_new_session=True)
    children = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    try:
        end(process, 0.5)
        psutil.wait_procs(children, timeout=PATIENCE)
        assert process.returncode == -9
        assert not [p for p in children if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    finally:
        for child in children:
            if child.is_running():
                child.kill()
        process.stdout.close()


def outcomes(successes, seconds):
    pairs = zip(successes, seconds, strict=True)
    return [Outcome(seed, "reach", success, 10, "", time) for seed, (success, time) in enumerate(pairs)]


def test_success_is_compared_on_all_seeds_and_time_on_those_where_both_succeed():
    found = compared(
        outcomes([True, True, True, False], [4, 5, 6, 1]), outcomes([True, True, False, False], [8, 4, 1, 1])
    )
    assert {k: found["pairs"][k] for k in ("both", "only_first", "only_second", "neither")} == {
        "both": 2, "only_first": 1, "only_second": 0, "neither": 1,
    }  # fmt: skip
    assert (found["median_seconds_asynchronous"], found["median_seconds_synchronous"]) == (4.5, 6.0)
    assert (found["asynchronous_faster"], found["of"]) == (1, 2)
    assert compared([], [])["median_seconds_synchronous"] is None
