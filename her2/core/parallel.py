"""Independent jobs on several processes or threads.

A killed worker process ends in a sentence. A worker outlives a parent that is killed outright,
and would hold its memory for ever; so each watches its parent and leaves with it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from her2.core.errors import WorkerLost

Job = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

Item = TypeVar("Item")
Result = TypeVar("Result")

_SECONDS_BETWEEN_CHECKS = 1.0


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
    if n_workers > 1:
        jobs = (delayed(_call_and_watch_parent)(*job) for job in jobs)
    try:
        yield from Parallel(
            n_jobs=n_workers, return_as="generator_unordered", batch_size=1,
            pre_dispatch="all" if at_once else "2 * n_jobs",
        )(jobs)  # fmt: skip
    except TerminatedWorkerError as error:
        raise WorkerLost(
            "expected every worker process to finish, found one that was killed (most often, "
            "memory ran out); run the same command again with compute.n_workers=1: features that "
            "are done are kept"
        ) from error


def _call_and_watch_parent(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    leave_with_parent()
    return function(*arguments, **named)


@lru_cache(maxsize=1)
def leave_with_parent() -> None:
    """Start, once a process, a thread that ends the process when its parent has gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_CHECKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
