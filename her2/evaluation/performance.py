"""What one arm does: by role, and over the repeats of the cross-validation (the primary estimate).

Discrimination, an operating point and calibration; and whether chance explains an AUC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import (
    FloatArray,
    IntArray,
    honest_roles,
    patient_codes,
    performance_roles,
    predicted,
    repeats_of,
    role_rows,
)
from her2.stats.discrimination.operating_point import Proportion

RULES: dict[str, Callable[[IntArray, FloatArray], float]] = {
    "Youden": stats.youden_threshold,
    "sensitivity ≥ .90": lambda y, p: stats.fixed_sensitivity_threshold(y, p, 0.9),
    "specificity ≥ .90": lambda y, p: stats.fixed_specificity_threshold(y, p, 0.9),
}
_RATIOS: tuple[Proportion, ...] = ("sensitivity", "specificity", "ppv", "npv")
SUMMARY = ("auc", "auc_low", "auc_high", "sd_between_repeats", "min", "max")
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

    Outcomes and probabilities (n,); the threshold was chosen elsewhere, or is None if it could not
    be; `label` names arm and role in the notes.
    """
    notes: list[str] = []

    def known(name: str, measure: Callable[[IntArray, FloatArray], Any]) -> Any:
        try:
            return measure(y_true, y_prob)
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
    auc = known("AUC", stats.auc_interval)
    values: dict[str, Any] = {
        "n": len(y_true),
        "n_positive": int(y_true.sum()),
        "auc": auc and auc.auc,
        "auc_low": auc and auc.low,
        "auc_high": auc and auc.high,
        **point,
        **_calibration(known),
    }
    return values, notes


def _calibration(known: Callable[..., Any]) -> dict[str, Any]:
    """Return overall error and calibration; `known` answers None where there is no number."""
    brier = known("Brier score", stats.brier_score)
    scaled = known("scaled Brier score", stats.scaled_brier)
    line = known("calibration slope", stats.calibration_line)
    large = known("calibration in the large", stats.calibration_in_the_large)
    errors = known("ICI", stats.calibration_errors)
    fit = known("Hosmer-Lemeshow", _finite_hosmer_lemeshow)
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
    for name in _RATIOS:
        low, high = point.interval(name) or (None, None)
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


def repeated_cross_validation(
    repeated: pd.DataFrame, arms: Sequence[str], notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean AUC over the repeats of every arm, and the AUC of every repeat.

    First table: arm, n_repeats, n_folds, n, n_positive and `SUMMARY`; second: arm, repeat, auc.
    """
    rows, single = [], []
    for arm in arms:
        y_true, y_prob = repeats_of(repeated, arm)
        n_folds = int(repeated.loc[repeated["arm"].eq(arm), "fold"].max()) + 1
        size = {"arm": arm, "n_repeats": len(y_prob), "n_folds": n_folds}
        size |= {"n": len(y_true), "n_positive": int(y_true.sum())}
        try:
            found = stats.repeated_auc(y_true, y_prob)
        except NotEstimable as reason:
            notes.append(f"{arm}, repeated cross-validation: AUC is not estimable: {reason}")
            rows.append(size | dict.fromkeys(SUMMARY))
            continue
        values = (found.auc, found.low, found.high, found.sd_between_repeats,
                  found.lowest, found.highest)  # fmt: skip
        rows.append(size | dict(zip(SUMMARY, values, strict=True)))
        single += [{"arm": arm, "repeat": r, "auc": a} for r, a in enumerate(found.per_repeat)]
    return pd.DataFrame(rows), pd.DataFrame(single, columns=["arm", "repeat", "auc"])


def summary_of(table: pd.DataFrame, arm: str) -> dict[str, Any]:
    """Return an arm's entry `repeated_cv` of results.json."""
    row = table[table["arm"].eq(arm)].iloc[0]
    names = ("n_repeats", "n_folds", "auc", "auc_low", "auc_high", "sd_between_repeats")
    return {name: None if pd.isna(row[name]) else row[name].item() for name in names}


def permutation_tests(
    predictions: pd.DataFrame, arms: Sequence[str], *, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Return arm, role, auc, n_permutations, p_value of outcomes permuted among patients."""
    rows = []
    roles = honest_roles(predictions) if n_permutations else []
    for role, arm, y_true, y_prob in predicted(predictions, arms, roles):
        try:
            p_value = stats.permutation_p_value(
                y_true, y_prob, groups=patient_codes(predictions, arm, role),
                n_permutations=n_permutations, seed=seed,
            )  # fmt: skip
        except NotEstimable:
            continue  # so is the AUC, and the performance table says why
        rows.append((arm, role, stats.auc(y_true, y_prob), n_permutations, p_value))
    return pd.DataFrame(rows, columns=["arm", "role", "auc", "n_permutations", "p_value"])
