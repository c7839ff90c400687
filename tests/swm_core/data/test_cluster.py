# SPDX-License-Identifier: Apache-2.0
"""Collection on a Dask cluster: the same episodes, even where a worker is killed half way."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import tabletop
from distributed import Client, LocalCluster

from swm_core.data.collecting import collect
from swm_core.data.collection import plan_episodes
from swm_core.data.storage import episode_files
from swm_core.errors import BridgeError

JOBS = plan_episodes([("chase", 30), ("wander", 30)], range(30))


def test_a_killed_worker_costs_no_episode_and_changes_none(cluster: LocalCluster, tmp_path: Path) -> None:
    collect(tabletop.SETTINGS, tmp_path / "here", JOBS)
    out, killed = tmp_path / "cluster", []

    def kill_one() -> None:
        deadline = time.monotonic() + 60
        while len(list(out.rglob("*.parquet"))) < 10 and time.monotonic() < deadline:
            time.sleep(0.005)
        with Client(cluster.scheduler_address) as client:
            victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        killed.append((victim, len(list(out.rglob("*.parquet")))))

    thread = threading.Thread(target=kill_one)
    thread.start()
    summary = collect(tabletop.SETTINGS, out, JOBS, cluster=cluster.scheduler_address)
    thread.join()
    assert killed[0][1] < len(JOBS), "the worker was killed after the work was done"
    assert sum(count.episodes for count in summary.behaviours.values()) == len(JOBS)
    here, there = ({p.name: p.read_bytes() for p in episode_files(tmp_path / f)} for f in ("here", "cluster"))
    assert here == there


def test_no_scheduler_is_an_error_that_names_the_address(environment: str, tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        collect(tabletop.SETTINGS, tmp_path, JOBS[:1], cluster="tcp://127.0.0.1:9")
