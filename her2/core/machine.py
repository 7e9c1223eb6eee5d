"""What differs between systems: cores, memory, locks of files; Linux and macOS have all of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from her2.core.errors import BadConfig

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LINUX_STATUS = Path("/proc/self/status")


def check_system() -> None:
    """Refuse Windows, on which the package is not tested."""
    if sys.platform == "win32":
        raise BadConfig(
            "expected Linux or macOS, found Windows; run her2 in WSL, the Windows Subsystem for "
            "Linux (wsl --install)"
        )


def n_cores() -> int:
    """Return how many cores this process may use; at least 1.

    Examples
    --------
    >>> n_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_bytes() -> int:
    """Return the most memory that this process held resident; not that of its children.

    Examples
    --------
    >>> peak_memory_bytes() > 2**20
    True
    """
    if _LINUX_STATUS.is_file():
        for line in _LINUX_STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # here, because Windows, which is refused, has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def exclusive_lock(path: Path) -> BaseFileLock:
    """Return a lock that one process holds at a time: ``with exclusive_lock(path): ...``.

    The system gives it back when its process ends, however it ends. The file stays.
    """
    from filelock import FileLock  # here, because a command that locks nothing need not load it

    return FileLock(path)
