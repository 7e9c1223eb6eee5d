"""Independent jobs on several processes; a worker that is killed ends in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from joblib import Parallel
from joblib.externals.loky.process_executor import TerminatedWorkerError

from her2.errors import WorkerLost


def run_jobs(jobs: Iterable[Any], *, n_workers: int) -> Iterator[Any]:
    """Yield the results of `joblib.delayed` calls as they come, in any order.

    Raises
    ------
    WorkerLost
        A worker process was killed, most often because memory ran out.
    """
    try:
        yield from Parallel(n_jobs=n_workers, return_as="generator_unordered", batch_size=1)(jobs)
    except TerminatedWorkerError as error:
        raise WorkerLost(
            "expected every worker process to finish, found one that was killed (most often, "
            "memory ran out); run the same command again with compute.n_workers=1: features that "
            "are done are kept"
        ) from error
