"""The intervals of finished runs beside those that count rows and repeats as they come.

    python benchmarks/intervals_of_runs.py NAME=RUN ...

Of every arm, cross-validated and of the test role: the interval of the run, and DeLong's interval
of the placements averaged over repeats, every row a case: what a study would print without the
variance of learning, and without knowing which rows belong to one patient. Prints a table for
docs/method.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from her2.core.results import read_results
from her2.evaluation import PredictionRows
from her2.stats.discrimination.auc import placement_variance, placements


def naive(y: np.ndarray, repeats: np.ndarray) -> tuple[float, float]:
    """Return DeLong's limits of the placements averaged over repeats (n_repeats, n)."""
    each = [placements(y == 1, row) for row in repeats]
    positives, negatives = (np.mean(of, axis=0) for of in zip(*each, strict=True))
    auc = float(positives.sum() / positives.size / negatives.size)
    width = norm.isf(0.025) * np.sqrt(placement_variance(positives, negatives))
    return max(0.0, auc - width), min(1.0, auc + width)


def main() -> None:
    """Print a row for every run, arm and role."""
    print("| run | unit | arm | role | rows | AUC | interval | rows and repeats as they come |")
    print("| --- " * 8 + "|")
    for given in sys.argv[1:]:
        name, _, place = given.partition("=")
        folder = Path(place)
        results = read_results(folder)
        tables = [pd.read_parquet(folder / f"{x}.parquet") for x in ("predictions", "repeated_cv")]
        predicted = PredictionRows(*tables)
        for arm, found in results.arms.items():
            for role, title in (("out_of_fold", "cross-validated"), ("test", "test")):
                p, rows = found.roles.get(role), predicted.of(arm, role)
                if p is None or rows is None or p.auc is None:
                    continue
                low, high = naive(rows.y_true, rows.y_prob)
                print(
                    f"| {name} | {results.cohort.unit} | {arm} | {title} | {p.n} | {p.auc:.3f} | "
                    f"{p.auc_low:.3f} to {p.auc_high:.3f} | {low:.3f} to {high:.3f} |"
                )


if __name__ == "__main__":
    main()
