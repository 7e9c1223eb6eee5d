"""From predictions to results: every number of a study, computed from predictions.parquet alone.

Nothing here can refit, reselect or see a feature, because it is given none. The threshold of an
arm comes from its out-of-fold training predictions and is used unchanged in every other role.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2 import stats
from her2.errors import NotEstimable
from her2.types import ARMS

FloatArray = NDArray[np.float64]
T = TypeVar("T")

# name in results.json -> (role, kind) in predictions.parquet
PERFORMANCE_ROLES = {
    "train": ("train", "in_sample"),
    "out_of_fold": ("train", "out_of_fold"),
    "test": ("test", "held_out"),
    "external": ("external", "held_out"),
}
COMPARED_ROLES = ("out_of_fold", "test", "external")
THRESHOLD_PROBABILITIES = np.arange(1, 100) / 100


@dataclass(frozen=True)
class Evaluation:
    """Numbers of a study.

    arms, comparisons, notes: as in results.json; roc, calibration, decision: the points of the
    curves, long tables with the columns role and arm.
    """

    arms: dict[str, dict[str, Any]]
    comparisons: list[dict[str, Any]]
    notes: list[str]
    roc: pd.DataFrame
    calibration: pd.DataFrame
    decision: pd.DataFrame


def evaluate(predictions: pd.DataFrame, *, n_features: dict[str, int]) -> Evaluation:
    """Return every number of the study.

    Parameters
    ----------
    predictions
        Rows of predictions.parquet.
    n_features
        Features that each arm's final model uses, for the record.
    """
    notes: list[str] = []
    names = [arm for arm in ARMS if arm in set(predictions["arm"])]
    arms = {arm: _arm(predictions, arm, n_features[arm], notes) for arm in names}
    return Evaluation(
        arms=arms,
        comparisons=_comparisons(predictions, names, notes),
        notes=notes,
        roc=_curves(predictions, names, _roc_points),
        calibration=_curves(predictions, names, _calibration_points),
        decision=_decision_curves(predictions, names),
    )


def role_rows(predictions: pd.DataFrame, arm: str, name: str) -> pd.DataFrame:
    """Return one arm's rows of one of `PERFORMANCE_ROLES`, sorted by lesion."""
    role, kind = PERFORMANCE_ROLES[name]
    chosen = predictions["arm"].eq(arm) & predictions["role"].eq(role)
    rows = predictions[chosen & predictions["kind"].eq(kind)]
    return rows.sort_values(["patient_id", "lesion_id"], kind="stable")


def performance(
    y_true: NDArray[np.int64], y_prob: FloatArray, threshold: float | None, label: str
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

    auc = known("AUC", lambda: stats.auc_interval(y_true, y_prob))
    line = known("calibration slope", lambda: stats.calibration_line(y_true, y_prob))
    fit = known("Hosmer-Lemeshow", lambda: _finite_hosmer_lemeshow(y_true, y_prob))
    brier = known("Brier score", lambda: stats.brier_score(y_true, y_prob))
    point = _operating_point(y_true, y_prob, threshold)
    if threshold is not None:
        notes.extend(
            f"{label}: {name} is not estimable: {reason}"
            for name, reason in _WITHOUT_CASES.items()
            if point[name] is None
        )
    values: dict[str, Any] = {
        "n": len(y_true),
        "n_positive": int(y_true.sum()),
        "auc": auc and auc.auc,
        "auc_low": auc and auc.low,
        "auc_high": auc and auc.high,
        **point,
        "brier": brier,
        "calibration_intercept": line and line[0],
        "calibration_slope": line and line[1],
        "hosmer_lemeshow": {
            "statistic": fit and fit.statistic,
            "dof": fit and fit.dof,
            "p_value": fit and fit.p_value,
        },
    }
    return values, notes


def training_threshold(predictions: pd.DataFrame, arm: str) -> float | None:
    """Return the Youden threshold of an arm's out-of-fold predictions; None if there is none."""
    rows = role_rows(predictions, arm, "out_of_fold")
    try:
        return stats.youden_threshold(rows["y_true"].to_numpy(), rows["y_prob"].to_numpy())
    except NotEstimable:
        return None


def _finite_hosmer_lemeshow(y_true: NDArray[np.int64], y_prob: FloatArray) -> stats.HosmerLemeshow:
    fit = stats.hosmer_lemeshow(y_true, y_prob)
    if not np.isfinite(fit.statistic):
        raise NotEstimable("a group that was predicted with certainty holds the other outcome")
    return fit


_RATIOS = ("sensitivity", "specificity", "ppv", "npv")
_WITHOUT_CASES = {
    "sensitivity": "no case is positive",
    "specificity": "no case is negative",
    "ppv": "no case was called positive",
    "npv": "no case was called negative",
    "f1": "no case is positive or was called so",
}


def _operating_point(
    y_true: NDArray[np.int64], y_prob: FloatArray, threshold: float | None
) -> dict[str, Any]:
    names = ("threshold", *_RATIOS, "accuracy", "f1", "tp", "fp", "tn", "fn")
    if threshold is None:
        return dict.fromkeys([*names, *_interval_names()])
    point = stats.operating_point(y_true, y_prob, threshold)
    values = {name: getattr(point, name) for name in names}
    trials = {
        "sensitivity": (point.tp, point.tp + point.fn),
        "specificity": (point.tn, point.tn + point.fp),
        "ppv": (point.tp, point.tp + point.fp),
        "npv": (point.tn, point.tn + point.fn),
    }
    for name, (successes, n) in trials.items():
        low, high = stats.wilson_interval(successes, n) if n else (None, None)
        values[f"{name}_low"], values[f"{name}_high"] = low, high
    return values


def _interval_names() -> list[str]:
    return [f"{name}_{end}" for name in _RATIOS for end in ("low", "high")]


def _arm(predictions: pd.DataFrame, arm: str, n_features: int, notes: list[str]) -> dict[str, Any]:
    threshold = training_threshold(predictions, arm)
    if threshold is None:
        notes.append(f"{arm}: no threshold, because its out-of-fold predictions are all equal")
    roles = {}
    for name in PERFORMANCE_ROLES:
        rows = role_rows(predictions, arm, name)
        if rows.empty:
            continue
        roles[name], reasons = performance(
            rows["y_true"].to_numpy(), rows["y_prob"].to_numpy(), threshold, f"{arm}, {name}"
        )
        notes.extend(reasons)
    model = predictions.loc[predictions["arm"].eq(arm), "model"].iloc[0]
    return {"model": model, "n_features": n_features, "roles": roles}


def _comparisons(
    predictions: pd.DataFrame, arms: list[str], notes: list[str]
) -> list[dict[str, Any]]:
    """Return paired DeLong tests of all arms, Holm-adjusted over the pairs of one role."""
    compared: list[dict[str, Any]] = []
    for role in COMPARED_ROLES:
        family = [
            _comparison(predictions, role, first, second, notes)
            for first, second in combinations(arms, 2)
            if not role_rows(predictions, first, role).empty
        ]
        tested = [row for row in family if row["p_value"] is not None]
        if tested:
            adjusted = stats.holm([row["p_value"] for row in tested])
            for row, p_holm in zip(tested, adjusted.tolist(), strict=True):
                row["p_holm"] = p_holm
        compared.extend(family)
    return compared


def _comparison(
    predictions: pd.DataFrame, role: str, first: str, second: str, notes: list[str]
) -> dict[str, Any]:
    one, two = role_rows(predictions, first, role), role_rows(predictions, second, role)
    pair = {"role": role, "first": first, "second": second}
    try:
        test = stats.delong_test(
            one["y_true"].to_numpy(), one["y_prob"].to_numpy(), two["y_prob"].to_numpy()
        )
    except NotEstimable as reason:
        notes.append(f"{first} against {second}, {role}: not estimable: {reason}")
        return {**pair, "auc_difference": None, "z": None, "p_value": None, "p_holm": None}
    return {
        **pair,
        "auc_difference": test.difference,
        "z": test.z,
        "p_value": test.p_value,
        "p_holm": None,
    }


def _curves(
    predictions: pd.DataFrame,
    arms: list[str],
    points: Callable[[NDArray[np.int64], FloatArray], pd.DataFrame],
) -> pd.DataFrame:
    """Return the points of a curve for every role and arm whose data determine it."""
    frames = []
    for role in PERFORMANCE_ROLES:
        for arm in arms:
            rows = role_rows(predictions, arm, role)
            if rows.empty:
                continue
            try:
                frame = points(rows["y_true"].to_numpy(), rows["y_prob"].to_numpy())
            except NotEstimable:
                continue  # the performance table says why
            frame.insert(0, "arm", arm)
            frame.insert(0, "role", role)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _roc_points(y_true: NDArray[np.int64], y_prob: FloatArray) -> pd.DataFrame:
    curve = stats.roc_curve(y_true, y_prob)
    return pd.DataFrame(
        {
            "threshold": curve.thresholds,
            "false_positive_rate": curve.false_positive_rate,
            "sensitivity": curve.sensitivity,
        }
    )


def _calibration_points(y_true: NDArray[np.int64], y_prob: FloatArray) -> pd.DataFrame:
    n_groups = 10 if len(y_true) >= 100 else 5
    return stats.calibration_groups(y_true, y_prob, n_groups=n_groups)


def _decision_curves(predictions: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    def points(y_true: NDArray[np.int64], y_prob: FloatArray) -> pd.DataFrame:
        benefit = stats.net_benefit(y_true, y_prob, THRESHOLD_PROBABILITIES)
        return _benefit_frame(benefit)

    def treat_all(y_true: NDArray[np.int64], _: FloatArray) -> pd.DataFrame:
        return _benefit_frame(stats.net_benefit_treat_all(y_true, THRESHOLD_PROBABILITIES))

    def treat_none(y_true: NDArray[np.int64], _: FloatArray) -> pd.DataFrame:
        return _benefit_frame(np.zeros(len(THRESHOLD_PROBABILITIES)))

    frames = [_curves(predictions, arms, points)]
    for name, curve in (("treat_all", treat_all), ("treat_none", treat_none)):
        frames.append(_curves(predictions, arms[:1], curve).assign(arm=name))
    return pd.concat(frames, ignore_index=True)


def _benefit_frame(net_benefit: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(
        {"threshold_probability": THRESHOLD_PROBABILITIES, "net_benefit": net_benefit}
    )
