"""Training of networks one after the other, each by one process or by one a device."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
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
from lightning_modules.fine_tuning.fitting import train_network
from lightning_modules.fine_tuning.jobs import Job, JobFiles, TrainingTask, read_output
from lightning_modules.lightning_trainer import uses_gpu

Log = Callable[[str], None]


def train_networks(jobs: Sequence[Job], task: TrainingTask, *, log: Log | None = None) -> None:
    """Train networks one after the other, each on as many devices as the settings name.

    log: called with one line a network. Raises BadConfig if the machine has fewer devices,
    WorkerLost if a process ended before its networks were trained, and what one raised on purpose.
    """
    if not jobs:
        return
    if task.trainer.devices == 1:
        _train_in_turn(jobs, task, log=log)
        return
    _check_devices(task.trainer)
    refusals: SimpleQueue[Her2Error] = get_context("spawn").SimpleQueue()
    arguments = (list(jobs), task, _free_port(), refusals)
    try:
        # untyped in torch; the start method is spawn
        start_processes(_run_rank, arguments, nprocs=task.trainer.devices)  # type: ignore[no-untyped-call]
    except ProcessException as error:
        if not refusals.empty():  # the others ended, or were stopped, because of it
            raise refusals.get() from error
        if not isinstance(error, ProcessExitedException):
            raise
        raise WorkerLost(
            f"expected {task.trainer.devices} training processes to finish, found one that was "
            "stopped; run the same command again, it resumes"
        ) from error
    for job in jobs:
        _report(job, task, log)


def _train_in_turn(
    jobs: Sequence[Job], task: TrainingTask, *, is_shared: bool = False, log: Log | None = None
) -> None:
    n_epochs = task.trainer.max_epochs
    with progress("training", len(jobs) * n_epochs, "epochs") as advance:
        for i, job in enumerate(jobs):

            def advance_to(epoch: int, before: int = i * n_epochs) -> None:
                advance(before + epoch)

            train_network(job, task, is_shared=is_shared, advance=advance_to)
            advance((i + 1) * n_epochs)
            _report(job, task, log)


def _report(job: Job, task: TrainingTask, log: Log | None) -> None:
    if log is not None:
        log(f"{job.title}: {read_output(JobFiles.of(job, task).output).summary}")


def _run_rank(
    rank: int, jobs: list[Job], task: TrainingTask, port: int, refusals: SimpleQueue[Her2Error]
) -> None:
    """Train the networks as one of the processes; Lightning reads its rank from the environment.

    A `Her2Error` is sent to `refusals`: torch hands over no more than a traceback.
    """
    os.environ.update({
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(task.trainer.devices),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
    })  # fmt: skip
    try:
        _train_in_turn(jobs, task, is_shared=True)
    except Her2Error as error:
        refusals.put(error)  # before the others notice that this one left
        raise
    finally:
        if distributed.is_initialized():  # by Lightning
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
