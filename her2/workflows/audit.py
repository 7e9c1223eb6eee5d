"""The leakage audit of a study: checks that were run, what they should give, what they gave."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np
import pandas as pd

from her2 import stats
from her2.arms import TrainingSet
from her2.errors import NotEstimable
from her2.splits import units
from her2.workflows.opening import OpenRun
from her2.workflows.refits import Refits

COLUMNS = ["check", "expected", "found", "passed"]
SHUFFLED_SD = 0.061  # of an out-of-fold AUC of 58 of 201 patients under no effect
KNOWS_OUTCOME = 0.95  # AUC of one variable alone
Row = tuple[str, str, str, bool]


def audit_table(run: OpenRun, refits: Refits) -> pd.DataFrame:
    """Return check, expected, found, passed: one row a check."""
    rows = [
        _roles(run),
        *_folds(run.training),
        *_poison(refits),
        *_shuffled(run.training, refits),
        *_telling_variables(run),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def audit_notes(table: pd.DataFrame) -> list[str]:
    """Return a sentence for every check that failed."""
    failed = table[~table["passed"].astype(bool)]
    return [
        f"Leakage audit: {row.check}: expected {row.expected}, found {row.found}."
        for row in failed.itertuples()
    ]


def _roles(run: OpenRun) -> Row:
    roles = run.split.roles()
    seen: dict[int, set[str]] = {}
    for lesion, unit in zip(run.cohort.lesions, units(run.cohort.lesions).tolist(), strict=True):
        seen.setdefault(unit, set()).add(roles[lesion.key])
    torn = sum(len(found) > 1 for found in seen.values())
    check = "Overlap of the split: patients, groups or shared images on both sides"
    return check, "0", f"{torn} of {len(seen)}", torn == 0


def _folds(training: TrainingSet) -> Iterator[Row]:
    torn = 0
    for r in range(training.n_repeats):
        fold = training.repeat(r).fold
        torn += sum(
            len(set(fold[training.groups == g].tolist())) > 1 for g in np.unique(training.groups)
        )
    repeats = f"{training.n_repeats} x {training.n_folds} folds"
    yield (
        "Overlap of the folds: patients in several folds of one repeat",
        "0",
        f"{torn} in {repeats}",
        torn == 0,
    )


def _poison(refits: Refits) -> Iterator[Row]:
    """Held-out features set to 1e9: the final model must be the same to the last bit."""
    if not refits.unmoved:
        return
    moved = [arm for arm, unmoved in refits.unmoved.items() if not unmoved]
    found = "every model unchanged" if not moved else f"changed: {', '.join(moved)}"
    yield (
        "Final models refitted with poisoned features of held-out patients",
        "every model unchanged",
        found,
        not moved,
    )


def _shuffled(training: TrainingSet, refits: Refits) -> Iterator[Row]:
    n = len(refits.shuffled)
    if not n:
        return
    limit = 3 * _null_sd(training) / sqrt(n)
    mean = float(refits.shuffled.mean())
    yield (
        f"Leak of the outcome: mean AUC of {refits.audited}, refitted to {n} shuffles",
        f"{0.5 - limit:.3f} to {0.5 + limit:.3f}",
        f"{mean:.3f}",
        abs(mean - 0.5) <= limit,
    )


def _null_sd(training: TrainingSet) -> float:
    """Return the standard deviation of an out-of-fold AUC under no effect.

    Measured for 58 of 201 patients, moved to other sizes as the AUC's null variance moves.
    """

    def variance(n_positive: int, n_negative: int) -> float:
        return (n_positive + n_negative + 1) / (12 * n_positive * n_negative)

    n_positive = int(training.y_true.sum())
    here = variance(n_positive, len(training.y_true) - n_positive)
    return SHUFFLED_SD * sqrt(here / variance(58, 143))


def _telling_variables(run: OpenRun) -> Iterator[Row]:
    """Yield the clinical variable that ranks training patients best: it may know the outcome."""
    table, y = run.cohort.clinical.loc[list(run.training.keys)], run.training.y_true
    areas = {}
    for name in table.columns:
        codes = _as_number(table[name])
        known = np.isfinite(codes)
        try:
            area = stats.auc(y[known], codes[known])
        except NotEstimable:
            continue
        areas[name] = max(area, 1 - area)
    if areas:
        name = max(areas, key=lambda key: areas[key])
        found, limit = f"{areas[name]:.3f} ({name})", f"below {KNOWS_OUTCOME}"
        passed = areas[name] < KNOWS_OUTCOME
        yield "Largest AUC of one clinical variable alone", limit, found, passed


def _as_number(values: pd.Series) -> np.ndarray:
    """Return numbers as they are and two levels as 0 and 1; more levels have no order: missing."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(np.float64)
    codes, levels = pd.factorize(values, sort=True)
    known = (codes >= 0) & (len(levels) == 2)
    return np.where(known, codes.astype(np.float64), np.nan)
