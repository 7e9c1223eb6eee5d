"""What torch and Lightning keep for the whole process (threads, seeds, memory), and versions."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from her2.core.store import code_version

MIB = 1024**2


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Run torch on `n` CPU threads: the order of its sums, so the last bits, depend on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's generators, also those of all GPUs, and restore them afterwards.

    Lightning may switch torch to deterministic algorithms and never switches back; that is
    restored as well.
    """
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


def child_seed(seed: int, *key: int) -> int:
    """Seed of a step of a seeded run, independent of that of every other key.

    >>> child_seed(0, 1) != child_seed(0, 2)
    True
    """
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def warmup_cosine(step: int, n_warmup: int, n_steps: int) -> float:
    """Share of the learning rate at a step: a linear rise, then half a cosine down to 0.

    >>> [round(warmup_cosine(step, 2, 6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    done = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C, which Lightning turns into an exit and then ignores."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as leaving:
        if isinstance(leaving.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, before)
            raise KeyboardInterrupt from leaving
        raise


@lru_cache
def version_of(sources: tuple[str, ...], packages: tuple[str, ...]) -> str:
    """Return a hash of files of `lightning_modules`, named by patterns, and of packages."""
    here = Path(__file__).parent
    return code_version((f for name in sources for f in sorted(here.glob(name))), packages)


def gpu_peak_mb() -> float | None:
    """Peak memory of tensors on all GPUs together in MiB; None if no GPU was used."""
    if not _gpu_is_used():
        return None
    devices = range(torch.cuda.device_count())
    return sum(torch.cuda.max_memory_allocated(device) for device in devices) / MIB


def forget_gpu_peak() -> None:
    """Reset the peak of `gpu_peak_mb`."""
    if _gpu_is_used():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)


def _gpu_is_used() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
