"""A logistic regression as a nomogram: points for each value, as R's rms draws it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.association.design import Levels, check_columns, complete_cases, design, label
from her2.stats.association.logistic_model import LogisticModel
from her2.stats.validation import FloatArray

PROBABILITY_TICKS = (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)
_MAX_POINTS = 100.0
_N_TICKS = 10
_MOST_VALUES = 10  # a number with no more distinct values is drawn at these, as a category
# R's defaults: how much a larger unit is preferred, how much 5 is preferred to 2, and by how much
# the cell of a range without width shrinks
_BIAS, _BIAS_5, _SHRINK = 1.5, 2.75, 0.75
_ROUNDING = 1e-10
_EPSILON = sys.float_info.epsilon


@dataclass(frozen=True)
class Nomogram:
    """Axes of a nomogram and what they mean.

    Attributes
    ----------
    points
        Columns variable, value (a number, or the level as text) and points. The longest axis goes
        from 0 to 100 and every axis starts at 0, where its contribution is lowest.
    total_points
        Columns total_points (round), linear_predictor and probability.
    linear_predictor_axis, probability_axis
        Columns linear_predictor or probability (round), and total_points, where the ticks stand.
    points_per_unit
        Points for 1 on the scale of the linear predictor.
    lp_at_zero
        Linear predictor at 0 points.
    model
        The model that is drawn.
    """

    points: pd.DataFrame
    total_points: pd.DataFrame
    linear_predictor_axis: pd.DataFrame
    probability_axis: pd.DataFrame
    points_per_unit: float
    lp_at_zero: float
    model: LogisticModel

    def points_for(self, row: Mapping[str, object]) -> float:
        """Total points of one case, not rounded; below 0 or above an axis where the case is.

        Raises
        ------
        BadArgument
            If a variable is absent or a category has a level that the fit has not seen.
        NotEstimable
            If a value is missing.
        """
        case = pd.DataFrame({name: [row[name]] for name in self.model.variables if name in row})
        found = float(self.model.linear_predictor(case)[0])
        return (found - self.lp_at_zero) * self.points_per_unit

    def probability(self, total_points: float) -> float:
        """Probability of a positive outcome at a total of points."""
        return float(expit(self.lp_at_zero + total_points / self.points_per_unit))


def nomogram(model: LogisticModel, table: pd.DataFrame) -> Nomogram:
    """Axes of points for each variable of a model, over the values in a table.

    Parameters
    ----------
    model
        From `fit_logistic_model`.
    table
        The cases it was fitted on: they give the range of each axis. Rows with a missing value
        in a variable of the model are left out.

    Returns
    -------
    Nomogram
        A number is drawn at round values over its range, or at its own values if it has no more
        than ten; a category at its levels.

    Raises
    ------
    BadArgument
        If a column is absent.
    NotEstimable
        If no case is complete, or no variable moves the linear predictor: there is no axis.

    References
    ----------
    Harrell (2015), Regression Modeling Strategies, 2nd ed., doi:10.1007/978-3-319-19425-7;
    R package rms 6.5, function nomogram.

    Examples
    --------
    >>> from her2.stats.association.logistic_model import fit_logistic_model
    >>> table = pd.DataFrame({"age": [40.0, 50, 60, 70], "er": ["-", "+", "+", "-"]})
    >>> model = fit_logistic_model(table, [0, 1, 0, 1], ["age"])
    >>> drawn = nomogram(model, table)
    >>> drawn.points["points"].round(1).tolist()
    [0.0, 33.3, 66.7, 100.0]
    >>> round(drawn.probability(drawn.points_for({"age": 55})), 3)
    0.5
    """
    check_columns(table, model.variables)
    used = table.loc[complete_cases(table, model.variables), list(model.variables)]
    if used.empty:
        raise NotEstimable("a case without a missing value is needed, found none; impute first")
    axes = {name: _axis(model, used, name) for name in model.variables}
    widest = max(float(np.ptp(axis["contribution"])) for axis in axes.values())
    if not widest > 0.0:
        raise NotEstimable("no variable moves the prediction, so no axis has a length")
    scale = _MAX_POINTS / widest
    zero = model.intercept + sum(float(axis["contribution"].min()) for axis in axes.values())
    for axis in axes.values():
        axis["points"] = (axis["contribution"] - axis["contribution"].min()) * scale
    points = pd.concat(axes.values(), ignore_index=True)
    linear_predictors = pretty(model.linear_predictor(used), _N_TICKS)
    return Nomogram(
        points=points.drop(columns="contribution"),
        total_points=_totals(linear_predictors, zero, scale, is_alone=len(axes) == 1),
        linear_predictor_axis=pd.DataFrame(
            {
                "linear_predictor": linear_predictors,
                "total_points": (linear_predictors - zero) * scale,
            }
        ),
        probability_axis=_probability_axis(linear_predictors, zero, scale),
        points_per_unit=scale,
        lp_at_zero=zero,
        model=model,
    )


def _axis(model: LogisticModel, used: pd.DataFrame, name: str) -> pd.DataFrame:
    """Values of one variable and what they add to the linear predictor."""
    known: dict[str, Levels] = {n: x for n, x in model.levels.items() if n == name}
    values = pd.Series(list(known[name])) if known else pd.Series(_ticks(used[name]))
    columns = design(values.to_frame(name), known)
    b = np.array([model.coefficients[term] for term in columns.terms])
    shown = [label(level) for level in known[name]] if known else values.tolist()
    return pd.DataFrame(
        {
            "variable": name,
            "value": pd.Series(shown, dtype=object),
            "contribution": columns.matrix @ b,
        }
    )


def _ticks(values: pd.Series) -> FloatArray:
    distinct = np.unique(values.to_numpy(dtype=np.float64))
    return distinct if distinct.size <= _MOST_VALUES else pretty(distinct, _N_TICKS)


def _totals(
    linear_predictors: FloatArray, zero: float, scale: float, *, is_alone: bool
) -> pd.DataFrame:
    reached = _MAX_POINTS if is_alone else (float(linear_predictors.max()) - zero) * scale
    total = pretty([0.0, max(_MAX_POINTS, reached)], _N_TICKS)
    at = zero + total / scale
    return pd.DataFrame({"total_points": total, "linear_predictor": at, "probability": expit(at)})


def _probability_axis(linear_predictors: FloatArray, zero: float, scale: float) -> pd.DataFrame:
    """Ticks within the range of the linear predictor.

    Interpolated between 1,000 points as rms does, which is off by less than 0.001 points.
    """
    along = np.linspace(linear_predictors.min(), linear_predictors.max(), 1000)
    p = np.array(PROBABILITY_TICKS)
    p = p[(p >= expit(along[0])) & (p <= expit(along[-1]))]
    at = np.interp(p, expit(along), along)
    return pd.DataFrame({"probability": p, "total_points": (at - zero) * scale})


def pretty(values: ArrayLike, n: int = 5) -> FloatArray:
    """About n + 1 equally spaced round numbers that cover the finite values, as R's `pretty`.

    They are 1, 2 or 5 times a power of ten apart: base::pretty of R 4.2.
    """
    x = validation.vector(values, "values")
    x = x[np.isfinite(x)]
    if not x.size or n < 1:
        raise BadArgument(f"a finite value and n >= 1 are needed, found {x.size} and n = {n}")
    low, high = float(x.min()), float(x.max())
    at_least = n // 3
    unit = _unit(low, high, n, at_least)
    first, last = _widen(low, high, unit, at_least)
    ticks = np.linspace(min(first * unit, low), max(last * unit, high), int(last - first) + 1)
    ticks[np.abs(ticks) < 1e-14 * unit] = 0.0
    return ticks


def _unit(low: float, high: float, n: int, at_least: int) -> float:
    """Distance of the ticks: 1, 2, 5 or 10 times the power of ten below an n-th of the range."""
    cell = _cell(low, high, n, at_least)
    base = 10.0 ** math.floor(math.log10(cell))
    unit = base
    for factor, bias in ((2.0, _BIAS), (5.0, _BIAS_5), (10.0, _BIAS)):
        if factor * base - cell >= bias * (cell - unit):
            break
        unit = factor * base
    return unit


def _cell(low: float, high: float, n: int, at_least: int) -> float:
    largest = max(abs(low), abs(high))
    no_width = (1.0 + 1.0 / (1.0 + _BIAS)) * n * _EPSILON * 3.0
    if largest > 0.0 and high - low >= largest * no_width:
        return (high - low) / n
    cell = largest if largest > 0.0 else 1.0
    if cell > 10.0:
        cell = 9.0 + cell / 10.0
    return cell * _SHRINK / max(at_least, 1)


def _widen(low: float, high: float, unit: float, at_least: int) -> tuple[float, float]:
    """First and last tick in units: they cover the range and are enough."""
    first = math.floor(low / unit + _ROUNDING)
    last = math.ceil(high / unit - _ROUNDING)
    while first * unit > low + _ROUNDING * unit:
        first -= 1
    while last * unit < high - _ROUNDING * unit:
        last += 1
    lacking = max(0, at_least - (last - first))
    if low == 0.0 and first == 0 and high != 0.0:
        return first, last + lacking
    if high == 0.0 and last == 0 and low != 0.0:
        return first - lacking, last
    less, more = lacking // 2, lacking - lacking // 2
    return (first - more, last + less) if first >= 0 else (first - less, last + more)
