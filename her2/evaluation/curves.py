"""Points of the curves: ROC, calibration, decision curves; long tables with role and arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import (
    FloatArray,
    IntArray,
    outcome_and_probability,
    patient_codes,
    performance_roles,
    predicted,
)

THRESHOLD_PROBABILITIES = np.arange(1, 100) / 100
Points = Callable[[IntArray, FloatArray], pd.DataFrame]


def curve_tables(
    predictions: pd.DataFrame, arms: Sequence[str], *, n_resamples: int = 0, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Return the points of every curve, each with the columns role and arm.

    ``roc``: threshold, false_positive_rate, sensitivity. ``calibration``: the groups of
    `stats.calibration_groups`. ``calibration_curve``: predicted, observed, low, high and kind
    of the curve. ``decision_curve``: threshold_probability, net_benefit and its band low, high,
    absent with 0 resamples; ``treat_all`` and ``treat_none`` stand beside
    the arms.
    """
    benefit = _points(predictions, arms, _benefits(stats.net_benefit))
    if n_resamples and not benefit.empty:
        benefit = _with_bands(benefit, predictions, n_resamples=n_resamples, seed=seed)
    references = [
        _points(predictions, arms[:1], points).assign(arm=name)
        for name, points in (("treat_all", _TREAT_ALL), ("treat_none", _TREAT_NONE))
    ]
    return {
        "roc": _points(predictions, arms, _roc_points),
        "calibration": _points(predictions, arms, _calibration_points),
        "calibration_curve": _points(predictions, arms, stats.calibration_curve),
        "decision_curve": pd.concat([benefit, *references], ignore_index=True),
    }


def _with_bands(
    curves: pd.DataFrame, predictions: pd.DataFrame, *, n_resamples: int, seed: int
) -> pd.DataFrame:
    frames = []
    for (role, arm), curve in curves.groupby(["role", "arm"], sort=False):
        y_true, y_prob = outcome_and_probability(predictions, str(arm), str(role))
        groups = patient_codes(predictions, str(arm), str(role))
        band = stats.net_benefit_table(y_true, y_prob, THRESHOLD_PROBABILITIES, groups)
        frames.append(curve.assign(low=band["low"].to_numpy(), high=band["high"].to_numpy()))
    return pd.concat(frames)


def _points(predictions: pd.DataFrame, arms: Sequence[str], curve: Points) -> pd.DataFrame:
    """Return the points of a curve for every role and arm whose data determine it."""
    frames = []
    for role, arm, y_true, y_prob in predicted(predictions, arms, performance_roles(predictions)):
        try:
            frame = curve(y_true, y_prob)
        except NotEstimable:
            continue  # the performance table says why
        frame.insert(0, "arm", arm)
        frame.insert(0, "role", role)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _roc_points(y_true: IntArray, y_prob: FloatArray) -> pd.DataFrame:
    curve = stats.roc_curve(y_true, y_prob)
    columns = {"threshold": curve.thresholds, "false_positive_rate": curve.false_positive_rate}
    return pd.DataFrame(columns | {"sensitivity": curve.sensitivity})


def _calibration_points(y_true: IntArray, y_prob: FloatArray) -> pd.DataFrame:
    n_groups = 10 if len(y_true) >= 100 else 5
    return stats.calibration_groups(y_true, y_prob, n_groups=n_groups)


def _benefits(curve: Callable[[IntArray, FloatArray, FloatArray], FloatArray]) -> Points:
    """Points of a decision curve, from its net benefits at the threshold probabilities."""

    def points(y_true: IntArray, y_prob: FloatArray) -> pd.DataFrame:
        benefits = curve(y_true, y_prob, THRESHOLD_PROBABILITIES)
        columns = {"threshold_probability": THRESHOLD_PROBABILITIES, "net_benefit": benefits}
        return pd.DataFrame(columns)

    return points


_TREAT_ALL = _benefits(lambda y_true, _, at: stats.net_benefit_treat_all(y_true, at))
_TREAT_NONE = _benefits(lambda _, __, at: np.zeros(len(at)))
