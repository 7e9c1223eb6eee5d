"""The cost of a run: parameters of its network, seconds of fitting, and its peak memory.

The seconds of training add up in the run folder, because a training that was stopped is resumed;
those of a fit that is started again do not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from her2.core.machine import peak_memory_bytes
from her2.core.run_folder import RunFolder
from her2.core.store import write_json

if TYPE_CHECKING:
    from her2.pipeline.run import OpenRun

LEDGER = "cost.json"  # in the run folder
CLEAR = Path("/proc/self/clear_refs")
MB = 1024**2


def forget_peak() -> None:
    """Reset the peak of memory, so that it is the peak of this job and not of earlier ones.

    Only Linux can reset it; elsewhere the peak is that of the process so far.
    """
    with suppress(OSError):
        CLEAR.write_text("5")  # resets the peak size of a process, see proc(5)
    if "lightning_modules" in sys.modules:  # nothing else uses a GPU
        from lightning_modules.torch_runtime import forget_gpu_peak

        forget_gpu_peak()


def peak_memory_mb() -> float:
    """Return the most memory that this process held resident, in MiB; not its workers'.

    Examples
    --------
    >>> peak_memory_mb() > 1
    True
    """
    return peak_memory_bytes() / MB


@contextmanager
def charged(folder: RunFolder) -> Iterator[Callable[[], None]]:
    """Add the seconds of the block to the run's ledger, even if it is stopped.

    Yields a function that writes the seconds so far: a kill loses only those after its last call.
    """
    start = perf_counter()

    def write() -> None:
        nonlocal start
        now = perf_counter()
        _charge(folder, now - start)
        start = now

    try:
        yield write
    finally:
        write()


def cost_entry(run: OpenRun, *, has_network: bool) -> dict[str, float | int | None]:
    """Return the entry `cost` of results.json; parameters are None unless `has_network`.

    parameters (of the network without its head), seconds (of training and fitting; images and
    features, which are cached, are not counted), peak_memory_mb (MiB that the process held at
    most), and on a GPU peak_gpu_memory_mb (MiB that tensors took at most).
    """
    spent = _charge(run.folder, 0.0)
    parameters = None
    if has_network:
        from lightning_modules.backbones import describe_backbone

        parameters = int(describe_backbone(run.settings.backbone)["n_parameters"])
    seconds = round(spent.pop("train_seconds") + run.watch.seconds.get("fit", 0.0), 2)
    rounded = {name: round(value, 1) for name, value in spent.items()}
    return {"parameters": parameters, "seconds": seconds, **rounded}


def _charge(folder: RunFolder, seconds: float) -> dict[str, float]:
    """Add seconds of training, and the peaks if they are higher than before; return the ledger."""
    path = folder.file(LEDGER)
    spent: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    peaks = {"peak_memory_mb": peak_memory_mb(), **_gpu_peak()}
    highest = {name: max(value, spent.get(name, 0.0)) for name, value in peaks.items()}
    spent |= {"train_seconds": spent.get("train_seconds", 0.0) + seconds, **highest}
    write_json(path, spent)
    return spent


def _gpu_peak() -> dict[str, float]:
    if "torch" not in sys.modules:  # nothing can have used a GPU
        return {}
    from lightning_modules.torch_runtime import gpu_peak_mb

    peak = gpu_peak_mb()
    return {} if peak is None else {"peak_gpu_memory_mb": peak}
