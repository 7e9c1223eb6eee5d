"""Several processes that train each network together: one a device."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue

import torch
from torch import distributed
from torch.multiprocessing.spawn import (
    ProcessException,
    ProcessExitedException,
    start_processes,
)

from her2.core.errors import BadConfig, Her2Error, WorkerLost
from her2.core.progress import progress
from her2.core.settings import TrainerSettings
from lightning_modules.fitting import run_job
from lightning_modules.jobs import Job, Material, Places, read_output
from lightning_modules.trainer import uses_gpu


def run_jobs(
    jobs: Sequence[Job], of: Material, *, log: Callable[[str], None] | None = None
) -> None:
    """Train networks one after the other, each on all devices that the settings name.

    log: called with one line a network.

    Raises
    ------
    BadConfig
        If the machine has fewer devices.
    WorkerLost
        If a process ended before its networks were trained.
    Her2Error
        What a process raised on purpose.
    """
    if not jobs:
        return
    if of.trainer.devices == 1:
        _run_in_turn(jobs, of, log=log)
        return
    _check_devices(of.trainer)
    refusals: SimpleQueue[Her2Error] = get_context("spawn").SimpleQueue()
    arguments = (list(jobs), of, _free_port(), refusals)
    try:
        # untyped in torch; the start method is spawn
        start_processes(_run_rank, arguments, nprocs=of.trainer.devices)  # type: ignore[no-untyped-call]
    except ProcessException as error:
        if not refusals.empty():  # the others ended, or were stopped, because of it
            raise refusals.get() from error
        if not isinstance(error, ProcessExitedException):
            raise
        raise WorkerLost(
            f"expected {of.trainer.devices} training processes to finish, found one that was "
            "stopped; run the same command again, it goes on"
        ) from error
    for job in jobs:
        _report(job, of, log)


def _run_in_turn(
    jobs: Sequence[Job],
    of: Material,
    *,
    is_shared: bool = False,
    log: Callable[[str], None] | None = None,
) -> None:
    n_epochs = of.trainer.max_epochs
    with progress("training", len(jobs) * n_epochs, "epochs") as advance:
        for i, job in enumerate(jobs):
            run_job(job, of, is_shared=is_shared, advance=partial(_advance, advance, i * n_epochs))
            advance((i + 1) * n_epochs)
            _report(job, of, log)


def _advance(advance: Callable[[int], None], before: int, done: int) -> None:
    advance(before + done)


def _report(job: Job, of: Material, log: Callable[[str], None] | None) -> None:
    if log is not None:
        log(f"{job.title}: {read_output(Places.of(job, of).output).summary}")


def _run_rank(
    rank: int, jobs: list[Job], of: Material, port: int, refusals: SimpleQueue[Her2Error]
) -> None:
    """Train the networks as one of the processes; Lightning finds its place in the environment.

    What it raises on purpose goes to `refusals`: torch hands over no more than a traceback.
    """
    place = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(of.trainer.devices),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
    }
    os.environ.update(place)
    with _group():
        try:
            _run_in_turn(jobs, of, is_shared=True)
        except Her2Error as error:
            refusals.put(error)  # before the others notice that this one left
            raise


@contextmanager
def _group() -> Iterator[None]:
    """Leave the group of processes, which Lightning joins, when the work is done."""
    try:
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _check_devices(settings: TrainerSettings) -> None:
    if uses_gpu(settings) and torch.cuda.device_count() < settings.devices:
        raise BadConfig(
            f"expected trainer.devices of at most {torch.cuda.device_count()}, the GPUs of this "
            f"machine, found {settings.devices}"
        )


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
