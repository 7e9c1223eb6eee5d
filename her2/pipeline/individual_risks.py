"""What a run says of single patients: how far their risks move, and sets of outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.types import ARM_TITLES
from her2.evaluation.prediction_rows import RoleRows
from her2.models.imbalance import at_prevalence
from her2.models.nested_cv import TrainingSet
from her2.models.resampling import Resampled
from her2.pipeline.evaluate import stacked
from her2.plots.text import role_title

FloatArray = NDArray[np.float64]
INSTABILITY = [
    "arm", "n", "n_refits", "threshold", "mean_distance", "distance_p90", "mean_changed",
]  # fmt: skip
POINTS = ["arm", "risk", "distance", "low", "high", "changed"]
SETS = [
    "role", "arm", "outcome", "alpha", "n", "n_covered", "covered", "low", "high", "abstained",
    "empty", "n_certain", "accuracy",
]  # fmt: skip
OUTCOMES = {"negative": (0,), "positive": (1,), "both": (0, 1)}


def instability_tables(
    resampled: Mapping[str, Resampled],
    risks: Mapping[str, FloatArray],
    training: TrainingSet,
    results: Mapping[str, Any],
    *,
    patients: Sequence[str] | None,
    notes: list[str],
) -> dict[str, pd.DataFrame]:
    """Return instability, a row an arm, and instability_points, a row an arm and patient.

    risks: of the training rows by the final models, (n_train,); patients: (n_train,), whose mean
    risk is judged, None judges every row; notes: says why an arm has no row.
    """
    rows, points = [], []
    for arm, found in resampled.items():
        threshold = results["arms"][arm]["roles"]["train"]["threshold"]
        risk = _judged(risks[arm][None], training, patients)[0]
        again = _judged(found.risks, training, patients)
        try:
            if threshold is None:
                raise NotEstimable("the arm has no threshold")
            again = stats.widened(risk, again, found.shares(training.groups))
            moved = stats.risk_instability(risk, again, threshold=threshold)
        except NotEstimable as reason:
            notes.append(f"Instability of risks, {ARM_TITLES[arm]}: not estimable, {reason}.")
            continue
        means = (moved.mean_distance, moved.distance_p90, moved.mean_changed)
        rows.append((arm, len(risk), moved.n_refits, threshold, *means))
        columns = (arm, risk, moved.distance, moved.low, moved.high, moved.changed)
        points.append(pd.DataFrame(dict(zip(POINTS, columns, strict=True))).sort_values("risk"))
    return {
        "instability": pd.DataFrame(rows, columns=INSTABILITY),
        "instability_points": stacked(points, POINTS),
    }


def conformal_table(judged: Sequence[RoleRows], *, alpha: float, notes: list[str]) -> pd.DataFrame:
    """Return how conformal sets did: a row for each role, arm and outcome, and for both (`SETS`).

    Training patients are judged by the other folds, held-out ones by all out-of-fold rows. notes:
    says why an arm has no row.
    """
    known = {of.arm: of for of in judged if of.fold is not None}
    rows: list[dict[str, Any]] = []
    for of in judged:
        try:
            if of.arm in known:
                rows += _set_rows(of, known[of.arm], alpha)
        except NotEstimable as reason:
            title = f"{ARM_TITLES[of.arm]}, {role_title(of.role)}"
            notes.append(f"Prediction sets, {title}: not estimable, {reason}.")
    return pd.DataFrame(rows, columns=SETS)


def _set_rows(of: RoleRows, known: RoleRows, alpha: float) -> Iterator[dict[str, Any]]:
    y, patients = known.y_true, known.patient
    if of.fold is not None:
        p = stats.cross_conformal_p_values(y, of.y_prob, of.fold, patients=patients)
    else:
        found = [
            stats.conformal_p_values(y, prob, of.y_prob[0], patients=patients)
            for prob in known.y_prob
        ]
        p = np.mean(found, axis=0)
    n_smallest = min(len(np.unique(patients[y == outcome])) for outcome in (0, 1))
    sets = stats.prediction_sets(p, alpha=alpha, n_smallest=n_smallest)
    for outcome, values in OUTCOMES.items():
        rows = np.isin(of.y_true, values)
        if rows.any():
            covered = stats.set_coverage(of.y_true[rows], sets[rows])
            yield {"role": of.role, "arm": of.arm, "outcome": outcome, "alpha": alpha} | {
                name: getattr(covered, name) for name in SETS[4:]
            }


def _judged(
    risks: FloatArray, training: TrainingSet, patients: Sequence[str] | None
) -> FloatArray:
    """Return risks (n_refits, n) of what is judged, as `her2.evaluation.by_patient` makes them."""
    if patients is None:
        return risks
    table = pd.DataFrame(np.vstack([training.y_true, risks]).T)
    means = table.groupby(list(patients), sort=False).mean().to_numpy().T
    before, after = float(training.y_true.mean()), float(means[0].mean())
    return at_prevalence(means[1:], before=before, after=after)
