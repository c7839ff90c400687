# SPDX-License-Identifier: Apache-2.0
"""Independent jobs over processes, here or on a Dask cluster: each prepares once and then works through jobs.

Dask rather than Ray because it is small and pure Python, and because a job that was lost with its worker is given to
another one without a word of ours.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from swm_core.errors import BridgeError, ConfigError

Job = TypeVar("Job")
Result = TypeVar("Result")

_work: Callable[[Any], Any] | None = None  # what this process of a pool does with a job
_here = threading.local()  # in a thread of a cluster's worker: number of the "run" that it prepared for, and its "work"


def keep_freed_memory() -> bool:
    """Let the C library keep what was freed: a training step asks for the same large blocks again and again.

    By default glibc gives each back to the system and gets it back page by page, which took a fifth of a step.

    Returns:
        whether the C library here can.
    """
    trim_threshold, map_threshold, most = -1, -3, 1 << 25  # mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(map_threshold, most) and mallopt(trim_threshold, (1 << 31) - 1))


def use_threads(count: int) -> None:
    """Let PyTorch's mathematics use that many threads in this process; 0 leaves it as the environment says."""
    if count:
        import torch  # the module serves processes that do without

        torch.set_num_threads(count)


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


def _do_prepared(run: str, prepare: Callable[[], Callable[[Any], Any]], job: Any) -> Any:
    """Do a job on a cluster, preparing first where this thread did not yet for this run."""
    if getattr(_here, "run", None) != run:
        _here.work, _here.run = prepare(), run
    return _here.work(job)


def _run_on_cluster(
    prepare: Callable[[], Callable[[Job], Result]], jobs: Sequence[Job], address: str
) -> Iterator[Result]:
    """Results of jobs done by the workers of a Dask scheduler; jobs of a worker that dies go to another."""
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise ConfigError("a cluster needs Dask: pip install 'swm_ros[cluster]'") from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise BridgeError(f"no Dask scheduler answers at {address} ({error})") from error
    with client:
        running = client.map(partial(_do_prepared, uuid.uuid4().hex, prepare), jobs, pure=False)
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            client.cancel(running)


def run_jobs(
    prepare: Callable[[], Callable[[Job], Result]], jobs: Sequence[Job], workers: int, cluster: str | None = None
) -> Iterator[Result]:
    """Results of jobs in the order in which they finish.

    Args:
        prepare: called once in every process, returns what does a job; must be picklable when there are workers.
        jobs: what to do.
        workers: processes, of one thread each; 0 for this one, with its own number of threads.
        cluster: address of a Dask scheduler whose workers do the jobs instead; the project must be installed there.

    Raises:
        BridgeError: a process died, or no scheduler answers.
        ConfigError: a cluster without Dask installed.
    """
    if not jobs:
        return
    if cluster:
        yield from _run_on_cluster(prepare, jobs, cluster)
        return
    if not workers:
        yield from map(prepare(), jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _start, (prepare,))
    try:
        with _single_threaded_children():
            results = as_completed([pool.submit(_do, job) for job in jobs])  # forgets what was read
        for future in results:
            yield future.result()
    except BrokenProcessPool as error:
        raise BridgeError(f"a process died; what is finished is kept, run again to go on ({error})") from error
    finally:
        pool.shutdown(cancel_futures=True)
