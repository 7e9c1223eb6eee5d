"""Where a probability is called positive: decided by patients who are not judged there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import (
    CROSS_VALIDATED,
    KEYS,
    FloatArray,
    IntArray,
    PredictionRows,
    RoleRows,
    role_rows,
)

RULES: dict[str, Callable[[IntArray, FloatArray], float]] = {
    "Youden": stats.youden_threshold,
    "sensitivity ≥ .90": lambda y, p: stats.fixed_sensitivity_threshold(y, p, 0.9),
    "specificity ≥ .90": lambda y, p: stats.fixed_specificity_threshold(y, p, 0.9),
}


def training_threshold(
    predicted: PredictionRows,
    arm: str,
    rule: str = "Youden",
    *,
    role: str = "test",
) -> float | None:
    """Return the threshold of an arm for a role, by a rule of `RULES` on out-of-fold predictions.

    It is one for all repeats together. Where the role is a centre that was left out, its own
    patients do not take part. None where there is no threshold: predictions that are all equal,
    or one outcome only.
    """
    rows = predicted.repeated[predicted.repeated["arm"].eq(arm)]
    there = role_rows(predicted.predictions, arm, role)
    left_out = there.loc[there["kind"].eq("left_out"), KEYS]
    if len(left_out):
        rows = rows[~rows.set_index(KEYS).index.isin(left_out.set_index(KEYS).index)]
    try:
        return RULES[rule](rows["y_true"].to_numpy(np.int64), rows["y_prob"].to_numpy(np.float64))
    except NotEstimable:
        return None


def threshold_of_folds(rows: RoleRows, rule: str = "Youden") -> FloatArray | None:
    """Return the threshold of every cross-validated row, (n_repeats, n), chosen without its fold.

    By the rows of the other folds of its repeat. A threshold of the same rows that it is judged
    on finds a Youden index of .1 to .14 in noise. None as in `training_threshold`.
    """
    assert rows.fold is not None
    thresholds = np.empty_like(rows.y_prob)
    try:
        for r, fold in enumerate(rows.fold):
            for k in np.unique(fold):
                others = fold != k
                thresholds[r, ~others] = RULES[rule](rows.y_true[others], rows.y_prob[r, others])
    except NotEstimable:
        return None
    return thresholds


def thresholds_for(
    predicted: PredictionRows, rows: RoleRows, rule: str = "Youden"
) -> float | FloatArray | None:
    """Return the threshold that judges a role: one, or that of each fold out of fold."""
    if rows.role == CROSS_VALIDATED:
        return threshold_of_folds(rows, rule)
    return training_threshold(predicted, rows.arm, rule, role=rows.role)
