"""Mean squares of ratings, and the intraclass correlations and limits made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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
    """Mean squares of m tables of ratings.

    Attributes
    ----------
    between_subjects, between_raters, within, residual
        Shape (m,).
    n, k
        Subjects and raters of each table.
    """

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


def icc_limits(ms: MeanSquares, form: IccForm, level: float) -> Limits:
    """Intraclass correlation of each table with its limits: McGraw & Wong (1996), table 7."""
    single = _absolute(ms, level) if form[4] == "2" else _one_error(ms, form, level)
    if form[6] == "1":
        return single
    with np.errstate(divide="ignore"):  # Spearman-Brown: reliability of the mean of k ratings
        return Limits(*(ms.k * part / (1.0 + (ms.k - 1) * part) for part in single))


def _one_error(ms: MeanSquares, form: IccForm, level: float) -> Limits:
    """Limits of the one-way and the consistency form, whose F ratio has one error mean square."""
    error, dof = ms.residual, (ms.n - 1) * (ms.k - 1)
    if form[4] == "1":
        error, dof = ms.within, ms.n * (ms.k - 1)
    f_low, f_high = _f_quantiles(ms.n - 1, dof, level)
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
    f_low, f_high = _f_quantiles(n - 1, _satterthwaite_dof(rho, ms), level)
    spread = k * J + (k * n - k - n) * E
    low = n * (B - f_low * E) / (f_low * spread + n * B)
    high = n * (f_high * B - E) / (spread + n * f_high * B)
    return Limits(rho, low, high)


def _single(between: FloatArray, error: FloatArray, k: int) -> FloatArray:
    return (between - error) / (between + (k - 1) * error)


def _f_quantiles(dof: int, dof_of_error: FloatArray | int, level: float) -> tuple[Any, Any]:
    """Upper quantiles of F and of its reciprocal."""
    tail = (1.0 - level) / 2.0
    return (
        f_distribution.isf(tail, dof, dof_of_error),
        f_distribution.isf(tail, dof_of_error, dof),
    )


def _satterthwaite_dof(rho: FloatArray, ms: MeanSquares) -> FloatArray:
    """Degrees of freedom of the limits of ICC(2,1) = rho: McGraw & Wong (1996), table 7, v."""
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
