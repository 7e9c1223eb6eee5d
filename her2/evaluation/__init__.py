"""From predictions to results: every number of a study, from what was predicted alone.

Nothing here can refit, reselect or see a feature, because it is given none. The threshold of an
arm comes from its out-of-fold training predictions and is used unchanged in every other role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from her2.core.types import ARMS
from her2.evaluation import arm_comparisons, performance
from her2.evaluation.curves import curve_tables
from her2.evaluation.prediction_rows import (
    PredictionRows,
    by_patient,
    check_patients,
    honest_roles,
    judged_unit,
    role_rows,
)
from her2.evaluation.thresholds import training_threshold

__all__ = [
    "Evaluation", "PredictionRows", "by_patient", "check_patients", "evaluate", "honest_roles",
    "judged_unit", "role_rows",
]  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """Numbers of a study.

    Attributes
    ----------
    arms, comparisons, best_arm, notes
        As in results.json.
    tables
        Long tables by name: repeated_cv, repeats, operating_points, reclassification,
        against_chance, and those of `curve_tables`.
    """

    arms: dict[str, dict[str, Any]]
    comparisons: list[dict[str, Any]]
    best_arm: dict[str, Any] | None
    notes: list[str]
    tables: dict[str, pd.DataFrame]


def evaluate(
    predicted: PredictionRows,
    *,
    n_features: Mapping[str, int],
    n_permutations: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Return every number of the study, from rows of predictions.parquet and repeated_cv.parquet.

    `n_features` of each arm's final model is for the record; 0 permutations draw none. What is
    out of fold is judged over all repeats: there is one cross-validated number of everything.
    """
    notes: list[str] = []
    of_arms = predicted.predictions["arm"]
    names = [arm for arm in ARMS if arm in set(of_arms)]
    summary, repeats = performance.repeated_cross_validation(predicted, names, notes)
    arms = {}
    for arm in names:
        if training_threshold(predicted, arm) is None:
            notes.append(f"{arm}: no threshold, because its out-of-fold predictions are all equal")
        arms[arm] = {
            "model": predicted.predictions.loc[of_arms.eq(arm), "model"].iloc[0],
            "n_features": n_features[arm],
            "roles": performance.performance_by_role(predicted, arm, notes, seed=seed),
            "repeated_cv": performance.summary_of(summary, arm),
        }
    tables = {
        "repeated_cv": summary,
        "repeats": repeats,
        "operating_points": performance.operating_points(predicted, names),
        "reclassification": arm_comparisons.reclassification(predicted, names, notes),
        "against_chance": performance.against_chance(
            predicted, names, n_permutations=n_permutations, seed=seed
        ),
        **curve_tables(predicted, names),
    }
    compared = arm_comparisons.comparisons(predicted, names, notes)
    best = arm_comparisons.best_arm(predicted, names, notes)
    return Evaluation(arms, compared, best, notes, tables)
