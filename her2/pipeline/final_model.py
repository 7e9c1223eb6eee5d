"""The combined model for use: nomogram, optimism, and the sample size that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.types import ARM_TITLES
from her2.models.fusion import signature_logit
from her2.models.nested_cv import Arm, CombinedArm, FittedArm, TrainingSet
from her2.selection.pca import CompressDeepFeatures

FloatArray = NDArray[np.float64]
PROBABILITY_TICKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
SIZE_COLUMNS = [
    "arm", "criterion", "meaning", "n_required", "n_supplied", "supported", "n_predictors",
    "n_supported",
]  # fmt: skip


def combined_nomogram(
    combined: CombinedArm, fitted: Mapping[str, FittedArm], training: TrainingSet
) -> stats.Nomogram:
    """Return the nomogram of the combined model, of out-of-fold signatures of training patients.

    The model is linear in the log odds of its signatures; the axes show their probabilities.
    NotEstimable where the signatures separate the outcomes, or none moves the prediction.
    """
    table = pd.DataFrame(
        {f"{ARM_TITLES[m]} signature": signature_logit(fitted[m].out_of_fold)
         for m in combined.members}
    )  # fmt: skip
    model = stats.fit_logistic_model(
        table, training.y_true, list(table.columns), separation="not estimable"
    )
    drawn = stats.nomogram(model, table)
    axes = [_signature_axis(drawn, table, name) for name in table.columns]
    return replace(drawn, points=pd.concat(axes), probability_axis=_probability_axis(drawn))


def optimism_table(whole: pd.DataFrame) -> pd.DataFrame:
    """Return scope, measure, apparent, optimism, corrected, n_bootstraps, note of whole arms.

    Of a last step alone there is none: what it corrects is not what a reader takes it for.
    """
    if whole.empty:
        return pd.DataFrame()
    scopes = [f"{ARM_TITLES[arm]}, whole pipeline" for arm in whole["arm"]]
    named = whole.assign(scope=scopes).rename(columns={"n_resamples": "n_bootstraps"})
    columns = ["scope", "measure", "apparent", "optimism", "corrected", "n_bootstraps", "note"]
    return named[columns]


def sample_size_table(
    arms: Sequence[Arm],
    training: TrainingSet,
    results: Mapping[str, Any],
    members: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the sample size that each arm needs by Riley et al., and has (`SIZE_COLUMNS`).

    Candidates are all columns that an arm starts from, before any selection; those of the combined
    arm are its members', whose signatures were learned from the same patients. The performance
    expected is the arm's own cross-validated AUC. n_supported is the number of predictors that
    the training patients support at that AUC. An arm not better than chance is left out.
    """
    candidates = {arm.name: _candidates(arm) for arm in arms}
    if members:
        candidates["combined"] = sum(candidates[member] for member in members)
    rows = [row for arm, n in candidates.items() for row in _sizes(arm, n, training, results)]
    return pd.DataFrame(rows, columns=SIZE_COLUMNS)


def _probability_axis(drawn: stats.Nomogram) -> pd.DataFrame:
    """Return round probabilities and their total points, within the range that is drawn."""
    at = (logit(np.array(PROBABILITY_TICKS)) - drawn.lp_at_zero) * drawn.points_per_unit
    axis = pd.DataFrame({"probability": PROBABILITY_TICKS, "total_points": at})
    totals = drawn.total_points["total_points"]
    return axis[axis["total_points"].between(totals.min(), totals.max())]


def _signature_axis(drawn: stats.Nomogram, table: pd.DataFrame, variable: str) -> pd.DataFrame:
    """Return the points of round probabilities within the range of a signature."""
    slope = drawn.model.coefficients[variable] * drawn.points_per_unit
    known = drawn.points[drawn.points["variable"].eq(variable)].iloc[0]
    low, high = table[variable].min(), table[variable].max()
    ticks = [p for p in PROBABILITY_TICKS if low <= logit(p) <= high]
    points = [known["points"] + slope * (float(logit(p)) - known["value"]) for p in ticks]
    values = [f"{p:g}" for p in ticks]
    return pd.DataFrame({"variable": variable, "value": values, "points": points})


def _candidates(arm: Arm) -> int:
    """Return the number of coefficients of an arm: a category counts its levels but one.

    Deep features that are compressed count as the components they become.
    """
    if not arm.is_table:
        compressing = [s for _, s in arm.preparation.steps if isinstance(s, CompressDeepFeatures)]
        lost = sum(max(s.n_deep - s.n_components, 0) for s in compressing)
        return int(arm.is_candidate.sum()) - lost
    return sum(
        1 if pd.api.types.is_numeric_dtype(values) else max(values.nunique() - 1, 1)
        for _, values in arm.features.items()
    )


def _sizes(
    arm: str, n_parameters: int, training: TrainingSet, results: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    area = results["arms"][arm]["repeated_cv"]["auc"]
    if area is None or not 0.5 < area < 1:
        return
    n, prevalence = len(training.y_true), float(training.y_true.mean())
    try:
        table = stats.sample_size_for_prediction(
            n_parameters, prevalence, c_statistic=area, n_supplied=n
        )
        n_events = int(training.y_true.sum())
        n_supported = stats.largest_n_parameters(n, n_events, c_statistic=area)
    except NotEstimable:
        return  # no sample supports this AUC at this prevalence
    for row in table.to_dict("records"):
        named = {str(key): value for key, value in row.items()}
        yield {"arm": arm, "n_supported": n_supported, **named}
