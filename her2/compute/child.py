"""A child process that answers one call at a time.

The child is a fresh interpreter that is given nothing but a socket: it needs no importable main
script, shares no locks or threads with its parent, and its death is an end of file.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import format_exception
from typing import Any

from her2.compute.calls import Arguments, Reason
from her2.core.errors import WorkerLost
from her2.core.parallel import leave_with_parent

SECONDS_TO_START = 120.0

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
     "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1",
)  # fmt: skip


class Child:
    """A running child process.

    Raises
    ------
    WorkerLost
        The process ended, or stayed silent, before it could take a call.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = f"from her2.compute.child import serve; serve({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", command],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": _import_path()},
            )
        self._connection = Connection(ours.detach())
        if isinstance(self._received(SECONDS_TO_START), str):
            self.kill()
            raise WorkerLost(
                "expected a worker process to start, found one that ended or stayed silent before "
                "its first case; look at the messages above, and whether memory is left"
            )

    def answer(self, call: bytes, *, timeout_s: float | None) -> bytes | Reason:
        """Return what `unpacked` takes, or why there is nothing: then `kill` the child."""
        try:
            self._connection.send_bytes(call)
        except OSError:
            return "killed"
        return self._received(timeout_s)

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def _received(self, timeout_s: float | None) -> bytes | Reason:
        try:
            return self._connection.recv_bytes() if self._connection.poll(timeout_s) else "hung"
        except (EOFError, OSError):
            return "killed"


class Crew:
    """Children, one for each thread that asks; a lost one is replaced when its thread asks again.

    `members` are the children at work, for `end` and for whoever wants to look at them.
    """

    def __init__(self) -> None:
        self.members: list[Child] = []
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    def answer(self, call: bytes, *, timeout_s: float | None) -> bytes | Reason:
        """Return the answer of this thread's child, or why it was lost."""
        child = getattr(self._of_thread, "child", None) or self._hired()
        if child is None:
            return "killed"
        found = child.answer(call, timeout_s=timeout_s)
        if isinstance(found, str):
            self._of_thread.child = None
            self._dismiss(child)
        return found

    def end(self) -> None:
        """Kill every child; threads that wait for one are told that it was killed."""
        with self._lock:
            self._is_over.set()
            for child in self.members:
                child.kill()

    def _hired(self) -> Child | None:
        if self._is_over.is_set():
            return None
        child = Child()
        with self._lock:
            self.members.append(child)
            if self._is_over.is_set():  # while it was starting
                child.kill()
        self._of_thread.child = child
        return child

    def _dismiss(self, child: Child) -> None:
        with self._lock:
            self.members.remove(child)
        child.kill()


def packed(function: Callable[..., Any], arguments: Arguments) -> bytes:
    """Return a call as bytes; the function must be importable by its module and name."""
    return pickle.dumps((function, arguments))


def unpacked(answer: bytes) -> Any:
    """Return the value of an answer, or raise the error that it carries."""
    error, value = pickle.loads(answer)  # noqa: S301  (written by our own child)
    if error is not None:
        raise error
    return value


def serve(handle: int) -> None:
    """Answer calls from a socket until the parent closes it or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    leave_with_parent()
    connection = Connection(handle)
    connection.send_bytes(b"ready")
    with ThreadPoolExecutor(1) as executor, suppress(EOFError):
        while True:
            done = executor.submit(_called, connection.recv_bytes())
            error = done.exception()  # a future holds whatever error there is
            if isinstance(error, MemoryError):
                os._exit(1)  # as the kernel would have ended it a little later
            connection.send_bytes(_packed_answer(error, None if error else done.result()))


def _called(call: bytes) -> Any:
    function, arguments = pickle.loads(call)  # noqa: S301  (written by our own parent)
    return function(*arguments)


def _packed_answer(error: BaseException | None, value: Any) -> bytes:
    if error is not None:
        error.add_note("".join(format_exception(error)))  # a traceback does not travel
    return pickle.dumps((error, value))


def _import_path() -> str:
    """Return this process's import path, so that the child finds the same modules."""
    return os.pathsep.join(dict.fromkeys(entry or str(Path.cwd()) for entry in sys.path))
