"""Models that predicted the same lesions, side by side: what `her2 compare` computes.

Every number comes from the predictions alone. Lesions count as independent, as everywhere in
the study; a model is chosen by its out-of-fold AUC, never by the test role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from her2.evaluation.arm_comparisons import TESTED, comparisons
from her2.evaluation.curves import curve_tables
from her2.evaluation.performance import performance, training_threshold
from her2.evaluation.prediction_rows import HONEST_ROLES, predicted

PERFORMANCE = (
    "n", "n_positive", "auc", "auc_low", "auc_high", "threshold", "sensitivity", "specificity",
    "ppv", "npv",
)  # fmt: skip
CALIBRATION = (
    "n", "n_positive", "brier", "brier_scaled", "calibration_intercept", "calibration_slope",
    "calibration_in_the_large", "ici",
)  # fmt: skip


@dataclass(frozen=True)
class ComparedModels:
    """Numbers of a comparison.

    Attributes
    ----------
    models
        Names in the order of their out-of-fold AUC, best first.
    performance
        Columns model, role and `PERFORMANCE`.
    calibration
        Columns model, role and `CALIBRATION`.
    differences
        Columns role, first, second and `arm_comparisons.TESTED`: DeLong's paired tests,
        Holm-adjusted over the pairs of a role.
    curves
        Those of `curve_tables`; the arm is the model.
    notes
        Why a number is absent.
    """

    models: tuple[str, ...]
    performance: pd.DataFrame
    calibration: pd.DataFrame
    differences: pd.DataFrame
    curves: dict[str, pd.DataFrame]
    notes: list[str]

    @property
    def roles(self) -> list[str]:
        """Honest roles that the models were judged in."""
        found = set(self.performance["role"])
        return [role for role in HONEST_ROLES if role in found]

    def of(self, model: str, role: str) -> dict[str, Any] | None:
        """Return a model's performance in a role, None where it has none."""
        table = self.performance
        rows = table[table["model"].eq(model) & table["role"].eq(role)].to_dict("records")
        return {str(k): _known(v) for k, v in rows[0].items()} if rows else None


def compare_models(predictions: pd.DataFrame, models: Sequence[str]) -> ComparedModels:
    """Return all numbers of a comparison of models.

    Parameters
    ----------
    predictions
        Rows of predictions.parquet of all models, whose names stand in the column arm; every
        model has the same lesions in a role. In-sample rows are ignored.
    models
        Names, at least one.
    """
    honest = predictions[predictions["kind"].ne("in_sample")]
    notes: list[str] = []
    judged = pd.DataFrame(
        [row for model in models for row in _performance_by_role(honest, model, notes)],
        columns=["model", "role", *dict.fromkeys((*PERFORMANCE, *CALIBRATION))],
    )
    ranked = _ranked(judged, models)
    judged = judged.set_index("model").loc[list(ranked)].reset_index()
    tests = comparisons(honest, pd.DataFrame(), ranked, notes)
    return ComparedModels(
        models=ranked,
        performance=judged[["model", "role", *PERFORMANCE]],
        calibration=judged[["model", "role", *CALIBRATION]],
        differences=pd.DataFrame(tests, columns=["role", "first", "second", *TESTED]),
        curves=curve_tables(honest, ranked),
        notes=notes,
    )


def _performance_by_role(
    predictions: pd.DataFrame, model: str, notes: list[str]
) -> list[dict[str, Any]]:
    threshold = training_threshold(predictions, model)
    rows = []
    for role, _, y_true, y_prob in predicted(predictions, [model], HONEST_ROLES):
        found, reasons = performance(y_true, y_prob, threshold, f"{model}, {role}")
        notes.extend(reasons)
        rows.append({"model": model, "role": role, **found})
    return rows


def _ranked(judged: pd.DataFrame, models: Sequence[str]) -> tuple[str, ...]:
    """Return models by their out-of-fold AUC, those without one last, ties as they came."""
    of_fold = judged[judged["role"].eq("out_of_fold")].set_index("model")["auc"].astype(float)
    known = of_fold.dropna()
    return tuple(sorted(models, key=lambda m: -float(known[m]) if m in known.index else 2.0))


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
