"""Points of the curves: ROC, calibration, decision curves; long tables with role and arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import PredictionRows, RoleRows

THRESHOLD_PROBABILITIES = np.arange(1, 100) / 100
Points = Callable[[RoleRows], pd.DataFrame]


def curve_tables(predicted: PredictionRows, arms: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the points of every curve, each with the columns role and arm.

    ``roc``: threshold (missing in a mean over repeats), false_positive_rate, sensitivity.
    ``calibration``: the groups of `stats.calibration_groups`. ``calibration_curve``: predicted,
    observed, low, high, kind. ``decision_curve``: threshold_probability, net_benefit, low, high,
    and the gain over treating all: over_all, over_all_low, over_all_high; ``treat_all`` and
    ``treat_none`` stand beside the arms. Out of fold they are those of all repeats.
    """
    rows = list(predicted.judged(arms, predicted.roles))
    one_arm = [of for of in rows if of.arm == arms[0]]
    references = [
        _points(one_arm, points).assign(arm=name)
        for name, points in (("treat_all", _treat_all), ("treat_none", _treat_none))
    ]
    return {
        "roc": _points(rows, _roc_points),
        "calibration": _points(rows, _calibration_points),
        "calibration_curve": _points(
            rows, lambda of: stats.calibration_curve(of.y_true, of.y_prob, of.patient)
        ),
        "decision_curve": pd.concat([_points(rows, _benefits), *references], ignore_index=True),
    }


def _points(rows: Sequence[RoleRows], curve: Points) -> pd.DataFrame:
    """Return the points of a curve for every role and arm whose data determine it."""
    frames = []
    for of in rows:
        try:
            frame = curve(of)
        except NotEstimable:
            continue  # the performance table says why
        frame.insert(0, "arm", of.arm)
        frame.insert(0, "role", of.role)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _roc_points(of: RoleRows) -> pd.DataFrame:
    curve = stats.roc_curve(of.y_true, of.y_prob)
    columns = {"threshold": curve.thresholds, "false_positive_rate": curve.false_positive_rate}
    return pd.DataFrame(columns | {"sensitivity": curve.sensitivity})


def _calibration_points(of: RoleRows) -> pd.DataFrame:
    n_groups = 10 if len(of.y_true) >= 100 else 5
    return stats.calibration_groups(of.y_true, of.y_prob, of.patient, n_groups=n_groups)


def _benefits(of: RoleRows) -> pd.DataFrame:
    table = stats.net_benefit_table(of.y_true, of.y_prob, THRESHOLD_PROBABILITIES, of.patient)
    return table.drop(columns="treat_all")


def _treat_all(of: RoleRows) -> pd.DataFrame:
    benefit = stats.net_benefit_treat_all(of.y_true, THRESHOLD_PROBABILITIES)
    return pd.DataFrame({"threshold_probability": THRESHOLD_PROBABILITIES, "net_benefit": benefit})


def _treat_none(of: RoleRows) -> pd.DataFrame:
    return _treat_all(of).assign(net_benefit=0.0)
