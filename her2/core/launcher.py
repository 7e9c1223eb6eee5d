"""Jobs that a launcher runs in other processes: their exit statuses, and a GPU for each worker."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from pathlib import Path

from her2.core import places
from her2.core.errors import BadConfig
from her2.core.machine import exclusive_lock

logger = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
_claimed: list[object] = []  # this process's lock, which is given back when it is forgotten


class JobStatuses:
    """Exit statuses of the jobs of one command line.

    A job in another process writes its status to a file in a folder that this process knows:
    what a launcher hands back stays with Hydra.
    """

    def __init__(self) -> None:
        self.have_begun = False
        self.parent = os.getpid()
        self.folder = places.project_store() / f".jobs-{uuid.uuid4().hex[:12]}"
        self.here: list[int] = []

    @property
    def is_here(self) -> bool:
        """Whether this is the process of the command line."""
        return os.getpid() == self.parent

    def add(self, status: int) -> None:
        """Note the status of a job, in whichever process it ran."""
        if self.is_here:
            self.here.append(status)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / uuid.uuid4().hex).write_text(str(status))

    def largest(self) -> int:
        """Return the worst status of all jobs, 0 if there was none."""
        notes = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        others = [int(path.read_text()) for path in notes]
        shutil.rmtree(self.folder, ignore_errors=True)
        return max([*self.here, *others], default=0)


def claim_gpu(n_gpus: int, folder: Path) -> int | None:
    """Give this worker process one of the first `n_gpus` devices, for as long as it lives.

    Workers of the same folder share it out by locks, which the system gives back when a worker
    ends; with more workers than devices, they share devices. Must be called before CUDA is used.
    Returns the device's number among the visible ones; None for no devices, or a second call.
    """
    if n_gpus < 0:
        raise BadConfig(f"expected compute.gpus of at least 0, found {n_gpus}")
    if n_gpus == 0 or _claimed:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    number = next((i for i in range(n_gpus) if _lock(folder / f".gpu-{i}")), None)
    if number is None:
        number = os.getpid() % n_gpus
        _claimed.append(number)
        logger.warning("more workers than the %d devices of compute.gpus: they share them", n_gpus)
    visible = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    os.environ[VISIBLE] = visible[number] if number < len(visible) else str(number)
    return number


def _lock(path: Path) -> bool:
    lock = exclusive_lock(path)
    try:
        lock.acquire(blocking=False)
    except TimeoutError:
        return False
    _claimed.append(lock)
    return True
