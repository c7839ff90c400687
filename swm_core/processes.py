# SPDX-License-Identifier: Apache-2.0
"""Independent jobs over processes: each process prepares once, then works through jobs; results come as they finish."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from swm_core.errors import BridgeError

Job = TypeVar("Job")
Result = TypeVar("Result")

_work: Callable[[Any], Any] | None = None  # what this process of a pool does with a job


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _start(prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """Begin a pool process; Ctrl-C is the parent's business: it lets running jobs finish."""
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work = prepare()


def _do(job: Any) -> Any:
    if _work is None:
        raise BridgeError("a worker process was not prepared")
    return _work(job)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Processes started inside use one thread each: the parallelism is over jobs."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_jobs(prepare: Callable[[], Callable[[Job], Result]], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Results of jobs in the order in which they finish.

    Args:
        prepare: called once in every process, returns what does a job; must be picklable when there are workers.
        jobs: what to do.
        workers: processes, of one thread each; 0 for this one, with its own number of threads.

    Raises:
        BridgeError: a process died.
    """
    if not jobs:
        return
    if not workers:
        yield from map(prepare(), jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _start, (prepare,))
    try:
        with _single_threaded_children():
            running = [pool.submit(_do, job) for job in jobs]
        for future in as_completed(running):
            yield future.result()
    except BrokenProcessPool as error:
        raise BridgeError(f"a process died; what is finished is kept, run again to go on ({error})") from error
    finally:
        pool.shutdown(cancel_futures=True)
