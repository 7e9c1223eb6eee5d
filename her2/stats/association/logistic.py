"""Odds ratios from logistic regression, one variable at a time or all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.association.design import Design, check_columns, complete_cases, design, outcome_of
from her2.stats.association.logistic_fit import (
    FIRTH,
    INTERCEPT,
    LogisticFit,
    Separated,
    coefficient_profile,
    fit_firth,
    fit_logistic,
)
from her2.stats.validation import BoolArray

COLUMNS = (
    "variable", "odds_ratio", "low", "high", "p_value", "n", "n_events", "method", "note"
)  # fmt: skip
INTERCEPT_NAME = "(intercept)"
_LARGEST_EXPONENT = 700.0  # exp(710) is infinite

OnSeparation = Literal["firth", "not estimable"]
Intervals = Literal["wald", "profile"]


class _Options(NamedTuple):
    level: float
    intercept: bool
    intervals: Intervals
    separation: OnSeparation


def univariable_logistic(
    table: pd.DataFrame,
    outcome: str | ArrayLike,
    variables: Sequence[str],
    *,
    level: float = 0.95,
    intercept: bool = False,
    intervals: Intervals = "wald",
    separation: OnSeparation = "firth",
) -> pd.DataFrame:
    """Odds ratio of each variable alone, always with an intercept.

    Parameters
    ----------
    table
        One row a case. Numbers and booleans enter as they are; text and categories are compared
        with their first level (in category order, otherwise sorted).
    outcome
        A column of `table`, or shape (n,) in the order of its rows: 0 or 1.
    variables
        Columns of `table`.
    level
        Of the intervals.
    intercept
        Whether the intercept (odds where every variable is 0 or at its first level) has a row
        "(intercept)" before the others. It is in the model either way.
    intervals
        "wald" with Wald's test, or "profile": profile likelihood with the likelihood-ratio test.
    separation
        Where the classes can be separated, no maximum-likelihood estimate exists: "firth" gives
        the one of Firth's penalised likelihood (profile interval, likelihood-ratio test), and
        method and note say so; "not estimable" gives none.

    Returns
    -------
    DataFrame
        One row a variable, or ``variable[level]`` a level: variable, odds_ratio, low, high,
        p_value (two-sided), n and n_events (cases without a missing value, and the positive ones
        among them), method ("maximum likelihood" or "Firth"), note. Where there is no estimate
        the numbers are missing (NaN), method is empty and the note says "not estimable: ..." and
        why.

    Raises
    ------
    BadArgument
        If a column is absent, or the outcome is not 0/1 or has another length.
    NotEstimable
        If the outcome has one class only.

    References
    ----------
    Albert & Anderson (1984), Biometrika 71:1, doi:10.1093/biomet/71.1.1 (separation).
    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047 (its solution).

    Examples
    --------
    >>> table = pd.DataFrame({"er": [0] * 44 + [1] * 96})
    >>> her2 = [1] * 23 + [0] * 21 + [1] * 20 + [0] * 76
    >>> univariable_logistic(table, her2, ["er"])[["odds_ratio", "low", "high"]].round(3)
       odds_ratio    low   high
    0        0.24  0.111  0.519
    """
    options = _options(level, intercept, intervals, separation)
    positive = outcome_of(table, outcome)
    models = [_model_rows(table, positive, [variable], options) for variable in variables]
    return _assemble([row for rows in models for row in rows])


def multivariable_logistic(
    table: pd.DataFrame,
    outcome: str | ArrayLike,
    variables: Sequence[str],
    *,
    level: float = 0.95,
    intercept: bool = False,
    intervals: Intervals = "wald",
    separation: OnSeparation = "firth",
) -> pd.DataFrame:
    """Odds ratio of each variable adjusted for the others, always with an intercept.

    Parameters
    ----------
    table, outcome, variables, level, intercept, intervals, separation
        As in `univariable_logistic`.

    Returns
    -------
    DataFrame
        As in `univariable_logistic`; n counts the cases without a missing value in any variable.
        If the variables together separate the outcome or are collinear, every row says so.

    Raises
    ------
    BadArgument, NotEstimable
        As `univariable_logistic`.

    References
    ----------
    Albert & Anderson (1984), Biometrika 71:1, doi:10.1093/biomet/71.1.1 (separation).

    Examples
    --------
    >>> table = pd.DataFrame({"a": [0, 1, 2, 3, 4, 5], "b": [1, 0, 0, 1, 1, 1]})
    >>> result = multivariable_logistic(table, [0, 1, 0, 1, 0, 1], ["a", "b"])
    >>> result["odds_ratio"].round(3).tolist()
    [1.589, 0.482]
    """
    options = _options(level, intercept, intervals, separation)
    positive = outcome_of(table, outcome)
    return _assemble(_model_rows(table, positive, variables, options) if len(variables) else [])


def fit_design(
    positive: BoolArray, columns: Design, *, separation: OnSeparation = "firth"
) -> LogisticFit:
    """Fit of complete cases, by maximum likelihood or, if a plane separates them, by Firth."""
    if positive.size == 0:
        raise NotEstimable("no case has a value in every variable; leave the empty variable out")
    if not 0 < positive.sum() < positive.size:
        raise NotEstimable(
            f"both outcome classes are needed among complete cases, found {int(positive.sum())} "
            f"positive of {positive.size}"
        )
    try:
        return fit_logistic(positive, columns.matrix, columns.terms)
    except Separated as error:
        if separation != "firth":
            raise
        fit = fit_firth(positive, columns.matrix, columns.terms)
        return fit._replace(separating=error.columns)


def _options(
    level: float, intercept: bool, intervals: Intervals, separation: OnSeparation
) -> _Options:
    validation.check_level(level)
    if intervals not in ("wald", "profile"):
        raise BadArgument(f'intervals must be "wald" or "profile", found {intervals!r}')
    if separation not in ("firth", "not estimable"):
        raise BadArgument(f'separation must be "firth" or "not estimable", found {separation!r}')
    return _Options(level, intercept, intervals, separation)


def _assemble(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(COLUMNS[1:5], np.float64))


def _model_rows(
    table: pd.DataFrame, positive: BoolArray, variables: Sequence[str], options: _Options
) -> list[dict[str, object]]:
    """One dictionary a coefficient, in the order of the variables."""
    check_columns(table, variables)
    complete = complete_cases(table, variables)
    columns = design(table.loc[complete, list(variables)])
    y = positive[complete]
    indices = ([INTERCEPT] if options.intercept else []) + list(range(len(columns.terms)))
    try:
        fit = fit_design(y, columns, separation=options.separation)
    except NotEstimable as error:
        return [_empty(_name(columns, i), y, f"not estimable: {error}") for i in indices]
    return [_row(y, columns, fit, i, options) for i in indices]


def _name(columns: Design, i: int) -> str:
    return INTERCEPT_NAME if i == INTERCEPT else columns.terms[i]


def _row(
    y: BoolArray, columns: Design, fit: LogisticFit, i: int, options: _Options
) -> dict[str, object]:
    try:
        estimate, low, high, p_value = _estimate(y, columns, fit, i, options)
    except NotEstimable as error:
        return _empty(_name(columns, i), y, f"not estimable: {error}")
    if max(map(abs, (low, high))) > _LARGEST_EXPONENT:
        note = "not estimable: too large a number; use a larger unit"
        return _empty(_name(columns, i), y, note)
    ratio, low, high = np.exp([estimate, low, high]).tolist()
    return _empty(_name(columns, i), y, separation_note(fit)) | {
        "odds_ratio": ratio,
        "low": low,
        "high": high,
        "p_value": p_value,
        "method": fit.method,
    }


def _estimate(
    y: BoolArray, columns: Design, fit: LogisticFit, i: int, options: _Options
) -> tuple[float, float, float, float]:
    """Coefficient, bounds, p-value."""
    b = fit.intercept if i == INTERCEPT else float(fit.coefficients[i])
    if options.intervals == "profile" or fit.method == FIRTH:
        profile = coefficient_profile(y, columns.matrix, fit, i, level=options.level)
        return b, profile.low, profile.high, profile.p_value
    error = float(np.sqrt(fit.covariance[i + 1, i + 1]))
    half = validation.normal_quantile(options.level) * error
    return b, b - half, b + half, float(2 * norm.sf(abs(b) / error))


def separation_note(fit: LogisticFit) -> str:
    """Why a fit is Firth's, or nothing if it is by maximum likelihood."""
    if fit.method != FIRTH:
        return ""
    verb = "separates" if len(fit.separating) == 1 else "separate"
    return (
        f"{', '.join(fit.separating)} {verb} the outcome: Firth's penalised likelihood with "
        "profile interval and likelihood-ratio test"
    )


def _empty(name: str, y: BoolArray, note: str) -> dict[str, object]:
    blank: dict[str, object] = dict.fromkeys(COLUMNS, None)
    counts = {"n": y.size, "n_events": int(y.sum())}
    return blank | {"variable": name, **counts, "method": "", "note": note}
