"""The calibration line: outcome on logit(p), ideally with intercept 0 and slope 1.

Repeats of cross-validation are stacked and weigh one case together; the errors are then those of a
sandwich whose filling varies between patients, and so they are where a patient has several rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit

from her2.core.errors import NotEstimable
from her2.stats import validation
from her2.stats.association.logistic_fit import fit_logistic
from her2.stats.clusters import (
    IntArray,
    outcome_and_repeats,
    patient_covariance,
    patient_numbers,
    patient_sums,
    student_quantile,
)
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class CalibrationLine:
    """Line of the outcome on logit(p), with Wald standard errors and limits.

    Attributes
    ----------
    intercept, slope
        Ideally 0 and 1.
    intercept_standard_error, intercept_low, intercept_high
        Of the intercept.
    slope_standard_error, slope_low, slope_high
        Of the slope.
    n
        Cases with a prediction other than 0 and 1, which it is fitted to.
    """

    intercept: float
    slope: float
    intercept_standard_error: float
    slope_standard_error: float
    intercept_low: float
    intercept_high: float
    slope_low: float
    slope_high: float
    n: int


@dataclass(frozen=True)
class CalibrationInTheLarge:
    """Intercept with the slope held at 1, and observed against expected.

    Attributes
    ----------
    intercept, standard_error, low, high
        Of predictions other than 0 and 1, with Wald limits.
    observed_minus_expected, observed_over_expected
        Prevalence minus, and over, the mean prediction of all cases.
    """

    intercept: float
    standard_error: float
    low: float
    high: float
    observed_minus_expected: float
    observed_over_expected: float


def calibration_line(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[float, float]:
    """Intercept and slope of the logistic regression of the outcome on logit(p).

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,) or (n_repeats, n), in [0, 1]. Predictions of exactly 0 or 1 have no logit and
        are left out, as R's `val.prob` leaves them out: any clip would be an arbitrary, hugely
        influential value.

    Returns
    -------
    tuple of float
        (intercept, slope), ideally (0, 1); slope below 1: predictions too extreme.

    Raises
    ------
    NotEstimable
        If the predictions separate the classes perfectly (the slope is infinite) or are constant,
        or if a class is absent or a prediction missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Cox (1958), Biometrika 45:562, doi:10.1093/biomet/45.3-4.562.

    Examples
    --------
    >>> intercept, slope = calibration_line([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.6, 0.7])
    >>> round(intercept, 3), round(slope, 3)
    (0.798, 1.639)
    """
    fit = fit_line(*outcome_and_repeats(y_true, y_prob), None)
    return fit.intercept, fit.slope


def calibration_slope(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Slope of `calibration_line` alone, as a measure to bootstrap.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_line`.

    Returns
    -------
    float
        Ideally 1; below 1: predictions too extreme.

    Raises
    ------
    NotEstimable, BadArgument
        As `calibration_line`.

    References
    ----------
    Cox (1958), Biometrika 45:562, doi:10.1093/biomet/45.3-4.562.

    Examples
    --------
    >>> round(calibration_slope([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]), 3)
    1.639
    """
    return calibration_line(y_true, y_prob)[1]


def calibration_line_interval(
    y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> CalibrationLine:
    """Intercept and slope of `calibration_line` with standard errors and Wald intervals.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_line`.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    level
        Confidence level in (0, 1).

    Raises
    ------
    NotEstimable, BadArgument
        As `calibration_line`, and if the level is not in (0, 1).

    References
    ----------
    Cox (1958), Biometrika 45:562, doi:10.1093/biomet/45.3-4.562.
    Binder (1983), Int. Stat. Rev. 51:279, doi:10.2307/1402588 (the sandwich).

    Examples
    --------
    >>> y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]
    >>> line = calibration_line_interval(y, p)
    >>> round(line.slope, 3), round(line.slope_low, 3), round(line.slope_high, 3)
    (1.639, -0.809, 4.088)
    """
    validation.check_level(level)
    fit = fit_line(*outcome_and_repeats(y_true, y_prob), groups)
    errors = np.sqrt(np.diag(fit.errors.covariance)).tolist()
    half_widths = [fit.errors.quantile(level) * error for error in errors]
    return CalibrationLine(
        intercept=fit.intercept,
        slope=fit.slope,
        intercept_standard_error=errors[0],
        slope_standard_error=errors[1],
        intercept_low=fit.intercept - half_widths[0],
        intercept_high=fit.intercept + half_widths[0],
        slope_low=fit.slope - half_widths[1],
        slope_high=fit.slope + half_widths[1],
        n=fit.n,
    )


def calibration_in_the_large(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Intercept of a logistic regression with offset logit(p): average over- or under-prediction.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_line`.

    Returns
    -------
    float
        0 if predictions are right on average, positive if they are too low.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        As `calibration_line`.

    References
    ----------
    Steyerberg et al. (2010), Epidemiology 21:128, doi:10.1097/EDE.0b013e3181c30fb2.

    Examples
    --------
    >>> round(calibration_in_the_large([0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]), 3)  # log(3)
    1.099
    """
    rows = _with_logit(*outcome_and_repeats(y_true, y_prob))
    return _offset(rows.positive, rows.logit)


def calibration_in_the_large_interval(
    y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> CalibrationInTheLarge:
    """Calibration in the large with its Wald interval, and observed against expected.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_line`.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    level
        Confidence level in (0, 1).

    Raises
    ------
    NotEstimable, BadArgument
        As `calibration_in_the_large`, and if the level is not in (0, 1).

    References
    ----------
    Steyerberg et al. (2010), Epidemiology 21:128, doi:10.1097/EDE.0b013e3181c30fb2.

    Examples
    --------
    >>> result = calibration_in_the_large_interval([0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5])
    >>> round(result.intercept, 3), round(result.low, 3), round(result.high, 3)
    (1.099, -1.165, 3.362)
    >>> result.observed_minus_expected, result.observed_over_expected
    (0.25, 1.5)
    """
    validation.check_level(level)
    positive, p = outcome_and_repeats(y_true, y_prob)
    rows = _with_logit(positive, p)
    intercept = _offset(rows.positive, rows.logit)
    errors = _errors(rows, np.ones((rows.logit.size, 1)), expit(rows.logit + intercept), groups)
    error = sqrt(float(errors.covariance[0, 0]))
    half_width = errors.quantile(level) * error
    return CalibrationInTheLarge(
        intercept=intercept,
        standard_error=error,
        low=intercept - half_width,
        high=intercept + half_width,
        observed_minus_expected=float(positive.mean() - p.mean()),
        observed_over_expected=float(positive.mean() / p.mean()),
    )


class _Rows(NamedTuple):
    """Predictions that have a logit, stacked over repeats, (m,) each; `case` of n."""

    positive: BoolArray
    logit: FloatArray
    case: IntArray
    n: int
    n_repeats: int


class _Errors(NamedTuple):
    """Covariance of the coefficients, and the patients it varies between; None: model-based."""

    covariance: FloatArray
    n_patients: int | None

    def quantile(self, level: float) -> float:
        if self.n_patients is None:
            return validation.normal_quantile(level)
        return student_quantile(self.n_patients, level)


class LineFit(NamedTuple):
    """Calibration line with the covariance (2, 2) of intercept and slope."""

    intercept: float
    slope: float
    errors: _Errors
    n: int


def fit_line(positive: BoolArray, p: FloatArray, groups: ArrayLike | None) -> LineFit:
    """Calibration line of outcomes (n,) on probabilities (n_repeats, n)."""
    rows = _with_logit(positive, p)
    if rows.logit.min() == rows.logit.max():
        raise NotEstimable(
            "the calibration slope needs predictions that differ, found one value; "
            "report calibration in the large only"
        )
    fit = fit_logistic(rows.positive, rows.logit[:, None], ["logit(p)"])
    intercept, slope = fit.intercept, float(fit.coefficients[0])
    design = np.column_stack([np.ones(rows.logit.size), rows.logit])
    errors = _errors(rows, design, expit(intercept + slope * rows.logit), groups)
    return LineFit(intercept, slope, errors, np.unique(rows.case).size)


def _errors(
    rows: _Rows, design: FloatArray, fitted: FloatArray, groups: ArrayLike | None
) -> _Errors:
    """Model-based with one row a patient and one repeat, as R's glm, else the sandwich."""
    patient = patient_numbers(rows.n, groups)
    information = (design * (fitted * (1.0 - fitted))[:, None]).T @ design
    bread = np.asarray(np.linalg.inv(information), dtype=np.float64)
    if rows.n_repeats == 1 and np.unique(patient).size == rows.n:
        return _Errors(bread, None)
    # a weight of 1 / n_repeats divides bread and filling alike
    influence = (design * (rows.positive - fitted)[:, None]) @ bread
    cases, case = np.unique(rows.case, return_inverse=True)
    of_cases = patient[cases]
    covariance = patient_covariance(patient_sums(influence, case), of_cases)
    return _Errors(covariance, np.unique(of_cases).size)


def _offset(positive: BoolArray, linear_predictor: FloatArray) -> float:
    prevalence = positive.mean()

    def excess(intercept: float) -> float:
        return float(expit(linear_predictor + intercept).mean() - prevalence)

    # the score equation is monotone, and its root lies between these two
    low = float(logit(prevalence) - linear_predictor.max())
    high = float(logit(prevalence) - linear_predictor.min())
    return float(brentq(excess, low - 1.0, high + 1.0, xtol=1e-14, rtol=1e-14))


def _with_logit(positive: BoolArray, p: FloatArray) -> _Rows:
    """Predictions (n_repeats, n) that have a logit, both classes present."""
    inside = (p > 0.0) & (p < 1.0)
    case = np.nonzero(inside)[1]
    kept = positive[case]
    if not 0 < kept.sum() < kept.size:
        raise NotEstimable(
            f"calibration needs both classes among predictions other than 0 and 1, found "
            f"{int(kept.sum())} positive of {kept.size}; report the Brier score instead"
        )
    return _Rows(kept, np.asarray(logit(p[inside])), case, positive.size, len(p))
