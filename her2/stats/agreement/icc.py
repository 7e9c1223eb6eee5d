"""Intraclass correlation of values that several readers measured on the same subjects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

IntArray = NDArray[np.intp]
IccForm = Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"]
_COLUMNS = ["value", "low", "high"]
_TOO_FEW = (
    "an ICC needs {} subjects that both readers measured, found {}; have the second reader "
    "measure more"
)

# a sum of squared rounding errors of ratings, relative to the sum of squared ratings
_ROUNDING = 1e-28


@dataclass(frozen=True)
class Icc:
    """Intraclass correlation.

    Attributes
    ----------
    value, low, high
        Estimate and confidence limits; each at most 1, and may be negative.
    """

    value: float
    low: float
    high: float


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
    NotEstimable, BadArgument
        As `icc`, but for what the notes say.

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
        with np.errstate(invalid="ignore"):
            found = _icc_limits(mean_squares(tables[usable]), form, level)
        limits[usable] = np.column_stack(found)
    # subjects who do not differ: minus infinity for a mean of k ratings, 0 / 0 for consistency
    notes[usable & ~np.isfinite(limits).all(axis=1)] = (
        "an ICC needs subjects that differ, found equal means; drop this feature"
    )
    limits[notes != ""] = np.nan
    return pd.DataFrame(limits, columns=_COLUMNS).assign(note=notes)


def icc_of_pairs(
    first: ArrayLike,
    second: ArrayLike,
    *more: ArrayLike,
    form: IccForm = "ICC(2,1)",
    level: float = 0.95,
    min_pairs: int = 2,
) -> pd.DataFrame:
    """Intraclass correlation of each feature of two readers, over the subjects both measured.

    Of more readers than two (or of changed masks in their place), over those all measured.

    Parameters
    ----------
    first, second, *more
        Shape (n_subjects, n_features), the same subjects and features; NaN or infinite where a
        reader has no value.
    form, level
        As in `icc`.
    min_pairs
        Fewest subjects with all values that a feature needs, at least 2.

    Returns
    -------
    DataFrame
        One row a feature: value, low, high, note, n_pairs, as in `icc_per_feature`.

    Raises
    ------
    BadArgument
        If the shapes differ or are not two-dimensional, the form is unknown, the level is not in
        (0, 1), or `min_pairs` is below 2.

    References
    ----------
    McGraw & Wong (1996), Psychol. Methods 1:30, doi:10.1037/1082-989X.1.1.30.

    Examples
    --------
    >>> second = [[1.0, 1.0], [2.0, 5.0], [4.0, float("nan")]]
    >>> found = icc_of_pairs([[1.0, 2.0], [2.0, 4.0], [4.0, 3.0]], second, min_pairs=3)
    >>> found["value"].tolist(), found["n_pairs"].tolist()
    ([1.0, nan], [3, 2])
    """
    pairs = _checked_pairs([first, second, *more], form, level, min_pairs)
    complete: BoolArray = np.asarray(np.isfinite(pairs).all(axis=2))
    n_pairs = complete.sum(axis=1)
    limits = np.full((len(pairs), len(_COLUMNS)), np.nan)
    notes = np.array([_TOO_FEW.format(min_pairs, n) for n in n_pairs], dtype=object)
    for rows, features in _same_subjects(complete, n_pairs >= min_pairs):
        part = icc_per_feature(pairs[np.ix_(features, rows)], form=form, level=level)
        limits[features], notes[features] = part[_COLUMNS], part["note"]
    return pd.DataFrame(limits, columns=_COLUMNS).assign(note=notes, n_pairs=n_pairs)


def _checked_pairs(
    readers: Sequence[ArrayLike], form: str, level: float, min_pairs: int
) -> FloatArray:
    """Values of shape (n_features, n_subjects, n_readers)."""
    validation.check_level(level)
    _check_form(form)
    tables = [np.asarray(values, dtype=np.float64) for values in readers]
    if tables[0].ndim != 2 or len({table.shape for table in tables}) > 1:
        raise BadArgument(
            "the readers' values must have one shape (n_subjects, n_features), found "
            f"{' and '.join(str(table.shape) for table in tables)}; align them by lesion and "
            "feature"
        )
    if min_pairs < 2:
        raise BadArgument(f"min_pairs must be at least 2, found {min_pairs}; 10 is usual")
    return np.stack([table.T for table in tables], axis=2)


def _same_subjects(complete: BoolArray, enough: BoolArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Rows of subjects, and features that have both values exactly there.

    complete: (p, n). Missing values come by whole lesions, so these groups are few.
    """
    features = np.flatnonzero(enough)
    if not features.size:
        return
    patterns, group = np.unique(complete[features], axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        yield np.flatnonzero(pattern), features[group.ravel() == i]


def _checked_ratings(ratings: ArrayLike, form: str, level: float) -> FloatArray:
    validation.check_level(level)
    _check_form(form)
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


def _check_form(form: str) -> None:
    if form not in get_args(IccForm):
        raise BadArgument(f"form must be one of {', '.join(get_args(IccForm))}, found {form!r}")


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


class _Limits(NamedTuple):
    """Values and confidence limits of m tables, each of shape (m,)."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


class MeanSquares(NamedTuple):
    """Mean squares (m,) of m tables of ratings by k raters of n subjects."""

    between_subjects: FloatArray
    between_raters: FloatArray
    within: FloatArray
    residual: FloatArray
    n: int
    k: int


def mean_squares(tables: FloatArray) -> MeanSquares:
    """Mean squares of the two-way analysis of variance of each table (m, n_subjects, n_raters).

    Sums of squares at the level of rounding noise count as 0, so that raters who agree exactly
    have no residual. Shrout & Fleiss (1979), Psychol. Bull. 86:420, table 1,
    doi:10.1037/0033-2909.86.2.420.
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
    """ICC(2,1) of each table, (m,), without its limits."""
    B, J, E = ms.between_subjects, ms.between_raters, ms.residual
    return np.asarray((B - E) / (B + (ms.k - 1) * E + ms.k * (J - E) / ms.n))


def _icc_limits(ms: MeanSquares, form: IccForm, level: float) -> _Limits:
    """Intraclass correlation of each table with its limits: McGraw & Wong (1996), table 7."""
    single = _absolute(ms, level) if form[4] == "2" else _one_error(ms, form, level)
    if form[6] == "1":
        return single
    with np.errstate(divide="ignore"):  # Spearman-Brown: reliability of the mean of k ratings
        return _Limits(*(ms.k * part / (1.0 + (ms.k - 1) * part) for part in single))


def _one_error(ms: MeanSquares, form: IccForm, level: float) -> _Limits:
    """Limits of the one-way and the consistency form, whose F ratio has one error mean square."""
    error, dof = ms.residual, (ms.n - 1) * (ms.k - 1)
    if form[4] == "1":
        error, dof = ms.within, ms.n * (ms.k - 1)
    f_low, f_high = _f_quantiles(ms.n - 1, dof, level)
    between = ms.between_subjects
    return _Limits(
        _single(between, error, ms.k),
        _single(between, f_low * error, ms.k),
        _single(between, error / f_high, ms.k),
    )


def _absolute(ms: MeanSquares, level: float) -> _Limits:
    """Two-way random, absolute agreement; letters as in Shrout & Fleiss: B, J, E mean squares."""
    n, k = ms.n, ms.k
    B, J, E = ms.between_subjects, ms.between_raters, ms.residual
    rho = absolute_agreement(ms)
    f_low, f_high = _f_quantiles(n - 1, _satterthwaite_dof(rho, ms), level)
    spread = k * J + (k * n - k - n) * E
    low = n * (B - f_low * E) / (f_low * spread + n * B)
    high = n * (f_high * B - E) / (spread + n * f_high * B)
    return _Limits(rho, low, high)


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
