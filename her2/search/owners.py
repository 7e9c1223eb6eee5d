"""Who runs a trial, and whether that process still lives."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEASE = "lease:"  # start of the study's attributes that hold a sweeper's last sign of life


@dataclass(frozen=True)
class Owner:
    """A sweeper process."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def tag(self) -> str:
        """Text ``host:pid:token`` that its trials carry."""
        return f"{self.host}:{self.pid}:{self.token}"

    @classmethod
    def of(cls, tag: str) -> Owner:
        """Return the owner of a tag.

        >>> Owner.of("node1:42:ab").pid
        42
        """
        host, pid, token = tag.rsplit(":", 2)
        return cls(host, int(pid), token)

    @property
    def lease_key(self) -> str:
        """Name of the study's attribute with its last sign of life, in seconds since 1970."""
        return f"{LEASE}{self.token}"

    def is_dead(self, leases: Mapping[str, Any], *, now: float, lease_seconds: float) -> bool:
        """Whether its trials are to be run by others.

        At once, if it ran on this machine and has gone; else after a lease without a sign of
        life.
        """
        if self.host == socket.gethostname() and not _is_running(self.pid):
            return True
        return now - float(leases.get(self.lease_key, 0.0)) > lease_seconds


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended and only waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False  # no such file on this system


@contextmanager
def kept_alive(sign: Callable[[], None], *, lease_seconds: float) -> Iterator[None]:
    """Give a sign of life now, and from another thread three times a lease while this runs."""
    sign()
    stopped = threading.Event()

    def give() -> None:
        while not stopped.wait(lease_seconds / 3):
            sign()

    thread = threading.Thread(target=give, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(timeout=5)


def now() -> float:
    """Return seconds since 1970."""
    return time.time()
