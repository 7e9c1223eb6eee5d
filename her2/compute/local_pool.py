"""Calls in child processes of this machine: one that dies or hangs costs its call alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from her2.compute.calls import Arguments, Finished, Lost, Reason
from her2.compute.child import Crew, packed, unpacked
from her2.core.errors import WorkerLost

logger = logging.getLogger(__name__)

LOST_FROM_THE_START = 10
_WHAT_HAPPENED = {"killed": "was killed", "hung": "did not end in time"}


@dataclass(frozen=True)
class LocalPool:
    """Child processes, each with one thread and one call at a time.

    A child that dies, or works longer than the limit on one call, is replaced. Its call is tried
    once more at the end, when nothing else runs: memory that ran out because of its neighbours is
    no fault of its own.

    Parameters
    ----------
    n_workers
        Most children at a time.
    timeout_s
        Most seconds a call; None for no limit.

    Examples
    --------
    >>> [outcome.value for outcome in LocalPool(n_workers=1).run(pow, [(2, 3), (3, 2)])]
    [8, 9]
    """

    n_workers: int = 1
    timeout_s: float | None = None

    def run(
        self, function: Callable[..., Any], calls: Sequence[Arguments]
    ) -> Generator[Finished | Lost]:
        """Yield one outcome a call, as they come.

        Raises
        ------
        WorkerLost
            A child could not even start, or the first ten calls were all lost.
        """
        suspects: list[int] = []
        n_finished = 0
        for outcome in self._once(function, dict(enumerate(calls)), self.n_workers):
            if isinstance(outcome, Finished):
                n_finished += 1
                yield outcome
                continue
            suspects.append(outcome.position)
            warn_of_loss(outcome.reason)
            if not n_finished and len(suspects) == LOST_FROM_THE_START:
                raise _nothing_but_losses(outcome.reason)
        yield from self._once(function, {i: calls[i] for i in sorted(suspects)}, 1)

    def _once(
        self, function: Callable[..., Any], calls: Mapping[int, Arguments], n_workers: int
    ) -> Generator[Finished | Lost]:
        """Yield an outcome of every call, each tried once."""
        if not calls:
            return
        crew, threads = Crew(), ThreadPoolExecutor(min(n_workers, len(calls)))
        position_of = {
            threads.submit(_answered, crew, function, arguments, self.timeout_s): i
            for i, arguments in calls.items()
        }
        try:
            for future in as_completed(position_of):
                yield as_outcome(position_of[future], future.result())
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            crew.end()


def as_outcome(position: int, found: bytes | Reason) -> Finished | Lost:
    """Return what became of a call; an error that it raised is raised."""
    if isinstance(found, str):
        return Lost(position, found)
    return Finished(position, unpacked(found))


def warn_of_loss(reason: Reason) -> None:
    """Log that a worker was lost; its case goes on."""
    logger.warning(
        "a worker process %s; its case is tried once more at the end", _WHAT_HAPPENED[reason]
    )


def _answered(
    crew: Crew, function: Callable[..., Any], arguments: Arguments, timeout_s: float | None
) -> bytes | Reason:
    return crew.answer(packed(function, arguments), timeout_s=timeout_s)


def _nothing_but_losses(reason: Reason) -> WorkerLost:
    advice = {
        "killed": "most often, memory ran out: set compute.n_workers lower",
        "hung": "set compute.timeout_s higher",
    }
    return WorkerLost(
        f"expected worker processes that finish their cases, found {LOST_FROM_THE_START} in a row "
        f"of which each {_WHAT_HAPPENED[reason]}; {advice[reason]}, and run the same command "
        "again: what is done is kept"
    )
