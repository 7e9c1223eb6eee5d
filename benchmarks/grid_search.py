"""The grid search, against scikit-learn's GridSearchCV of the same pipeline, grid and folds.

Usage: python benchmarks/grid_search.py [ROWS [FEATURES]]   (default 147 1561)

Made-up features in correlated families, the paper's selection, and the grids of conf/classifier.
Prints medians of three runs in turns, and fails if best score, candidate or a prediction differ.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import yaml
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from her2.core.places import config_folder
from her2.models.classifiers import (
    Candidate,
    Search,
    SearchPlan,
    build,
    candidates,
    grid_search,
    inner_folds,
)
from her2.selection import paper_chain

RUNS = 3
N_FOLDS = 5
SEED = 0
NAME = "benchmark"


def made_up(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, p) of 60 families, and outcomes (n,) that three of them tell."""
    rng = np.random.default_rng(SEED)
    parents = rng.standard_normal((n, 60))
    noise = rng.uniform(0.2, 1.5, p) * rng.standard_normal((n, p))
    X = parents[:, rng.integers(0, 60, p)] * rng.choice([-1, 1], p) + noise
    y = parents[:, :3].sum(axis=1) + 2 * rng.standard_normal(n) > 1
    return X, y.astype(np.int64)


def grid() -> list[Candidate]:
    """Return every point of the grids that `classifier=all` composes."""
    folder = config_folder() / "classifier"
    names = _read(folder / "all.yaml")["defaults"]
    return candidates({k: v for name in names for k, v in _read(folder / f"{name}.yaml").items()})


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def plain(X: np.ndarray, y: np.ndarray, points: list[Candidate]) -> GridSearchCV:
    """Return scikit-learn's search: everything is fitted again for every candidate and fold."""
    fold = inner_folds(y, np.arange(len(y)), n_folds=N_FOLDS, seed=SEED, name=NAME)
    return GridSearchCV(
        Pipeline([*paper_chain().steps, ("classifier", None)]),
        {"classifier": [build(point, SEED) for point in points]},
        scoring="roc_auc",
        cv=PredefinedSplit(fold),
    ).fit(X, y)


def shared(X: np.ndarray, y: np.ndarray, points: list[Candidate]) -> Search:
    """Return the project's search."""
    return grid_search(
        X, y, np.arange(len(y)), preparation=paper_chain(), points=points,
        plan=SearchPlan(N_FOLDS, SEED), name=NAME,
    )  # fmt: skip


def timed(function: Callable[[], object]) -> tuple[float, float, object]:
    """Return wall and CPU seconds of a call, and what it returned."""
    wall, cpu = perf_counter(), process_time()
    found = function()
    return perf_counter() - wall, process_time() - cpu, found


def disagreement(found: Search, reference: GridSearchCV, X: np.ndarray) -> str:
    """Return in what the two searches differ, or nothing."""
    best = float(found.table["cv_auc_mean"].max())
    if abs(best - reference.best_score_) > 1e-12:
        return f"best scores differ: {best} and {reference.best_score_}"
    if not found.table["chosen"].iloc[reference.best_index_]:
        return "the chosen candidates differ"
    if not np.allclose(found.predict(X), reference.predict_proba(X)[:, 1], atol=1e-12):
        return "the predictions differ"
    return ""


def main(n: int = 147, p: int = 1561) -> None:
    X, y = made_up(n, p)
    points = grid()
    print(
        f"{os.cpu_count()} cores, one used; {n} x {p}, {len(points)} candidates; median of {RUNS}"
    )
    runs: dict[str, list[tuple[float, float, object]]] = {"plain": [], "shared": []}
    with threadpool_limits(1):
        for _ in range(RUNS):
            runs["plain"].append(timed(lambda: plain(X, y, points)))
            runs["shared"].append(timed(lambda: shared(X, y, points)))
    wall, cpu = ({k: median(r[i] for r in v) for k, v in runs.items()} for i in (0, 1))
    for name, title in (("plain", "GridSearchCV"), ("shared", "grid_search")):
        print(f"{title:>14s}: {wall[name]:6.2f} s wall, {cpu[name]:6.2f} s CPU")
    print(f"{'ratio':>14s}: {wall['plain'] / wall['shared']:6.1f} wall,"
          f"   {cpu['plain'] / cpu['shared']:6.1f} CPU")  # fmt: skip
    found, reference = runs["shared"][-1][2], runs["plain"][-1][2]
    assert isinstance(found, Search) and isinstance(reference, GridSearchCV)
    print(
        f"      best AUC: {reference.best_score_:.6f}, {found.best.classifier} {found.best.label}"
    )
    if reason := disagreement(found, reference, X):
        sys.exit(reason)


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
