# SPDX-License-Identifier: Apache-2.0
"""Evaluation leaves no process behind, even when the launcher and its nodes do not heed SIGINT."""

import subprocess
import sys

import psutil
from stack_harness import PATIENCE

from swm_ros.evaluate import end

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
