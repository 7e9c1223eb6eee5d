"""Points of the curves: ROC, calibration, decision curves; long tables with role and arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.roles import (
    PERFORMANCE_ROLES,
    FloatArray,
    IntArray,
    outcome_and_probability,
    patients,
)

THRESHOLD_PROBABILITIES = np.arange(1, 100) / 100
Points = Callable[[IntArray, FloatArray], pd.DataFrame]


def roc_curves(predictions: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Return role, arm, threshold, false_positive_rate, sensitivity."""
    return _curves(predictions, arms, _roc_points)


def calibration_groups(predictions: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Return role, arm and the groups of `stats.calibration_groups`."""
    return _curves(predictions, arms, _calibration_points)


def calibration_curves(predictions: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Return role, arm, predicted, observed, low, high of the flexible calibration curve."""
    return _curves(predictions, arms, stats.calibration_curve)


def decision_curves(
    predictions: pd.DataFrame, arms: Sequence[str], *, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return role, arm, threshold_probability, net_benefit, and its band low, high.

    The band is a bootstrap of patients, absent (missing) with 0 resamples; `treat_all` and
    `treat_none` stand beside the arms.
    """
    models = _curves(predictions, arms, _benefit_points)
    if n_resamples and not models.empty:
        models = _with_bands(models, predictions, n_resamples=n_resamples, seed=seed)
    references = [
        _curves(predictions, arms[:1], points).assign(arm=name)
        for name, points in (("treat_all", _treat_all), ("treat_none", _treat_none))
    ]
    return pd.concat([models, *references], ignore_index=True)


def _with_bands(
    curves: pd.DataFrame, predictions: pd.DataFrame, *, n_resamples: int, seed: int
) -> pd.DataFrame:
    frames = []
    for (role, arm), curve in curves.groupby(["role", "arm"], sort=False):
        y_true, y_prob = outcome_and_probability(predictions, str(arm), str(role))
        band = stats.net_benefit_band(
            y_true, y_prob, THRESHOLD_PROBABILITIES,
            groups=patients(predictions, str(arm), str(role)), n_resamples=n_resamples, seed=seed,
        )  # fmt: skip
        frames.append(curve.assign(low=band["low"].to_numpy(), high=band["high"].to_numpy()))
    return pd.concat(frames)


def _curves(
    predictions: pd.DataFrame,
    arms: Sequence[str],
    points: Points,
) -> pd.DataFrame:
    """Return the points of a curve for every role and arm whose data determine it."""
    frames = []
    for role in PERFORMANCE_ROLES:
        for arm in arms:
            y_true, y_prob = outcome_and_probability(predictions, arm, role)
            if not len(y_true):
                continue
            try:
                frame = points(y_true, y_prob)
            except NotEstimable:
                continue  # the performance table says why
            frame.insert(0, "arm", arm)
            frame.insert(0, "role", role)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _roc_points(y_true: IntArray, y_prob: FloatArray) -> pd.DataFrame:
    curve = stats.roc_curve(y_true, y_prob)
    return pd.DataFrame(
        {
            "threshold": curve.thresholds,
            "false_positive_rate": curve.false_positive_rate,
            "sensitivity": curve.sensitivity,
        }
    )


def _calibration_points(y_true: IntArray, y_prob: FloatArray) -> pd.DataFrame:
    n_groups = 10 if len(y_true) >= 100 else 5
    return stats.calibration_groups(y_true, y_prob, n_groups=n_groups)


def _benefit_points(y_true: IntArray, y_prob: FloatArray) -> pd.DataFrame:
    return _benefit_frame(stats.net_benefit(y_true, y_prob, THRESHOLD_PROBABILITIES))


def _treat_all(y_true: IntArray, _: FloatArray) -> pd.DataFrame:
    return _benefit_frame(stats.net_benefit_treat_all(y_true, THRESHOLD_PROBABILITIES))


def _treat_none(_: IntArray, __: FloatArray) -> pd.DataFrame:
    return _benefit_frame(np.zeros(len(THRESHOLD_PROBABILITIES)))


def _benefit_frame(net_benefit: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(
        {"threshold_probability": THRESHOLD_PROBABILITIES, "net_benefit": net_benefit}
    )
