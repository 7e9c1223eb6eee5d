"""How much memory of a GPU the tensors of this process took."""

from __future__ import annotations

import torch

MIB = 1024**2


def gpu_peak_mb() -> float | None:
    """Return the most MiB that tensors took on the GPUs together; None where none was used."""
    if not _is_used():
        return None
    devices = range(torch.cuda.device_count())
    return sum(torch.cuda.max_memory_allocated(device) for device in devices) / MIB


def forget_gpu_peak() -> None:
    """Count from here on."""
    if _is_used():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)


def _is_used() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
