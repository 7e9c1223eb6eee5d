"""All features of a cohort, cold: at its own size, and with images enlarged four times.

Usage: python benchmarks/extraction.py [OVERRIDE ...]   (settings of her2 features, for example
cohort=breast_lesions_usg cohort.root=DIR; default: 210 simulated patients)

Prints lesions, features and wall seconds, with start and decoding. The enlarged run writes its
images to the cache first, which is counted too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import pandas as pd

KINDS = {"native": ("none", 1), "enlarged 4 x": ("bicubic", 4)}


def run(folder: Path, enhance: str, overrides: list[str]) -> tuple[float, pd.DataFrame]:
    """Return the wall seconds of one extraction into an empty cache, and its features."""
    run_dir = folder / enhance
    command = [
        sys.executable, "-m", "her2", "features", f"enhance={enhance}", *overrides,
        f"run_dir={run_dir}", f"cache={folder / f'cache_{enhance}'}",
    ]  # fmt: skip
    start = perf_counter()
    subprocess.run(command, check=True)
    return perf_counter() - start, pd.read_parquet(run_dir / "features.parquet")


def main(overrides: list[str]) -> None:
    print(f"{os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        for kind, (enhance, times) in KINDS.items():
            seconds, table = run(Path(name), enhance, overrides)
            n_features = table.shape[1] - 2
            print(
                f"{kind}: {len(table)} lesions x {n_features} features, {seconds:.0f} s "
                f"({times * times} x the pixels)",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
