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
from her2.evaluation import arm_comparisons, curves, primary
from her2.evaluation.performance import (
    arm_performance,
    operating_points,
    performance,
    training_threshold,
)
from her2.evaluation.roles import (
    HONEST_ROLES,
    PERFORMANCE_ROLES,
    REPEATED,
    outcome_and_probability,
    patients,
    role_rows,
)
from her2.evaluation.units import UNITS, by_patient, check_patients

__all__ = [
    "HONEST_ROLES",
    "PERFORMANCE_ROLES",
    "REPEATED",
    "UNITS",
    "Evaluation",
    "by_patient",
    "check_patients",
    "evaluate",
    "operating_points",
    "outcome_and_probability",
    "patients",
    "performance",
    "role_rows",
    "training_threshold",
]


@dataclass(frozen=True)
class Evaluation:
    """Numbers of a study.

    arms, comparisons, repeated_comparisons, notes: as in results.json; tables: long tables by
    name (see the functions that make them): repeated_cv, repeats, operating_points,
    reclassification, permutation, and the points of the curves roc, calibration,
    calibration_curve, decision_curve.
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
    """Return every number of the study.

    Parameters
    ----------
    predictions, repeated
        Rows of predictions.parquet and of repeated_cv.parquet.
    n_features
        Features that each arm's final model uses, for the record.
    n_resamples, n_permutations
        Of the bootstrap bands of decision curves, and of the permutation tests; 0: none.
    seed
        Of both.
    """
    notes: list[str] = []
    names = [arm for arm in ARMS if arm in set(predictions["arm"])]
    summary, repeats = primary.repeated_cross_validation(repeated, names, notes)
    arms = {
        arm: arm_performance(predictions, arm, n_features[arm], notes)
        | {"repeated_cv": primary.summary_of(summary, arm)}
        for arm in names
    }
    compared = arm_comparisons.comparisons(predictions, repeated, names, notes)
    primary_compared = arm_comparisons.comparisons(
        predictions, repeated, names, notes, roles=[REPEATED]
    )
    tables = {
        "repeated_cv": summary,
        "repeats": repeats,
        "operating_points": operating_points(predictions, names),
        "reclassification": arm_comparisons.reclassification(predictions, names, notes),
        "permutation": primary.permutation_tests(
            predictions, names, n_permutations=n_permutations, seed=seed
        ),
        "roc": curves.roc_curves(predictions, names),
        "calibration": curves.calibration_groups(predictions, names),
        "calibration_curve": curves.calibration_curves(predictions, names),
        "decision_curve": curves.decision_curves(
            predictions, names, n_resamples=n_resamples, seed=seed
        ),
    }
    return Evaluation(arms, compared, primary_compared, notes, tables)
