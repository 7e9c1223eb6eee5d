"""What one arm does in one role: discrimination, an operating point, calibration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import (
    FloatArray,
    IntArray,
    honest_roles,
    performance_roles,
    predicted,
    role_rows,
)

T = TypeVar("T")
Known = Callable[[str, Callable[[], Any]], Any]
RULES: dict[str, Callable[[IntArray, FloatArray], float]] = {
    "Youden": stats.youden_threshold,
    "sensitivity ≥ .90": lambda y, p: stats.fixed_sensitivity_threshold(y, p, 0.9),
    "specificity ≥ .90": lambda y, p: stats.fixed_specificity_threshold(y, p, 0.9),
}
_RATIOS = ("sensitivity", "specificity", "ppv", "npv")
_WITHOUT_CASES = {
    "sensitivity": "no case is positive",
    "specificity": "no case is negative",
    "ppv": "no case was called positive",
    "npv": "no case was called negative",
    "f1": "no case is positive or was called so",
}


def performance(
    y_true: IntArray, y_prob: FloatArray, threshold: float | None, label: str
) -> tuple[dict[str, Any], list[str]]:
    """Return the performance of one arm in one role, and why a number is absent.

    Parameters
    ----------
    y_true, y_prob
        Outcomes (n,) in {0, 1} and probabilities (n,).
    threshold
        Operating point, chosen elsewhere; None if it could not be.
    label
        Names the arm and role in the notes.
    """
    notes: list[str] = []

    def known(name: str, compute: Callable[[], T]) -> T | None:
        try:
            return compute()
        except NotEstimable as reason:
            notes.append(f"{label}: {name} is not estimable: {reason}")
            return None

    point = _operating_point(y_true, y_prob, threshold)
    if threshold is not None:
        notes.extend(
            f"{label}: {name} is not estimable: {reason}"
            for name, reason in _WITHOUT_CASES.items()
            if point[name] is None
        )
    auc = known("AUC", lambda: stats.auc_interval(y_true, y_prob))
    values: dict[str, Any] = {
        "n": len(y_true),
        "n_positive": int(y_true.sum()),
        "auc": auc and auc.auc,
        "auc_low": auc and auc.low,
        "auc_high": auc and auc.high,
        **point,
        **_calibration(y_true, y_prob, known),
    }
    return values, notes


def _calibration(y_true: IntArray, y_prob: FloatArray, known: Known) -> dict[str, Any]:
    """Return overall error and calibration; `known` answers None where there is no number."""
    brier = known("Brier score", lambda: stats.brier_score(y_true, y_prob))
    scaled = known("scaled Brier score", lambda: stats.scaled_brier(y_true, y_prob))
    line = known("calibration slope", lambda: stats.calibration_line(y_true, y_prob))
    in_the_large = partial(stats.calibration_in_the_large, y_true, y_prob)
    large = known("calibration in the large", in_the_large)
    errors = known("ICI", lambda: stats.calibration_errors(y_true, y_prob))
    fit = known("Hosmer-Lemeshow", lambda: _finite_hosmer_lemeshow(y_true, y_prob))
    return {
        "brier": brier,
        "brier_scaled": scaled,
        "calibration_intercept": line and line[0],
        "calibration_slope": line and line[1],
        "calibration_in_the_large": large,
        "ici": errors and errors.ici,
        "e50": errors and errors.e50,
        "e90": errors and errors.e90,
        "hosmer_lemeshow": {k: fit and getattr(fit, k) for k in ("statistic", "dof", "p_value")},
    }


def training_threshold(
    predictions: pd.DataFrame, arm: str, rule: str = "Youden", *, role: str = "test"
) -> float | None:
    """Return the threshold of an arm for a role, by a rule of `RULES` on out-of-fold predictions.

    Where the role is a centre that was left out, its own patients do not take part. None where
    there is no threshold: predictions that are all equal, or one outcome only.
    """
    rows = role_rows(predictions, arm, "out_of_fold")
    judged = role_rows(predictions, arm, role)
    left_out = judged.loc[judged["kind"].eq("left_out"), ["patient_id", "lesion_id"]]
    if len(left_out):
        names = ["patient_id", "lesion_id"]
        rows = rows[~rows.set_index(names).index.isin(left_out.set_index(names).index)]
    try:
        return RULES[rule](rows["y_true"].to_numpy(np.int64), rows["y_prob"].to_numpy(np.float64))
    except NotEstimable:
        return None


def operating_points(predictions: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """Return what every arm does at the threshold of every rule, in every honest role.

    Columns: arm, role, rule, threshold, tp, fp, tn, fn, each of sensitivity, specificity, ppv
    and npv with its Wilson interval (.._low, .._high), f1. Thresholds are those of
    `training_threshold`.
    """
    rows = []
    for arm in arms:
        judged = list(predicted(predictions, [arm], honest_roles(predictions)))
        for rule in RULES:
            for role, _, y_true, y_prob in judged:
                threshold = training_threshold(predictions, arm, rule, role=role)
                if threshold is not None:
                    point = _operating_point(y_true, y_prob, threshold)
                    rows.append({"arm": arm, "role": role, "rule": rule, **point})
    columns = ["arm", "role", "rule", "threshold", "tp", "fp", "tn", "fn"]
    measures = [f"{name}{end}" for name in _RATIOS for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*columns, *measures, "f1"])


def _finite_hosmer_lemeshow(y_true: IntArray, y_prob: FloatArray) -> stats.HosmerLemeshow:
    fit = stats.hosmer_lemeshow(y_true, y_prob)
    if not np.isfinite(fit.statistic):
        raise NotEstimable("a group that was predicted with certainty holds the other outcome")
    return fit


def _operating_point(
    y_true: IntArray, y_prob: FloatArray, threshold: float | None
) -> dict[str, Any]:
    names = ("threshold", *_RATIOS, "accuracy", "f1", "tp", "fp", "tn", "fn")
    if threshold is None:
        bounds = [f"{name}_{end}" for name in _RATIOS for end in ("low", "high")]
        return dict.fromkeys([*names, *bounds])
    point = stats.operating_point(y_true, y_prob, threshold)
    values = {name: getattr(point, name) for name in names}
    shares = {
        "sensitivity": (point.tp, point.tp + point.fn),
        "specificity": (point.tn, point.tn + point.fp),
        "ppv": (point.tp, point.tp + point.fp),
        "npv": (point.tn, point.tn + point.fn),
    }
    for name, (successes, n) in shares.items():
        low, high = stats.wilson_interval(successes, n) if n else (None, None)
        values[f"{name}_low"], values[f"{name}_high"] = low, high
    return values


def performance_by_role(
    predictions: pd.DataFrame, arm: str, notes: list[str]
) -> dict[str, dict[str, Any]]:
    """Return an arm's performance in every role; `notes` says why a number is absent."""
    roles = {}
    for role, _, y_true, y_prob in predicted(predictions, [arm], performance_roles(predictions)):
        threshold = training_threshold(predictions, arm, role=role)
        roles[role], reasons = performance(y_true, y_prob, threshold, f"{arm}, {role}")
        notes.extend(reasons)
    return roles
