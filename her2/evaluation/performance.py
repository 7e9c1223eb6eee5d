"""What one arm does: by role, and over the repeats of the cross-validation (the primary estimate).

Discrimination, an operating point and calibration; and whether chance explains an AUC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import (
    CROSS_VALIDATED,
    FloatArray,
    PredictionRows,
    RoleRows,
)
from her2.evaluation.thresholds import RULES, thresholds_for, training_threshold
from her2.stats.discrimination.operating_point import Proportion

RATIOS: tuple[Proportion, ...] = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
SUMMARY = ("auc", "auc_low", "auc_high", "sd_between_repeats", "min", "max")
_WITHOUT_CASES = {
    "sensitivity": "no case is positive",
    "specificity": "no case is negative",
    "ppv": "no case was called positive",
    "npv": "no case was called negative",
    "f1": "no case is positive or was called so",
}
Known = Callable[[str, Callable[[], Any]], Any]


def performance(
    rows: RoleRows, threshold: float | FloatArray | None, *, seed: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """Return the performance of one arm in one role, and why a number is absent.

    The threshold was chosen by other patients: one, or one a row of (n_repeats, n), or None where
    there is none. seed: of the bootstrap of the calibration index.
    """
    notes: list[str] = []

    def known(name: str, measure: Callable[[], Any]) -> Any:
        try:
            return measure()
        except NotEstimable as reason:
            notes.append(f"{rows.arm}, {rows.role}: {name} is not estimable: {reason}")
            return None

    point = _operating_point(rows, threshold)
    if threshold is not None:
        notes.extend(
            f"{rows.arm}, {rows.role}: {name} is not estimable: {reason}"
            for name, reason in _WITHOUT_CASES.items()
            if point[name] is None
        )
    auc = known("AUC", partial(_auc, rows))
    values: dict[str, Any] = {
        "n": len(rows.y_true),
        "n_positive": int(rows.y_true.sum()),
        "auc": auc and auc.auc,
        "auc_low": auc and auc.low,
        "auc_high": auc and auc.high,
        **point,
        **_calibration(rows, known, seed),
    }
    return values, notes


def _auc(rows: RoleRows) -> stats.AucEstimate:
    return stats.auc_estimate(rows.y_true, rows.y_prob, groups=rows.patient, folds=rows.fold)


def _calibration(rows: RoleRows, known: Known, seed: int) -> dict[str, Any]:
    """Return overall error and calibration; `known` answers None where there is no number."""
    of = (rows.y_true, rows.y_prob, rows.patient)
    stacked = np.tile(rows.y_true, len(rows.y_prob)), rows.y_prob.ravel()
    line = known("calibration slope", lambda: stats.calibration_line_interval(*of))
    large = known("calibration in the large", lambda: stats.calibration_in_the_large_interval(*of))
    errors = known("ICI", lambda: stats.calibration_errors(*stacked))
    ici = errors and known("interval of ICI", lambda: stats.ici_interval(*of, seed=seed))
    fit = known("Hosmer-Lemeshow", partial(_hosmer_lemeshow, rows))
    found = {
        "brier": known("Brier score", lambda: stats.brier_interval(*of)),
        "brier_scaled": known("scaled Brier score", lambda: stats.scaled_brier_interval(*of)),
        "calibration_intercept": line
        and (line.intercept, line.intercept_low, line.intercept_high),
        "calibration_slope": line and (line.slope, line.slope_low, line.slope_high),
        "calibration_in_the_large": large and (large.intercept, large.low, large.high),
        "ici": errors and (errors.ici, ici and ici.low, ici and ici.high),
    }
    values: dict[str, Any] = {}
    for name, estimate in found.items():
        if isinstance(estimate, stats.Estimate):
            estimate = (estimate.value, estimate.low, estimate.high)
        of_name = (name, f"{name}_low", f"{name}_high")
        values |= dict(zip(of_name, estimate or (None, None, None), strict=True))
    return {
        **values,
        "e50": errors and errors.e50,
        "e90": errors and errors.e90,
        "hosmer_lemeshow": {k: fit and getattr(fit, k) for k in ("statistic", "dof", "p_value")},
    }


def _hosmer_lemeshow(rows: RoleRows) -> stats.HosmerLemeshow:
    """Return the test; of several repeats the one whose statistic is the median."""
    external = rows.role != "train"  # nothing was fitted on the rows
    tests = sorted(
        (stats.hosmer_lemeshow(rows.y_true, p, external=external) for p in rows.y_prob),
        key=lambda test: test.statistic,
    )
    fit = tests[len(tests) // 2]
    if not np.isfinite(fit.statistic):
        raise NotEstimable("a group that was predicted with certainty holds the other outcome")
    return fit


def operating_points(predicted: PredictionRows, arms: Sequence[str]) -> pd.DataFrame:
    """Return what every arm does at the threshold of every rule, in every honest role.

    Columns: arm, role, rule, threshold (out of fold each fold has its own, and this is the one
    for other patients), prevalence, tp, fp, tn, fn, and each of `RATIOS` with its interval
    (.._low, .._high). Counts of the cross-validation are means over its repeats.
    """
    found = []
    for rows in predicted.judged(arms, predicted.honest_roles):
        for rule in RULES:
            own = thresholds_for(predicted, rows, rule)
            common = training_threshold(predicted, rows.arm, rule, role=rows.role)
            if own is not None and common is not None:
                point = _operating_point(rows, own) | {"threshold": common}
                found.append({"arm": rows.arm, "role": rows.role, "rule": rule, **point})
    columns = ["arm", "role", "rule", "threshold", "prevalence", "tp", "fp", "tn", "fn"]
    measures = [f"{name}{end}" for name in RATIOS for end in ("", "_low", "_high")]
    return pd.DataFrame(found, columns=[*columns, *measures])


def _operating_point(rows: RoleRows, threshold: float | FloatArray | None) -> dict[str, Any]:
    names = ("threshold", "prevalence", "tp", "fp", "tn", "fn", *RATIOS)
    if threshold is None:
        bounds = [f"{name}_{end}" for name in RATIOS for end in ("low", "high")]
        return dict.fromkeys([*names, *bounds])
    point = stats.operating_point(
        rows.y_true, rows.y_prob, threshold, rows.patient, n_folds=rows.n_folds
    )
    values = {name: getattr(point, name) for name in names}
    for name in RATIOS:
        low, high = point.interval(name) or (None, None)
        values[f"{name}_low"], values[f"{name}_high"] = low, high
    return values


def performance_by_role(
    predicted: PredictionRows, arm: str, notes: list[str], *, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return an arm's performance in every role; `notes` says why a number is absent.

    Its threshold is that for other patients; out of fold each row is judged by that of its fold.
    """
    roles = {}
    for rows in predicted.judged([arm], predicted.roles):
        own = thresholds_for(predicted, rows)
        roles[rows.role], reasons = performance(rows, own, seed=seed)
        common = training_threshold(predicted, arm, role=rows.role)
        roles[rows.role]["threshold"] = common
        notes.extend(reasons)
    return roles


def repeated_cross_validation(
    predicted: PredictionRows, arms: Sequence[str], notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean AUC over the repeats of every arm, and the AUC of every repeat.

    First table: arm, n_repeats, n_folds, n, n_positive and `SUMMARY`; second: arm, repeat, auc.
    """
    table, single = [], []
    for arm in arms:
        rows = predicted.of(arm, CROSS_VALIDATED)
        if rows is None:
            continue
        size = {"arm": arm, "n_repeats": len(rows.y_prob), "n_folds": rows.n_folds}
        size |= {"n": len(rows.y_true), "n_positive": int(rows.y_true.sum())}
        try:
            found = _auc(rows)
        except NotEstimable as reason:
            notes.append(f"{arm}, repeated cross-validation: AUC is not estimable: {reason}")
            table.append(size | dict.fromkeys(SUMMARY))
            continue
        each = found.per_repeat
        values = found.auc, found.low, found.high, found.sd_between_repeats, min(each), max(each)
        table.append(size | dict(zip(SUMMARY, values, strict=True)))
        single += [{"arm": arm, "repeat": r, "auc": a} for r, a in enumerate(each)]
    return pd.DataFrame(table), pd.DataFrame(single, columns=["arm", "repeat", "auc"])


def summary_of(table: pd.DataFrame, arm: str) -> dict[str, Any]:
    """Return an arm's entry `repeated_cv` of results.json."""
    row = table[table["arm"].eq(arm)].iloc[0]
    names = ("n_repeats", "n_folds", "auc", "auc_low", "auc_high", "sd_between_repeats")
    return {name: None if pd.isna(row[name]) else row[name].item() for name in names}


def against_chance(
    predicted: PredictionRows, arms: Sequence[str], *, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Return arm, role, auc, n_permutations, p_value: whether chance ranks as well.

    Held-out patients exchange their outcomes. Out of fold that would be too easily significant,
    because the models have learned from the outcomes of the others: there the p value is that of
    the primary estimate and its standard error, and n_permutations is missing.
    """
    found: list[tuple[str, str, float, int | None, float]] = []
    for rows in predicted.judged(arms, predicted.honest_roles):
        try:
            auc = _auc(rows)
            if rows.fold is not None:
                found.append((rows.arm, rows.role, auc.auc, None, auc.p_value))
            elif n_permutations:
                p_value = stats.permutation_p_value(
                    rows.y_true, rows.y_prob[0], groups=rows.patient,
                    n_permutations=n_permutations, seed=seed,
                )  # fmt: skip
                found.append((rows.arm, rows.role, auc.auc, n_permutations, p_value))
        except NotEstimable:
            continue  # so is the AUC, and the performance table says why
    return pd.DataFrame(found, columns=["arm", "role", "auc", "n_permutations", "p_value"])
