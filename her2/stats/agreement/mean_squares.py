"""Mean squares of ratings, and the intraclass correlations, limits and F ratios made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import f as f_distribution

from her2.stats.validation import FloatArray

IccForm = Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"]

# a sum of squared rounding errors of ratings, relative to the sum of squared ratings
_ROUNDING = 1e-28


class Limits(NamedTuple):
    """Values and confidence limits of m tables, each of shape (m,)."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of m tables of n subjects by k raters; arrays of shape (m,)."""

    between_subjects: FloatArray
    between_raters: FloatArray
    within: FloatArray
    residual: FloatArray
    n: int
    k: int


def mean_squares(tables: FloatArray) -> MeanSquares:
    """Mean squares of the two-way analysis of variance of each table.

    Parameters
    ----------
    tables
        Shape (m, n_subjects, n_raters), finite. Sums of squares at the level of rounding noise
        count as 0, so that raters who agree exactly have no residual.

    References
    ----------
    Shrout & Fleiss (1979), Psychol. Bull. 86:420, doi:10.1037/0033-2909.86.2.420, table 1.

    Examples
    --------
    >>> found = mean_squares(np.array([[[1.0, 3.0], [2.0, 4.0], [6.0, 8.0]]]))
    >>> found.between_subjects.tolist(), found.within.tolist(), found.residual.tolist()
    ([14.0], [2.0], [0.0])
    """
    _, n, k = tables.shape
    grand = tables.mean(axis=(1, 2), keepdims=True)
    of_subject = tables.mean(axis=2, keepdims=True)
    of_rater = tables.mean(axis=1, keepdims=True)
    noise = _ROUNDING * (tables**2).sum(axis=(1, 2))
    subjects = k * _squares(of_subject - grand)
    raters = n * _squares(of_rater - grand)
    within = _squares(tables - of_subject)
    residual = _squares(tables - of_subject - of_rater + grand)
    return MeanSquares(
        between_subjects=np.where(subjects > noise, subjects, 0.0) / (n - 1),
        between_raters=np.where(raters > noise, raters, 0.0) / (k - 1),
        within=np.where(within > noise, within, 0.0) / (n * (k - 1)),
        residual=np.where(residual > noise, residual, 0.0) / ((n - 1) * (k - 1)),
        n=n,
        k=k,
    )


def icc_limits(ms: MeanSquares, form: IccForm, level: float) -> Limits:
    """Intraclass correlation of each table with its limits at a confidence level.

    References
    ----------
    Shrout & Fleiss (1979), doi:10.1037/0033-2909.86.2.420; McGraw & Wong (1996), Psychol.
    Methods 1:30, doi:10.1037/1082-989X.1.1.30, table 7.

    Examples
    --------
    >>> ms = mean_squares(np.array([[[1.0, 3.0], [2.0, 4.0], [6.0, 8.0]]]))
    >>> round(float(icc_limits(ms, "ICC(1,1)", 0.95).value[0]), 3)
    0.75
    """
    model, unit = form[4], form[6]
    single = {"1": _one_way, "2": _absolute, "3": _consistency}[model](ms, level)
    if unit == "1":
        return single
    return Limits(*(_average(part, ms.k) for part in single))


def absolute_agreement(ms: MeanSquares) -> FloatArray:
    """ICC(2,1) of each table, (m,), without its limits.

    Examples
    --------
    >>> ms = mean_squares(np.array([[[1.0, 3.0], [2.0, 4.0], [6.0, 8.0]]]))
    >>> absolute_agreement(ms).tolist()
    [0.7777777777777778]
    """
    B, J, E = ms.between_subjects, ms.between_raters, ms.residual
    return np.asarray((B - E) / (B + (ms.k - 1) * E + ms.k * (J - E) / ms.n))


def error_term(ms: MeanSquares, form: IccForm) -> tuple[FloatArray, int]:
    """Mean square below the F ratio between subjects, (m,), and its degrees of freedom.

    Examples
    --------
    >>> ms = mean_squares(np.array([[[1.0, 3.0], [2.0, 4.0], [6.0, 8.0]]]))
    >>> error_term(ms, "ICC(1,1)")[1], error_term(ms, "ICC(2,1)")[1]
    (3, 2)
    """
    if form[4] == "1":
        return ms.within, ms.n * (ms.k - 1)
    return ms.residual, (ms.n - 1) * (ms.k - 1)


def satterthwaite_dof(rho: FloatArray, ms: MeanSquares) -> FloatArray:
    """Approximate degrees of freedom of the limits of ICC(2,1) = rho, both of shape (m,).

    References
    ----------
    McGraw & Wong (1996), doi:10.1037/1082-989X.1.1.30, table 7, v.

    Examples
    --------
    >>> ms = mean_squares(np.array([[[1.0, 2.0], [2.0, 4.0], [6.0, 7.0]]]))
    >>> satterthwaite_dof(np.array([0.9]), ms).round(2).tolist()
    [1.28]
    """
    n, k = ms.n, ms.k
    J, E = ms.between_raters, ms.residual
    of_raters = k * rho * J
    # multiplied through by E squared, so that E may be 0
    of_residual = (n * (1.0 + (k - 1) * rho) - k * rho) * E
    numerator = (k - 1) * (n - 1) * (of_raters + of_residual) ** 2
    denominator = (n - 1) * of_raters**2 + of_residual**2
    # perfect agreement: both are 0, and the limits are 1 whatever the degrees of freedom
    safe = np.where(denominator > 0.0, denominator, 1.0)
    return np.where(denominator > 0.0, numerator / safe, (k - 1.0) * (n - 1.0))


def _squares(deviation: FloatArray) -> FloatArray:
    return np.asarray((deviation**2).sum(axis=(1, 2)))


def _single(between: FloatArray, error: FloatArray, k: int) -> FloatArray:
    return (between - error) / (between + (k - 1) * error)


def _average(single: FloatArray, k: int) -> FloatArray:
    """Spearman-Brown: reliability of the mean of k ratings."""
    with np.errstate(divide="ignore"):
        return k * single / (1.0 + (k - 1) * single)


def _one_way(ms: MeanSquares, level: float) -> Limits:
    return _one_error(ms, "ICC(1,1)", level)


def _consistency(ms: MeanSquares, level: float) -> Limits:
    return _one_error(ms, "ICC(3,1)", level)


def _one_error(ms: MeanSquares, form: IccForm, level: float) -> Limits:
    """Limits of the forms whose F ratio has one error mean square."""
    error, dof = error_term(ms, form)
    tail = (1.0 - level) / 2.0
    f_low = f_distribution.isf(tail, ms.n - 1, dof)
    f_high = f_distribution.isf(tail, dof, ms.n - 1)
    between = ms.between_subjects
    return Limits(
        _single(between, error, ms.k),
        _single(between, f_low * error, ms.k),
        _single(between, error / f_high, ms.k),
    )


def _absolute(ms: MeanSquares, level: float) -> Limits:
    """Two-way random, absolute agreement; letters as in Shrout & Fleiss: B, J, E mean squares."""
    n, k = ms.n, ms.k
    B, J, E = ms.between_subjects, ms.between_raters, ms.residual
    rho = absolute_agreement(ms)
    dof = satterthwaite_dof(rho, ms)
    tail = (1.0 - level) / 2.0
    f_low = f_distribution.isf(tail, n - 1, dof)
    f_high = f_distribution.isf(tail, dof, n - 1)
    spread = k * J + (k * n - k - n) * E
    low = n * (B - f_low * E) / (f_low * spread + n * B)
    high = n * (f_high * B - E) / (spread + n * f_high * B)
    return Limits(rho, low, high)
