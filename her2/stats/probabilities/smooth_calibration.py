"""The calibration curve, its band, and how far it runs from the diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.clusters import (
    Estimate,
    IntArray,
    outcome_and_repeats,
    patient_covariance,
    patient_numbers,
    student_quantile,
)
from her2.stats.discrimination.patient_bootstrap import (
    Seed,
    check_failures,
    draws,
    patients,
    rows,
)
from her2.stats.probabilities.calibration_line import fit_line
from her2.stats.probabilities.loess import local_weights, loess_band, loess_curve
from her2.stats.validation import BoolArray, FloatArray

ENOUGH_PATIENTS = 200  # of each outcome, for a flexible curve
_FEWEST_DISTINCT = 6  # with fewer, a local parabola just joins the group means


@dataclass(frozen=True)
class CalibrationErrors:
    """Distances of the predictions from the smooth curve, each ideally 0.

    Attributes
    ----------
    ici
        Their mean, the integrated calibration index.
    e50, e90, e_max
        Median, 90th percentile and largest of them.
    """

    ici: float
    e50: float
    e90: float
    e_max: float


def calibration_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_points: int = 100,
    level: float = 0.95,
) -> pd.DataFrame:
    """Observed risk over the range of the predictions, with a pointwise band of patients.

    With 200 patients of each outcome it is flexible: R's `loess(y ~ p)` (span 0.75, degree 2).
    With fewer, such a curve follows chance, and the calibration line is drawn instead.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation, which are stacked; in [0, 1].
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    n_points
        Points of the curve, at least 2, equally far apart from the smallest to the largest
        prediction: it says nothing beyond them.
    level
        Confidence level of the band at each point, in (0, 1).

    Returns
    -------
    DataFrame
        predicted, observed, low, high, ascending, and kind, "flexible" or "logistic". A flexible
        band takes the variance for constant, as R's, with one row a patient and one repeat, and
        is a sandwich of patients otherwise; it is confined to [0, 1].

    Raises
    ------
    NotEstimable
        If the predictions are equal or, with fewer patients, separate the outcomes; a class is
        absent; or a prediction is missing.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1], or an option outside its range.

    References
    ----------
    Austin & Steyerberg (2014), Stat. Med. 33:517, doi:10.1002/sim.5941.
    Van Calster et al. (2016), J. Clin. Epidemiol. 74:167, doi:10.1016/j.jclinepi.2015.12.005, and
    (2019), BMC Med. 17:230, doi:10.1186/s12916-019-1466-7 (200 of each outcome).
    Snell et al. (2021), J. Clin. Epidemiol. 135:79, doi:10.1016/j.jclinepi.2021.02.011 (even so
    many can be too few).

    Examples
    --------
    >>> p = np.linspace(0.05, 0.95, 40)
    >>> y = (np.arange(40) % 7 < 7 * p).astype(int)
    >>> calibration_curve(y, p, n_points=3).round(2)
       predicted  observed   low  high      kind
    0       0.05      0.11  0.02  0.44  logistic
    1       0.50      0.60  0.42  0.75  logistic
    2       0.95      0.95  0.69  0.99  logistic
    """
    validation.check_level(level)
    if n_points < 2:
        raise BadArgument(f"n_points must be at least 2, found {n_points}; 100 is usual")
    positive, p = outcome_and_repeats(y_true, y_prob, constant_ok=False)
    patient = patient_numbers(positive.size, groups)
    fewest = min(np.unique(patient[which]).size for which in (positive, ~positive))
    is_flexible = fewest >= ENOUGH_PATIENTS and np.unique(p).size >= _FEWEST_DISTINCT
    points = _flexible if is_flexible else _logistic
    predicted, *curves = points(positive, p, patient, n_points, level)
    confined = dict(zip(("observed", "low", "high"), np.clip(curves, 0.0, 1.0), strict=True))
    kind = "flexible" if is_flexible else "logistic"
    return pd.DataFrame({"predicted": predicted, **confined, "kind": kind})


def _logistic(
    positive: BoolArray, p: FloatArray, patient: IntArray, n_points: int, level: float
) -> tuple[FloatArray, ...]:
    """Predicted, observed, low and high of the calibration line, (n_points,) each."""
    fit = fit_line(positive, p, patient)
    inside = p[(p > 0.0) & (p < 1.0)]
    predicted = np.linspace(inside.min(), inside.max(), n_points)
    design = np.column_stack([np.ones(n_points), logit(predicted)])
    line = design @ [fit.intercept, fit.slope]
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, fit.errors.covariance, design))
    half_width = fit.errors.quantile(level) * error
    return predicted, expit(line), expit(line - half_width), expit(line + half_width)


def _flexible(
    positive: BoolArray, p: FloatArray, patient: IntArray, n_points: int, level: float
) -> tuple[FloatArray, ...]:
    """Predicted, observed, low and high of a loess, (n_points,) each."""
    predicted = np.linspace(p.min(), p.max(), n_points)
    x, y = p.ravel(), np.tile(positive, len(p)).astype(np.float64)
    n_patients = np.unique(patient).size
    if n_patients == p.size:
        return predicted, *loess_band(x, y, predicted, level=level)
    observed = loess_curve(x, y, predicted)
    residual = y - np.clip(loess_curve(x, y), 0.0, 1.0)
    of_rows = local_weights(x, predicted) * residual
    of_cases = of_rows.reshape(n_points, *p.shape).sum(axis=1).T
    error = np.sqrt(np.diag(patient_covariance(of_cases, patient)))
    half_width = student_quantile(n_patients, level) * error
    return predicted, observed, observed - half_width, observed + half_width


def calibration_errors(y_true: ArrayLike, y_prob: ArrayLike) -> CalibrationErrors:
    """Distances of the predictions from a loess of the outcome on them: ICI, E50, E90, Emax.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation, which are stacked; in [0, 1],
        with enough distinct values for a local parabola.

    Returns
    -------
    CalibrationErrors
        The smooth is R's `loess(y ~ p)` (span 0.75, degree 2), confined to [0, 1]: a risk lies
        nowhere else.

    Raises
    ------
    NotEstimable
        If the predictions are constant or too heavily tied for loess, a class is absent, or a
        prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Austin & Steyerberg (2019), Stat. Med. 38:4051, doi:10.1002/sim.8281.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> errors = calibration_errors(y, p)
    >>> round(errors.ici, 3), round(errors.e90, 3), round(errors.e_max, 3)
    (0.111, 0.173, 0.201)
    """
    positive, p = outcome_and_repeats(y_true, y_prob, constant_ok=False)
    distance = np.abs(_smooth(positive, p) - p)
    e50, e90 = np.quantile(distance, [0.5, 0.9]).tolist()
    return CalibrationErrors(float(distance.mean()), e50, e90, float(distance.max()))


def integrated_calibration_index(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean distance of the predictions from a loess of the outcome on them.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_errors`.

    Returns
    -------
    float
        Not negative; 0 if the smoothed outcome equals the prediction everywhere.

    Raises
    ------
    NotEstimable, BadArgument
        As `calibration_errors`.

    References
    ----------
    Austin & Steyerberg (2019), Stat. Med. 38:4051, doi:10.1002/sim.8281.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> round(integrated_calibration_index(y, p), 3)
    0.111
    """
    return calibration_errors(y_true, y_prob).ici


def ici_interval(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: Seed,
    n_resamples: int = 200,
    level: float = 0.95,
) -> Estimate:
    """Integrated calibration index with an interval from a bootstrap of patients.

    A distance cannot be negative, so noise moves the estimate up, and that of a resample, with
    the noise of both, once more: percentile limits never hold 0. Here the upper limit is the
    percentile of the resamples, the lower one lies as far below the estimate, and it is 0 where
    the sample's smooth is no farther from the predictions than that percentile of the resamples'
    smooths is from it.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_errors`.
    groups
        Shape (n,), the patient of each case, whose rows and repeats are drawn together; None if
        each case is a patient.
    seed
        An integer, a `SeedSequence` or a `Generator`.
    n_resamples
        At least 1.
    level
        Confidence level in (0, 1).

    Returns
    -------
    Estimate
        Coverage of the nominal 95 % interval in 120 simulations each: n = 60, .94 calibrated and
        .94 to 1.00 in four kinds of miscalibration; n = 150, .98 and .95 to .98; n = 400, .98 and
        .94 to .98. Of 25 calibrated patients with four rows each, correlated .9, it is .89.

    Raises
    ------
    NotEstimable
        As `calibration_errors`, and if more than 5 % of resamples have no smooth.
    BadArgument
        As `calibration_errors`, and if an option is outside its range.

    References
    ----------
    Austin & Steyerberg (2019), Stat. Med. 38:4051, doi:10.1002/sim.8281.
    Davison & Hinkley (1997), Bootstrap Methods, doi:10.1017/CBO9780511802843, section 5.2.

    Examples
    --------
    >>> p = np.linspace(0.05, 0.95, 60)
    >>> y = (np.arange(60) % 7 < 7 * p).astype(int)
    >>> found = ici_interval(y, p, seed=0)
    >>> round(found.value, 2), found.low, round(found.high, 2)
    (0.08, 0.0, 0.18)
    """
    validation.check_level(level)
    positive, p = outcome_and_repeats(y_true, y_prob, constant_ok=False)
    smooth = _smooth(positive, p)
    ici = float(np.abs(smooth - p).mean())
    drawn = draws(patients(positive, groups), n_resamples, seed, stratified=False)
    distances = [
        found for block in drawn for times in block
        if (found := _resampled(positive, p, smooth, rows(times)))
    ]  # fmt: skip
    check_failures(n_resamples - len(distances), n_resamples)
    of_resample, between_smooths = np.transpose(distances)
    upper = (1.0 + level) / 2.0
    high = max(float(np.quantile(of_resample, upper)), ici)
    is_compatible = ici <= np.quantile(between_smooths, upper)
    return Estimate(ici, 0.0 if is_compatible else max(2.0 * ici - high, 0.0), high)


def _resampled(
    positive: BoolArray, p: FloatArray, smooth: FloatArray, drawn: IntArray
) -> tuple[float, float] | None:
    """Mean distance of a resample's smooth from the predictions, and from the sample's smooth."""
    try:
        found = _smooth(positive[drawn], p[:, drawn])
    except NotEstimable:
        return None
    return (
        float(np.abs(found - p[:, drawn]).mean()),
        float(np.abs(found - smooth[:, drawn]).mean()),
    )


def _smooth(positive: BoolArray, p: FloatArray) -> FloatArray:
    """Loess of the outcome (n,) at the stacked predictions (n_repeats, n), within [0, 1]."""
    y = np.tile(positive, len(p)).astype(np.float64)
    return np.clip(loess_curve(p.ravel(), y), 0.0, 1.0).reshape(p.shape)
