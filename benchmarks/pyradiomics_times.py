"""Radiomic features against plain pyradiomics: same lesions, one run, medians of three.

Usage: python benchmarks/pyradiomics_times.py [WIDTH ...]   (pixels; default 100 150 200 250)

Prints, for lesions of each width, the seconds of pyradiomics and of this package in one process,
their ratio and the largest difference relative to max(1, |value|); then the ratio for all lesions
together in one process and in two; then seconds, time a pixel and peak memory up to 1024 pixels.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

# this file is called radiomics too: its folder must not hide the package
sys.path = [
    entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent
]

import numpy as np
import SimpleITK as sitk
from radiomics import setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor
from threadpoolctl import threadpool_limits

from her2.radiomics import extract_features
from her2.radiomics.parameters import paper_1561

RUNS = 3
N_PROCESSES = 2
COPIES = 3  # of each lesion, in the comparison of one process with two
SCALING = (64, 128, 256, 512, 1024)  # 1024: a lesion of 256 pixels, enlarged four times

Lesion = tuple[np.ndarray, np.ndarray]


def lesion(width: int) -> Lesion:
    """Return speckle (H, W) float64 and an elliptic mask (H, W) bool of a width in pixels."""
    height, frame = int(1.6 * width), int(2 * width)
    rows, columns = np.mgrid[:height, :frame]
    mask = ((rows - height / 2) / (width / 3)) ** 2 + (
        (columns - frame / 2) / (width / 2)
    ) ** 2 < 1
    speckle = np.random.default_rng(0).rayleigh(30, mask.shape) * np.where(mask, 1.0, 2.0)
    return np.round(speckle).clip(0, 255), mask


def one_thread() -> None:
    """Keep this process to one core; messages of pyradiomics to errors."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threadpool_limits(1)
    setVerbosity(logging.ERROR)
    np.seterr(all="ignore")


def plain(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return the features as pyradiomics gives them."""
    found = RadiomicsFeatureExtractor(paper_1561().parameters).execute(
        sitk.GetImageFromArray(image[None]), sitk.GetImageFromArray(mask[None].astype(np.uint8))
    )
    return {k: float(v) for k, v in found.items() if not k.startswith("diagnostics")}


def seconds(function: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = perf_counter()
    function()
    return perf_counter() - start


def compare(width: int) -> tuple[float, float]:
    """Print one line, and return the median seconds of pyradiomics and of this package."""
    image, mask = lesion(width)
    theirs, ours = plain(image, mask), extract_features(image, mask)
    off = max(abs(ours[k] - v) / max(1.0, abs(v)) for k, v in theirs.items())
    # in turn, so that other work on the machine slows both
    pairs = [
        (seconds(lambda: plain(image, mask)), seconds(lambda: extract_features(image, mask)))
        for _ in range(RUNS)
    ]
    slow, fast = (median(times) for times in zip(*pairs, strict=True))
    print(f"{width:8d} {mask.sum():8d} {slow:14.3f} {fast:7.3f} {slow / fast:6.1f} {off:19.1e}")
    return slow, fast


def n_features(width: int) -> int:
    """Return the number of features of a lesion, after measuring them: a worker's job."""
    return len(extract_features(*lesion(width)))


def compare_processes(widths: list[int], slow: float, fast: float) -> None:
    """Print the ratio for all lesions together, in one process and in two."""
    jobs = sorted(widths * COPIES, reverse=True)  # largest first
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(N_PROCESSES, context, initializer=one_thread) as pool:
        list(pool.map(n_features, [64] * 4 * N_PROCESSES))  # start the workers, load the packages
        times = [seconds(lambda: list(pool.map(n_features, jobs))) for _ in range(RUNS)]
    print(f"all lesions, one process:   {slow / fast:5.1f} times pyradiomics in one process")
    print(
        f"all lesions, {N_PROCESSES} processes:   {COPIES * slow / median(times):5.1f} times "
        f"pyradiomics in one process ({COPIES} copies of each, largest first)"
    )


def measure(width: int) -> tuple[int, float, float]:
    """Return pixels, median seconds and peak memory in MB, in a process of its own."""
    one_thread()
    image, mask = lesion(width)
    took = median(seconds(lambda: extract_features(image, mask)) for _ in range(RUNS))
    return int(mask.sum()), took, peak_memory_mb()


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process since it started (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def scaling() -> None:
    """Print how time and memory grow with the lesion."""
    print("\nwidth_px  area_px  her2_s  microseconds_a_pixel  peak_memory_MB")
    context = multiprocessing.get_context("spawn")
    for width in SCALING:
        with ProcessPoolExecutor(1, context) as pool:
            area, took, memory = pool.submit(measure, width).result()
        print(f"{width:8d} {area:8d} {took:7.3f} {1e6 * took / area:21.2f} {memory:15.0f}")


def main(widths: list[int]) -> None:
    one_thread()
    print(f"{os.cpu_count()} cores; median of {RUNS}; one process, one thread")
    print("width_px  area_px  pyradiomics_s  her2_s  ratio  largest_difference")
    times = [compare(width) for width in widths]
    slow, fast = (sum(column) for column in zip(*times, strict=True))
    compare_processes(widths, slow, fast)
    scaling()


if __name__ == "__main__":
    main([int(w) for w in sys.argv[1:]] or [100, 150, 200, 250])
