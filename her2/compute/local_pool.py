"""Calls in child processes of this machine: one that dies or hangs costs its call alone.

A child is a fresh interpreter that is given nothing but a socket of its own. It needs no
importable main script, shares no lock or thread with its parent, and its death is an end of file.
A pool of multiprocessing's, such as pebble's, imports the caller's main script in every child: in
a script that calls her2 without a guard of its ``__main__``, all of its workers end at once.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import format_exception
from typing import Any, Literal, Protocol

from her2.core.errors import WorkerLost
from her2.core.parallel import end_with_parent, leave_with_parent

logger = logging.getLogger(__name__)

Reason = Literal["killed", "hung"]
Arguments = tuple[Any, ...]

SECONDS_TO_START = 120.0
LOST_FROM_THE_START = 10
_WHAT_HAPPENED = {"killed": "was killed", "hung": "did not end in time"}
_ADVICE = {
    "killed": "most often, memory ran out: set compute.n_workers lower",
    "hung": "set compute.timeout_s higher",
}
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
     "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1",
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """A call that returned.

    Attributes
    ----------
    position
        Its place among the calls.
    value
        What it returned.
    """

    position: int
    value: Any


@dataclass(frozen=True)
class Lost:
    """A call without a value, after two attempts.

    Attributes
    ----------
    position
        Its place among the calls.
    reason
        ``killed`` if its process died, ``hung`` if it did not end in time.
    """

    position: int
    reason: Reason


class Engine(Protocol):
    """Runs calls and yields their outcomes as they come, in any order."""

    def run(
        self, function: Callable[..., Any], calls: Sequence[Arguments]
    ) -> Generator[Finished | Lost]:
        """Yield one outcome a call; an error that the function raises ends the run."""
        ...


@dataclass(frozen=True)
class InProcess:
    """One call after the other in this process: nothing is started, nothing can be lost.

    >>> [outcome.value for outcome in InProcess().run(pow, [(2, 3), (3, 2)])]
    [8, 9]
    """

    def run(
        self, function: Callable[..., Any], calls: Sequence[Arguments]
    ) -> Generator[Finished | Lost]:
        """Yield the outcomes in the order of the calls."""
        for position, arguments in enumerate(calls):
            yield Finished(position, function(*arguments))


@dataclass(frozen=True)
class LocalPool:
    """Child processes, each with one thread and one call at a time.

    A child that dies, or works longer than the limit on one call, is replaced. Its call is tried
    once more at the end, when nothing else runs: memory that ran out because of its neighbours is
    no fault of its own.

    Attributes
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
        """Yield one outcome a call, as they come."""
        suspects: list[int] = []
        n_finished = 0
        for outcome in self._try_each(function, dict(enumerate(calls)), self.n_workers):
            if isinstance(outcome, Finished):
                n_finished += 1
                yield outcome
                continue
            suspects.append(outcome.position)
            happened = _WHAT_HAPPENED[outcome.reason]
            logger.warning("a worker process %s; its case is tried once more at the end", happened)
            if not n_finished and len(suspects) == LOST_FROM_THE_START:
                raise WorkerLost(
                    "expected worker processes that finish their cases, found "
                    f"{LOST_FROM_THE_START} in a row of which each {happened}; "
                    f"{_ADVICE[outcome.reason]}, and run the same command again: what is done is "
                    "kept"
                )
        yield from self._try_each(function, {i: calls[i] for i in sorted(suspects)}, 1)

    def _try_each(
        self, function: Callable[..., Any], calls: Mapping[int, Arguments], n_workers: int
    ) -> Generator[Finished | Lost]:
        """Yield an outcome of every call, each tried once."""
        if not calls:
            return
        crew, threads = Crew(), ThreadPoolExecutor(min(n_workers, len(calls)))

        def answer(arguments: Arguments) -> bytes | Reason:
            call = pickle.dumps((function, arguments))
            return crew.answer(call, timeout_s=self.timeout_s)

        position_of = {threads.submit(answer, arguments): i for i, arguments in calls.items()}
        try:
            for future in as_completed(position_of):
                yield read_outcome(position_of[future], future.result())
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            crew.end()


class Crew:
    """Children, one for each thread that asks; a lost one is replaced when it is asked again."""

    def __init__(self) -> None:
        self.members: list[_Child] = []
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    def answer(self, call: bytes, *, timeout_s: float | None) -> bytes | Reason:
        """Return the answer of this thread's child to a packed call, or why it was lost."""
        child = getattr(self._of_thread, "child", None) or self._start_child()
        if child is None:
            return "killed"
        answer = child.answer(call, timeout_s=timeout_s)
        if isinstance(answer, str):
            self._of_thread.child = None
            with self._lock:
                self.members.remove(child)
            child.kill()
        return answer

    def end(self) -> None:
        """Kill every child; a thread that waits for one finds that it was killed."""
        with self._lock:
            self._is_over.set()
            for child in self.members:
                child.kill()

    def _start_child(self) -> _Child | None:
        if self._is_over.is_set():
            return None
        child = _Child()
        with self._lock:
            self.members.append(child)
            if self._is_over.is_set():  # while it was starting
                child.kill()
        self._of_thread.child = child
        return child


class _Child:
    """A running child process, which takes one call at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = f"from her2.compute.local_pool import serve; serve({theirs.fileno()})"
        # the import path of this process, so that the child finds the same modules
        path = os.pathsep.join(dict.fromkeys(entry or str(Path.cwd()) for entry in sys.path))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", command],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
            )
        self._connection = Connection(ours.detach())
        if isinstance(self._receive(SECONDS_TO_START), str):
            self.kill()
            raise WorkerLost(
                "expected a worker process to start, found one that ended or stayed silent before "
                "its first case; look at the messages above, and whether memory is left"
            )

    def answer(self, call: bytes, *, timeout_s: float | None) -> bytes | Reason:
        try:
            self._connection.send_bytes(call)
        except OSError:
            return "killed"
        return self._receive(timeout_s)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _receive(self, timeout_s: float | None) -> bytes | Reason:
        try:
            return self._connection.recv_bytes() if self._connection.poll(timeout_s) else "hung"
        except (EOFError, OSError):
            return "killed"


def read_outcome(position: int, answer: bytes | Reason) -> Finished | Lost:
    """Return the outcome of a call; an error that it raised is raised."""
    if isinstance(answer, str):
        return Lost(position, answer)
    error, value = pickle.loads(answer)  # noqa: S301  (written by our own child)
    if error is not None:
        raise error
    return Finished(position, value)


def serve(handle: int) -> None:
    """Answer calls from a socket until the parent closes it or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    end_with_parent()
    leave_with_parent()
    connection = Connection(handle)
    connection.send_bytes(b"ready")
    with ThreadPoolExecutor(1) as executor, suppress(EOFError):
        while True:
            done = executor.submit(_call, connection.recv_bytes())
            error = done.exception()  # a future holds whatever error there is
            if isinstance(error, MemoryError):
                os._exit(1)  # as the kernel would have ended it a little later
            if error is not None:
                error.add_note("".join(format_exception(error)))  # a traceback does not travel
            connection.send_bytes(pickle.dumps((error, None if error else done.result())))


def _call(call: bytes) -> Any:
    function, arguments = pickle.loads(call)  # noqa: S301  (written by our own parent)
    return function(*arguments)
