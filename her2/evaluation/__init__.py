"""From predictions to results: every number of a study, from what was predicted alone.

Nothing here can refit, reselect or see a feature, because it is given none. The threshold of an
arm comes from its out-of-fold training predictions and is used unchanged in every other role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from her2.core.types import ARMS
from her2.evaluation import arm_comparisons, performance
from her2.evaluation.curves import curve_tables
from her2.evaluation.prediction_rows import (
    REPEATED,
    by_patient,
    check_patients,
    honest_roles,
    role_rows,
)

__all__ = [
    "Evaluation", "by_patient", "check_patients", "evaluate", "honest_roles", "role_rows",
]  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """Numbers of a study.

    Attributes
    ----------
    arms, comparisons, repeated_comparisons, notes
        As in results.json.
    tables
        Long tables by name: repeated_cv, repeats, operating_points, reclassification,
        permutation, and those of `curve_tables`.
    """

    arms: dict[str, dict[str, Any]]
    comparisons: list[dict[str, Any]]
    repeated_comparisons: list[dict[str, Any]]
    notes: list[str]
    tables: dict[str, pd.DataFrame]


def evaluate(
    predictions: pd.DataFrame,
    repeated: pd.DataFrame,
    *,
    n_features: Mapping[str, int],
    n_resamples: int = 0,
    n_permutations: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Return every number of the study, from rows of predictions.parquet and repeated_cv.parquet.

    `n_features` of each arm's final model is for the record; `n_resamples` are those of the
    bootstrap bands of decision curves, and 0 resamples or permutations draw none.
    """
    notes: list[str] = []
    names = [arm for arm in ARMS if arm in set(predictions["arm"])]
    summary, repeats = performance.repeated_cross_validation(repeated, names, notes)
    arms = {}
    for arm in names:
        if performance.training_threshold(predictions, arm) is None:
            notes.append(f"{arm}: no threshold, because its out-of-fold predictions are all equal")
        arms[arm] = {
            "model": predictions.loc[predictions["arm"].eq(arm), "model"].iloc[0],
            "n_features": n_features[arm],
            "roles": performance.performance_by_role(predictions, arm, notes),
            "repeated_cv": performance.summary_of(summary, arm),
        }
    compare = partial(arm_comparisons.comparisons, predictions, repeated, names, notes)
    compared, repeated_compared = compare(), compare(roles=[REPEATED])
    tables = {
        "repeated_cv": summary,
        "repeats": repeats,
        "operating_points": performance.operating_points(predictions, names),
        "reclassification": arm_comparisons.reclassification(predictions, names, notes),
        "permutation": performance.permutation_tests(
            predictions, names, n_permutations=n_permutations, seed=seed
        ),
        **curve_tables(predictions, names, n_resamples=n_resamples, seed=seed),
    }
    return Evaluation(arms, compared, repeated_compared, notes, tables)
