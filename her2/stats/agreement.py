"""How well readers agree: intraclass correlation of values, Dice overlap of masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from her2.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

IccForm = Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"]


Limits = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class Icc:
    """Intraclass correlation and its confidence limits; each at most 1, and may be negative."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class _MeanSquares:
    """Mean squares of m tables of n subjects by k raters; arrays of shape (m,)."""

    between_subjects: FloatArray
    between_raters: FloatArray
    within: FloatArray
    residual: FloatArray
    n: int
    k: int


def icc(ratings: ArrayLike, *, form: IccForm = "ICC(2,1)", level: float = 0.95) -> Icc:
    """Intraclass correlation of one table of ratings, as R's `psych::ICC(lmer = FALSE)`.

    Parameters
    ----------
    ratings
        Shape (n_subjects, n_raters), both at least 2, no missing value.
    form
        "ICC(1,1)" one-way, "ICC(2,1)" two-way random (absolute agreement), "ICC(3,1)" two-way
        mixed (consistency), of one rating; "ICC(1,k)" and so on of the mean of the k ratings.
    level
        Confidence level in (0, 1).

    Returns
    -------
    Icc
        1 with limits 1 for raters who agree perfectly on subjects who differ.

    Raises
    ------
    NotEstimable
        If all ratings are equal, a rating is missing, the table has fewer than two subjects or
        raters, or a mean over k ratings has subjects who do not differ at all.
    BadArgument
        If the form is unknown, the level is not in (0, 1), or the table is not two-dimensional.

    References
    ----------
    Shrout & Fleiss (1979), Psychol. Bull. 86:420, doi:10.1037/0033-2909.86.2.420.
    McGraw & Wong (1996), Psychol. Methods 1:30, doi:10.1037/1082-989X.1.1.30.

    Examples
    --------
    >>> first_subjects = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8]]
    >>> result = icc([*first_subjects, [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    >>> round(result.value, 3), round(result.low, 3), round(result.high, 3)
    (0.29, 0.019, 0.761)
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise BadArgument(
            f"ratings must have shape (n_subjects, n_raters), found {table.shape}; "
            "use icc_per_feature for several tables"
        )
    row = icc_per_feature(table[None], form=form, level=level).iloc[0]
    if row["note"]:
        raise NotEstimable(row["note"])
    return Icc(float(row["value"]), float(row["low"]), float(row["high"]))


def icc_per_feature(
    ratings: ArrayLike, *, form: IccForm = "ICC(2,1)", level: float = 0.95
) -> pd.DataFrame:
    """Intraclass correlation of many features at once.

    Parameters
    ----------
    ratings
        Shape (n_features, n_subjects, n_raters), at least 2 subjects and 2 raters.
    form, level
        As in `icc`.

    Returns
    -------
    DataFrame
        One row a feature: value, low, high, note. A feature that is not estimable has the reason
        in `note` and missing values; otherwise `note` is empty.

    Raises
    ------
    NotEstimable
        If there are fewer than two subjects or raters.
    BadArgument
        If the form is unknown, the level is not in (0, 1), or the array is not three-dimensional.

    References
    ----------
    McGraw & Wong (1996), Psychol. Methods 1:30, doi:10.1037/1082-989X.1.1.30.

    Examples
    --------
    >>> icc_per_feature([[[1, 1], [2, 2], [4, 4]], [[5, 5], [5, 5], [5, 5]]])["value"].tolist()
    [1.0, nan]
    """
    tables = _checked_ratings(ratings, form, level)
    notes = _reasons(tables)
    usable = notes == ""
    limits = np.full((len(tables), 3), np.nan)
    if usable.any():
        limits[usable] = np.column_stack(_limits(_mean_squares(tables[usable]), form, level))
    # the mean of k ratings of subjects who do not differ has an ICC of minus infinity
    notes[usable & ~np.isfinite(limits).all(axis=1)] = (
        "an ICC needs subjects that differ, found equal means; drop this feature"
    )
    limits[notes != ""] = np.nan
    return pd.DataFrame(limits, columns=["value", "low", "high"]).assign(note=notes)


def dice(first: ArrayLike, second: ArrayLike) -> float:
    """Dice overlap of two masks.

    Parameters
    ----------
    first, second
        Boolean arrays of one shape, True = inside.

    Returns
    -------
    float
        In [0, 1]; 1 = identical.

    Raises
    ------
    NotEstimable
        If both masks are empty.
    BadArgument
        If the shapes differ or a mask is not boolean.

    References
    ----------
    Dice (1945), Ecology 26:297, doi:10.2307/1932409.

    Examples
    --------
    >>> dice([True, True, False], [True, False, False])
    0.6666666666666666
    """
    a, b = _mask(first), _mask(second)
    if a.shape != b.shape:
        raise BadArgument(
            f"masks must have one shape, found {a.shape} and {b.shape}; resample one"
        )
    total = int(a.sum()) + int(b.sum())
    if total == 0:
        raise NotEstimable("the Dice overlap needs a non-empty mask, found two empty ones")
    return 2 * int((a & b).sum()) / total


def _mask(values: ArrayLike) -> BoolArray:
    mask = np.asarray(values)
    if mask.dtype != np.bool_:
        raise BadArgument(f"a mask must be boolean, found {mask.dtype}; compare it with its label")
    return mask


def _checked_ratings(ratings: ArrayLike, form: str, level: float) -> FloatArray:
    validation.check_level(level)
    if form not in get_args(IccForm):
        raise BadArgument(f"form must be one of {', '.join(get_args(IccForm))}, found {form!r}")
    tables = np.asarray(ratings, dtype=np.float64)
    if tables.ndim != 3:
        raise BadArgument(
            f"ratings must have shape (n_features, n_subjects, n_raters), found {tables.shape}"
        )
    if min(tables.shape[1:]) < 2:
        raise NotEstimable(
            f"an ICC needs 2 subjects and 2 raters, found {tables.shape[1]} and "
            f"{tables.shape[2]}; have a second reader rate more cases"
        )
    return tables


def _reasons(tables: FloatArray) -> np.ndarray:
    """Why each table has no ICC, empty where it has one; shape (m,)."""
    notes = np.full(len(tables), "", dtype=object)
    finite = np.isfinite(tables).all(axis=(1, 2))
    notes[~finite] = (
        "an ICC needs complete ratings, found a missing or infinite one; leave that subject out"
    )
    constant = tables.max(axis=(1, 2)) == tables.min(axis=(1, 2))
    notes[constant] = "an ICC needs ratings that differ, found one value; drop this feature"
    return notes


def _mean_squares(tables: FloatArray) -> _MeanSquares:
    _, n, k = tables.shape
    grand = tables.mean(axis=(1, 2), keepdims=True)
    of_subject = tables.mean(axis=2, keepdims=True)
    of_rater = tables.mean(axis=1, keepdims=True)
    subjects = k * ((of_subject - grand) ** 2).sum(axis=(1, 2))
    raters = n * ((of_rater - grand) ** 2).sum(axis=(1, 2))
    within = ((tables - of_subject) ** 2).sum(axis=(1, 2))
    residual = ((tables - of_subject - of_rater + grand) ** 2).sum(axis=(1, 2))
    return _MeanSquares(
        between_subjects=subjects / (n - 1),
        between_raters=raters / (k - 1),
        within=within / (n * (k - 1)),
        residual=residual / ((n - 1) * (k - 1)),
        n=n,
        k=k,
    )


def _limits(ms: _MeanSquares, form: IccForm, level: float) -> Limits:
    """Value, lower and upper limit, each of shape (m,)."""
    model, unit = form[4], form[6]
    single = {"1": _one_way, "2": _absolute, "3": _consistency}[model](ms, level)
    if unit == "1":
        return single
    return _average(single[0], ms.k), _average(single[1], ms.k), _average(single[2], ms.k)


def _single(between: FloatArray, error: FloatArray, k: int) -> FloatArray:
    return (between - error) / (between + (k - 1) * error)


def _average(single: FloatArray, k: int) -> FloatArray:
    """Spearman-Brown: reliability of the mean of k ratings."""
    with np.errstate(divide="ignore"):
        return k * single / (1.0 + (k - 1) * single)


def _one_way(ms: _MeanSquares, level: float) -> Limits:
    return _one_error(ms, ms.within, ms.n * (ms.k - 1), level)


def _consistency(ms: _MeanSquares, level: float) -> Limits:
    return _one_error(ms, ms.residual, (ms.n - 1) * (ms.k - 1), level)


def _one_error(ms: _MeanSquares, error: FloatArray, dof: int, level: float) -> Limits:
    """Limits of the forms whose F ratio has one error mean square, with `dof` degrees."""
    tail = (1.0 - level) / 2.0
    f_low = f_distribution.isf(tail, ms.n - 1, dof)
    f_high = f_distribution.isf(tail, dof, ms.n - 1)
    between = ms.between_subjects
    return (
        _single(between, error, ms.k),
        _single(between, f_low * error, ms.k),
        _single(between, error / f_high, ms.k),
    )


def _absolute(ms: _MeanSquares, level: float) -> Limits:
    """Two-way random, absolute agreement; letters as in Shrout & Fleiss: B, J, E mean squares."""
    n, k = ms.n, ms.k
    B, J, E = ms.between_subjects, ms.between_raters, ms.residual
    rho = (B - E) / (B + (k - 1) * E + k * (J - E) / n)
    dof = _satterthwaite(rho, ms)
    tail = (1.0 - level) / 2.0
    f_low = f_distribution.isf(tail, n - 1, dof)
    f_high = f_distribution.isf(tail, dof, n - 1)
    spread = k * J + (k * n - k - n) * E
    low = n * (B - f_low * E) / (f_low * spread + n * B)
    high = n * (f_high * B - E) / (spread + n * f_high * B)
    return rho, low, high


def _satterthwaite(rho: FloatArray, ms: _MeanSquares) -> FloatArray:
    """Approximate degrees of freedom, multiplied through by E squared so that E may be 0."""
    n, k = ms.n, ms.k
    J, E = ms.between_raters, ms.residual
    of_raters = k * rho * J
    of_residual = (n * (1.0 + (k - 1) * rho) - k * rho) * E
    numerator = (k - 1) * (n - 1) * (of_raters + of_residual) ** 2
    denominator = (n - 1) * of_raters**2 + of_residual**2
    # perfect agreement: both are 0, and the limits are 1 whatever the degrees of freedom
    safe = np.where(denominator > 0.0, denominator, 1.0)
    return np.where(denominator > 0.0, numerator / safe, (k - 1.0) * (n - 1.0))
