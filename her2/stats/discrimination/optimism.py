"""Harrell's optimism bootstrap of a whole pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.discrimination.auc import auc
from her2.stats.discrimination.patient_bootstrap import (
    IntArray,
    Seed,
    check_failures,
    draws,
    patients,
    rows,
)
from her2.stats.probabilities.calibration_line import calibration_slope
from her2.stats.probabilities.calibration_measures import brier_score
from her2.stats.validation import FloatArray

Table = TypeVar("Table", pd.DataFrame, NDArray[np.float64])
Predict = Callable[[Table], ArrayLike]
Measure = Callable[[IntArray, FloatArray], float]

MEASURES: Mapping[str, Measure] = {"auc": auc, "brier": brier_score, "slope": calibration_slope}


def optimism_corrected(
    fit: Callable[[Table, IntArray], Predict[Table]],
    X: Table,
    y: ArrayLike,
    *,
    seed: Seed,
    groups: ArrayLike | None = None,
    measures: Mapping[str, Measure] = MEASURES,
    n_resamples: int = 200,
) -> pd.DataFrame:
    """Apparent performance of a pipeline, its optimism, and what is left.

    The pipeline is fitted on each bootstrap sample and judged on that sample and on the original
    one; the mean difference is the optimism.

    Parameters
    ----------
    fit
        ``fit(X, y)`` returns a function from rows like X to probabilities (n,). Everything that
        looks at the outcome (selection, tuning, scaling) must happen inside it.
    X
        A table of n rows or an array (n, ...). A table keeps its index in resamples, so a
        pipeline with inner folds can keep the copies of a patient on one side.
    y
        Shape (n,), 0 or 1, both present.
    seed
        An integer, a `SeedSequence` or a `Generator`.
    groups
        Shape (n,), the patient of each row, whose rows are drawn together; None if each row is a
        patient.
    measures
        Name -> function of outcomes and probabilities.
    n_resamples
        At least 1; 200 are usual.

    Returns
    -------
    DataFrame
        One row a measure: measure, apparent, optimism, corrected (apparent - optimism),
        n_resamples (in which it was estimable), note. A measure that is not estimable, or is not
        in more than 5 % of resamples, has missing values and the reason in its note, which is
        empty otherwise.

    Raises
    ------
    NotEstimable
        If a class is absent, or the pipeline cannot be fitted on the sample.
    BadArgument
        If the shapes differ or `n_resamples` is below 1.

    References
    ----------
    Harrell, Lee & Mark (1996), Stat. Med. 15:361,
    doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4, section 5.

    Examples
    --------
    >>> x, y = np.arange(40.0)[:, None], np.tile([0, 0, 1, 1], 10)
    >>> def fit(X, y):  # learns nothing but the prevalence and x itself
    ...     return lambda X: 0.3 + 0.4 * X[:, 0] / 39
    >>> optimism_corrected(fit, x, y, seed=0, n_resamples=50)["apparent"].round(2).tolist()
    [0.55, 0.25, 0.36]
    """
    positive = validation.outcome(y)
    if len(X) != positive.size:
        raise BadArgument(f"X must have {positive.size} rows, found {len(X)}; align it with y")
    outcome = positive.astype(np.intp)
    apparent = _measured(measures, outcome, fit(X, outcome)(X))
    blocks = draws(patients(positive, groups), n_resamples, seed, stratified=False)
    gains = [_optimism(fit, X, outcome, times, measures) for block in blocks for times in block]
    table = pd.DataFrame(gains, columns=list(measures), dtype=np.float64)
    return pd.DataFrame([_row(name, *apparent[name], table[name]) for name in measures])


def _optimism(
    fit: Callable[[Table, IntArray], Predict[Table]],
    X: Table,
    outcome: IntArray,
    times: IntArray,
    measures: Mapping[str, Measure],
) -> dict[str, float]:
    """How much better each measure is in the bootstrap sample; missing where not estimable."""
    drawn = rows(times)
    resample = X.iloc[drawn] if isinstance(X, pd.DataFrame) else X[drawn]
    try:
        predict = fit(resample, outcome[drawn])
    except NotEstimable:
        return dict.fromkeys(measures, np.nan)
    inside = _measured(measures, outcome[drawn], predict(resample))
    outside = _measured(measures, outcome, predict(X))
    return {name: inside[name][0] - outside[name][0] for name in measures}


def _measured(
    measures: Mapping[str, Measure], outcome: IntArray, y_prob: ArrayLike
) -> dict[str, tuple[float, str]]:
    """Value of each measure (missing where not estimable), and why there is none."""
    p = np.asarray(y_prob, dtype=np.float64)

    def value(measure: Measure) -> tuple[float, str]:
        try:
            return float(measure(outcome, p)), ""
        except NotEstimable as reason:
            return np.nan, f"not estimable: {reason}"

    return {name: value(measure) for name, measure in measures.items()}


def _row(name: str, apparent: float, note: str, gains: pd.Series) -> dict[str, object]:
    known = gains.dropna()
    row = {"measure": name, "apparent": np.nan, "optimism": np.nan, "corrected": np.nan}
    counted = row | {"n_resamples": len(known)}
    if note:
        return counted | {"note": note}
    counted["apparent"] = apparent
    try:
        check_failures(len(gains) - len(known), len(gains))
    except NotEstimable as reason:
        return counted | {"note": f"not estimable: {reason}"}
    optimism = float(known.mean())
    return counted | {"optimism": optimism, "corrected": apparent - optimism, "note": ""}
