"""Independent jobs on several processes or threads.

A killed worker process ends in a sentence. A worker outlives a parent that is killed outright,
and would hold its memory for ever; so each watches its parent and leaves with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

from joblib import Parallel, register_parallel_backend
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import LokyBackend

from her2.core.errors import WorkerLost

Job = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

Item = TypeVar("Item")
Result = TypeVar("Result")

_SECONDS_BETWEEN_CHECKS = 1.0
COMMAND = "HER2_COMMAND"  # a variable: number and start of the command's process
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, n_threads: int
) -> Iterator[Result]:
    """Yield `function(item)` in the order of the items.

    For work that leaves Python's lock alone: decoding of pictures, layers of networks.

    Examples
    --------
    >>> list(in_threads(abs, [-2, 1], n_threads=2))
    [2, 1]
    """
    if n_threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(function, items)


def run_jobs(jobs: Iterable[Job], *, n_workers: int, at_once: bool = False) -> Iterator[Any]:
    """Yield the results of `joblib.delayed` calls as they come, in any order.

    `at_once` takes all jobs from their iterator before the first result is asked for, because
    making them is work that workers need not wait for.
    """
    # before its first job, which a worker whose parent is killed early would wait for
    watched = _watched() if n_workers > 1 else {}
    try:
        yield from Parallel(
            n_jobs=n_workers, return_as="generator_unordered", batch_size=1,
            pre_dispatch="all" if at_once else "2 * n_jobs", **watched,
        )(jobs)  # fmt: skip
    except TerminatedWorkerError as error:
        raise WorkerLost(
            "expected every worker process to finish, found one that was killed (most often, "
            "memory ran out); run the same command again with compute.n_workers=1: features that "
            "are done are kept"
        ) from error


@lru_cache(maxsize=1)
def leave_with_parent(parent: int | None = None) -> None:
    """Start, once a process, a thread that ends the process when its parent has gone.

    parent: its number, where it may have gone before this is called.
    """
    parent = parent or os.getppid()
    _leave_when(lambda: os.getppid() != parent)


@lru_cache(maxsize=1)
def leave_with_command() -> None:
    """Have a launcher's worker on this machine end when the command has gone that started it.

    Between a worker of submitit and the command stands a process of submitit's, which outlives
    the command. Jobs of a cluster's scheduler are its own: they stay.
    """
    executor = os.environ.get("SUBMITIT_EXECUTOR")
    if executor is None:
        leave_with_parent()
    elif executor == "local" and COMMAND in os.environ:
        import psutil

        pid, _, started = os.environ[COMMAND].partition(":")

        def is_gone() -> bool:
            try:
                process = psutil.Process(int(pid))
                is_dead = process.status() == psutil.STATUS_ZOMBIE
                return is_dead or f"{process.create_time():.1f}" != started
            except psutil.NoSuchProcess:
                return True

        _leave_when(is_gone)


def name_command() -> None:
    """Let the processes that this one starts leave with it, those of Hydra's launchers too."""
    import psutil

    process = psutil.Process()
    os.environ[COMMAND] = f"{process.pid}:{process.create_time():.1f}"
    register_parallel_backend("loky", _WatchedLoky)


class _WatchedLoky(LokyBackend):
    """Workers that watch their parent from their start; without a job they would wait for it."""

    def configure(self, *given: Any, **named: Any) -> Any:
        """Start the workers, and return their number."""
        return super().configure(*given, **{**_watched(), **named})


def _watched() -> dict[str, Any]:
    """Return what has a worker of joblib's watch its parent."""
    return {"initializer": leave_with_parent, "initargs": (os.getpid(),)}


def _leave_when(is_gone: Callable[[], bool]) -> None:
    def watch() -> None:
        while not is_gone():
            time.sleep(_SECONDS_BETWEEN_CHECKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_parent() -> None:
    """Have Linux end this process with the thread that started it, whatever this one is doing.

    Code that holds Python's lock for long, as some extensions do, would keep a watching thread
    from running. Elsewhere there is `leave_with_parent` alone.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
