"""A whole study, cold and again with a warm cache, as a user runs it.

Usage: python benchmarks/study.py [OVERRIDE ...]   (settings of her2 study)

Prints the seconds of each step of both runs and the ratio of the totals, and fails if the second
run's predictions differ by a byte.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter


def run(folder: Path, name: str, overrides: list[str]) -> tuple[float, Path]:
    """Return the wall seconds of one study and its folder."""
    run_dir = folder / name
    command = [
        sys.executable, "-m", "her2", "study", *overrides, f"run_dir={run_dir}",
        f"cache={folder / 'cache'}", f"tracking.uri=sqlite:///{folder / 'mlflow.db'}",
    ]  # fmt: skip
    start = perf_counter()
    subprocess.run(command, check=True)
    return perf_counter() - start, run_dir


def main(overrides: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {kind: run(folder, kind, overrides) for kind in ("cold", "warm")}
        print(f"{os.cpu_count()} cores")
        for kind, (total, run_dir) in runs.items():
            steps = json.loads((run_dir / "results.json").read_text())["timing"]
            shown = ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items())
            print(f"{kind}: {total:.1f} s ({shown})")
        print(f"warm/cold: {runs['warm'][0] / runs['cold'][0]:.2f}")
        first, second = ((d / "predictions.parquet").read_bytes() for _, d in runs.values())
        if first != second:
            sys.exit("the predictions of the two runs differ")


if __name__ == "__main__":
    main(sys.argv[1:])
