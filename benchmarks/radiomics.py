"""Radiomic features against plain pyradiomics: same lesions, one process, one run.

Usage: python benchmarks/radiomics.py [WIDTH ...]   (pixels; default 100 180 250)

Prints, for each lesion width, the median seconds of three runs of both, their ratio, and the
largest difference relative to max(1, |value|).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
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

from her2.radiomics import extract_features
from her2.radiomics.settings import paper_1561

RUNS = 3


def lesion(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return speckle (H, W) float64 and an elliptic mask (H, W) bool of a width in pixels."""
    height, frame = int(1.6 * width), int(2 * width)
    rows, columns = np.mgrid[:height, :frame]
    mask = ((rows - height / 2) / (width / 3)) ** 2 + (
        (columns - frame / 2) / (width / 2)
    ) ** 2 < 1
    speckle = np.random.default_rng(0).rayleigh(30, mask.shape) * np.where(mask, 1.0, 2.0)
    return np.round(speckle).clip(0, 255), mask


def plain(extractor: RadiomicsFeatureExtractor, image: np.ndarray, mask: np.ndarray) -> dict:
    """Return the features as pyradiomics gives them."""
    found = extractor.execute(
        sitk.GetImageFromArray(image[None]), sitk.GetImageFromArray(mask[None].astype(np.uint8))
    )
    return {k: float(v) for k, v in found.items() if not k.startswith("diagnostics")}


def seconds(function: Callable[[], object]) -> float:
    """Return the median wall time of some runs."""
    times = []
    for _ in range(RUNS):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return median(times)


def main(widths: list[int]) -> None:
    setVerbosity(logging.ERROR)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    extractor = RadiomicsFeatureExtractor(paper_1561().parameters)
    print(f"{os.cpu_count()} cores, one process; median of {RUNS}")
    print("width_px  area_px  pyradiomics_s  her2_s  ratio  largest_difference")
    for width in widths:
        image, mask = lesion(width)
        with np.errstate(all="ignore"):
            theirs, ours = plain(extractor, image, mask), extract_features(image, mask)
            off = max(abs(ours[k] - v) / max(1.0, abs(v)) for k, v in theirs.items())
            slow = seconds(lambda i=image, m=mask: plain(extractor, i, m))
            fast = seconds(lambda i=image, m=mask: extract_features(i, m))
        print(
            f"{width:8d} {mask.sum():8d} {slow:14.2f} {fast:7.2f} {slow / fast:6.1f} {off:19.1e}"
        )


if __name__ == "__main__":
    main([int(w) for w in sys.argv[1:]] or [100, 180, 250])
