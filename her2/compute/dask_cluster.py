"""The same calls on the workers of a dask.distributed scheduler: this machine's, or a cluster's.

A worker of dask passes a call, as bytes, to a child process of its own. So a call that crashes or
hangs costs a child, as it does without dask, which has no time limit for a call; and a worker
that is lost altogether costs nothing, because the scheduler gives its calls to others.
"""

from __future__ import annotations

import importlib.util
import pickle
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from her2.compute.local_pool import Arguments, Crew, Finished, Lost, Reason, read_outcome
from her2.core.errors import BadConfig, WorkerLost

ATTEMPTS = 2
SECONDS_TO_CONNECT = 30
_SECONDS_BETWEEN_CHECKS = 2.0


@dataclass(frozen=True)
class DaskCluster:
    """Workers of a scheduler that runs already, or of one that is started on this machine.

    Files are read, and shards written, by the workers: folders must be theirs too.

    Attributes
    ----------
    scheduler
        Address, for example ``tcp://node1:8786``; None starts a scheduler on this machine.
    n_workers
        Worker processes of the scheduler that is started here.
    timeout_s
        Most seconds a call; None for no limit.
    patience_s
        Seconds to wait for a worker where there is none.
    """

    scheduler: str | None = None
    n_workers: int = 1
    timeout_s: float | None = None
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise BadConfig(
                "expected the package distributed for compute=dask, found none; install it with "
                "pip install 'her2[dask]', or take compute=local"
            )

    def run(
        self, function: Callable[..., Any], calls: Sequence[Arguments]
    ) -> Generator[Finished | Lost]:
        """Yield one outcome a call, as they come."""
        if not calls:
            return
        with _client(self.scheduler, self.n_workers) as client:
            try:
                client.wait_for_workers(1, timeout=self.patience_s)
            except TimeoutError as error:
                raise _no_worker() from error
            position_of = {
                client.submit(
                    answer_in_child, pickle.dumps((function, arguments)), self.timeout_s,
                    pure=False, priority=-i,
                ): i
                for i, arguments in enumerate(calls)
            }  # fmt: skip
            try:
                for future in self._completed(client, list(position_of)):
                    yield _outcome(position_of[future], future)
            finally:
                client.cancel(list(position_of), force=True)

    def _completed(self, client: Any, futures: list[Any]) -> Iterator[Any]:
        """Yield the futures as they end; give up where no worker is left to end them."""
        from distributed import wait

        without_worker_since: float | None = None
        while futures:
            try:
                wait(futures, timeout=_SECONDS_BETWEEN_CHECKS, return_when="FIRST_COMPLETED")
            except TimeoutError:
                if client.scheduler_info(n_workers=-1)["workers"]:
                    without_worker_since = None
                    continue
                without_worker_since = without_worker_since or time.monotonic()
                if time.monotonic() - without_worker_since > self.patience_s:
                    raise _no_worker() from None
            ended = [future.done() for future in futures]  # asked once: others end meanwhile
            yield from [future for future, is_done in zip(futures, ended, strict=True) if is_done]
            futures = [f for f, is_done in zip(futures, ended, strict=True) if not is_done]


def answer_in_child(call: bytes, timeout_s: float | None) -> bytes | Reason:
    """Answer a packed call in this thread's child process; a lost one is tried once more."""
    answer: bytes | Reason = "killed"
    for _ in range(ATTEMPTS):
        answer = _crew().answer(call, timeout_s=timeout_s)
        if not isinstance(answer, str):
            break
    return answer


@lru_cache(maxsize=1)
def _crew() -> Crew:
    """Return the children of this worker; they leave with it."""
    return Crew()


def _outcome(position: int, future: Any) -> Finished | Lost:
    from distributed.scheduler import KilledWorker

    if future.status not in ("finished", "error"):
        raise WorkerLost(
            f"expected an answer of the dask scheduler, found a case that is {future.status}; "
            "start the scheduler again and run the same command: what is done is kept"
        )
    error = future.exception()
    if isinstance(error, KilledWorker):  # one worker after the other died with this case
        return Lost(position, "killed")
    if error is not None:
        raise error
    return read_outcome(position, future.result())


@contextmanager
def _client(scheduler: str | None, n_workers: int) -> Iterator[Any]:
    """Yield a client of the scheduler at an address, or of one that lives as long as this."""
    from distributed import Client, LocalCluster

    if scheduler is None:
        with (
            LocalCluster(
                n_workers=n_workers, threads_per_worker=1, processes=True,
                dashboard_address="127.0.0.1:0",
            ) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            yield client
        return
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise BadConfig(
            f"expected a dask scheduler at compute.scheduler={scheduler}, found none that "
            f"answers ({error}); start one with dask scheduler, or leave the address out"
        ) from error
    with client:
        yield client


def _no_worker() -> WorkerLost:
    return WorkerLost(
        "expected a worker at the dask scheduler, found none; start one with dask worker ADDRESS "
        "--nthreads 1 and run the same command again: what is done is kept"
    )
