"""Odds ratios from logistic regression, one variable at a time or all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.logistic_fit import LogisticFit, fit_logistic
from her2.stats.validation import BoolArray, FloatArray

COLUMNS = ("variable", "odds_ratio", "low", "high", "p_value", "n", "note")
_Z95 = float(norm.isf(0.025))
_LARGEST_EXPONENT = 700.0  # exp(710) is infinite


def univariable_logistic(
    table: pd.DataFrame, outcome: str | ArrayLike, variables: Sequence[str]
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

    Returns
    -------
    DataFrame
        One row a variable, or ``variable[level]`` a level: variable, odds_ratio, low, high (95 %,
        Wald), p_value (Wald, two-sided), n (cases without a missing value), note. Where no
        maximum-likelihood estimate exists the numbers are missing (NaN) and the note says
        "not estimable: ..." and why; otherwise it is empty.

    Raises
    ------
    BadArgument
        If a column is absent, or the outcome is not 0/1 or has another length.
    NotEstimable
        If the outcome has one class only.

    References
    ----------
    Albert & Anderson (1984), Biometrika 71:1, doi:10.1093/biomet/71.1.1 (separation).

    Examples
    --------
    >>> table = pd.DataFrame({"er": [0] * 44 + [1] * 96})
    >>> her2 = [1] * 23 + [0] * 21 + [1] * 20 + [0] * 76
    >>> univariable_logistic(table, her2, ["er"])[["odds_ratio", "low", "high"]].round(3)
       odds_ratio    low   high
    0        0.24  0.111  0.519
    """
    positive = _outcome(table, outcome)
    models = [_model_rows(table, positive, [variable]) for variable in variables]
    return _assemble([row for rows in models for row in rows])


def multivariable_logistic(
    table: pd.DataFrame, outcome: str | ArrayLike, variables: Sequence[str]
) -> pd.DataFrame:
    """Odds ratio of each variable adjusted for the others, always with an intercept.

    Parameters
    ----------
    table, outcome, variables
        As in `univariable_logistic`.

    Returns
    -------
    DataFrame
        As in `univariable_logistic`; n counts the cases without a missing value in any variable.
        If the variables together separate the outcome or are collinear, the model has no
        maximum-likelihood estimate, and every row says so.

    Raises
    ------
    BadArgument
        If a column is absent, or the outcome is not 0/1 or has another length.
    NotEstimable
        If the outcome has one class only.

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
    positive = _outcome(table, outcome)
    rows = _model_rows(table, positive, variables) if len(variables) else []
    return _assemble(rows)


def _outcome(table: pd.DataFrame, outcome: str | ArrayLike) -> BoolArray:
    if isinstance(outcome, str):
        _check_columns(table, [outcome])
        return validation.outcome(table[outcome].to_numpy())
    positive = validation.outcome(outcome)
    if positive.size != len(table):
        raise BadArgument(
            f"outcome must have one value for each of the {len(table)} rows, found "
            f"{positive.size}; align it with the table"
        )
    return positive


def _check_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise BadArgument(
            f"the table must have the columns {', '.join(names)}, found no "
            f"{', '.join(absent)}; check the spelling"
        )


def _assemble(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(COLUMNS[1:5], np.float64))


def _model_rows(
    table: pd.DataFrame, positive: BoolArray, variables: Sequence[str]
) -> list[dict[str, object]]:
    """One dictionary a coefficient, in the order of the variables."""
    _check_columns(table, variables)
    complete = table[list(variables)].notna().all(axis=1).to_numpy()
    columns = _design(table.loc[complete, list(variables)])
    n = int(complete.sum())
    try:
        fit = _fit_complete(positive[complete], columns)
    except NotEstimable as error:
        return [_row(name, n, note=f"not estimable: {error}") for name in columns]
    return [_estimate(fit, i, name, n) for i, name in enumerate(columns)]


def _design(variables: pd.DataFrame) -> dict[str, FloatArray]:
    """Numeric columns by name; a text or category column gives one 0/1 column a later level."""
    columns: dict[str, FloatArray] = {}
    for name, values in variables.items():
        if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            columns[str(name)] = values.to_numpy(dtype=np.float64)
            continue
        known = levels(values)
        if len(known) < 2:  # a constant column, which the fit will name
            columns[str(name)] = np.zeros(len(values))
        for level in known[1:]:
            columns[f"{name}[{level}]"] = np.asarray(values == level, dtype=np.float64)
    return columns


def levels(values: pd.Series) -> list[object]:
    """Levels that occur: in category order, numbers by size, anything else sorted as text."""
    present = values.dropna().unique()
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [level for level in values.cat.categories if level in present]
    is_number = pd.api.types.is_numeric_dtype(values)
    return sorted(present, key=None if is_number else str)


def _fit_complete(positive: BoolArray, columns: dict[str, FloatArray]) -> LogisticFit:
    if not 0 < positive.sum() < positive.size:
        raise NotEstimable(
            f"both outcome classes are needed among complete cases, found {int(positive.sum())} "
            f"positive of {positive.size}"
        )
    return fit_logistic(positive, np.column_stack(list(columns.values())), list(columns))


def _estimate(fit: LogisticFit, i: int, name: str, n: int) -> dict[str, object]:
    b, se = fit.coefficients[i], fit.standard_errors[i]
    if abs(b) + _Z95 * se > _LARGEST_EXPONENT:
        return _row(name, n, note="not estimable: too large a number; use a larger unit")
    ratio, low, high = np.exp([b, b - _Z95 * se, b + _Z95 * se]).tolist()
    return _row(name, n, (ratio, low, high, float(fit.p_values[i])))


def _row(
    name: str,
    n: int,
    estimates: tuple[float | None, ...] = (None, None, None, None),
    note: str = "",
) -> dict[str, object]:
    return dict(zip(COLUMNS, (name, *estimates, n, note), strict=True))
