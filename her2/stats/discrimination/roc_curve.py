"""The ROC curve: all its points, points at a given coordinate, and the area under a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

Coordinate = Literal["specificity", "sensitivity", "threshold"]
Rate = Literal["specificity", "sensitivity"]


@dataclass(frozen=True)
class RocCurve:
    """ROC curve by ascending threshold, so that both rates run from 1 down to 0.

    thresholds: (m,), first -inf, last inf, midway between neighbouring scores otherwise;
    false_positive_rate, sensitivity: (m,), in [0, 1], with positive = score >= threshold.
    """

    thresholds: FloatArray
    false_positive_rate: FloatArray
    sensitivity: FloatArray


def roc_curve(y_true: ArrayLike, y_score: ArrayLike) -> RocCurve:
    """ROC curve at every threshold that classifies differently, as pROC's `coords(roc, "all")`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive.

    Returns
    -------
    RocCurve
        One point more than there are distinct scores.

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ.

    References
    ----------
    Robin et al. (2011), BMC Bioinformatics 12:77, doi:10.1186/1471-2105-12-77.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 1, 1], [1, 3, 2, 4])
    >>> curve.thresholds.tolist()
    [-inf, 1.5, 2.5, 3.5, inf]
    >>> curve.sensitivity.tolist()
    [1.0, 1.0, 0.5, 0.5, 0.0]
    """
    thresholds, n_true, n_false = counts_at_thresholds(*_checked(y_true, y_score))
    return RocCurve(thresholds, n_false / n_false[0], n_true / n_true[0])


def roc_coordinates(
    y_true: ArrayLike, y_score: ArrayLike, at: ArrayLike, *, along: Coordinate = "specificity"
) -> pd.DataFrame:
    """Points of the ROC curve at given coordinates, as pROC's `coords(roc, at, input = along)`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive.
    at
        Shape (m,): specificities or sensitivities in [0, 1], or thresholds.
    along
        What `at` holds.

    Returns
    -------
    DataFrame
        One row a value of `at`, in its order: threshold, specificity, sensitivity. Where a rate
        lies between two thresholds, the other one is read off the straight line that joins them
        and the threshold is missing: no single threshold gives it. Where several thresholds give
        the same rate, the one with the best other rate is taken.

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ, or `at` is missing or outside its range.

    References
    ----------
    Robin et al. (2011), BMC Bioinformatics 12:77, doi:10.1186/1471-2105-12-77.

    Examples
    --------
    >>> roc_coordinates([0, 0, 1, 1], [1, 3, 2, 4], [0.5, 0.75])
       threshold  specificity  sensitivity
    0        1.5         0.50          1.0
    1        NaN         0.75          0.5
    """
    positive, scores = _checked(y_true, y_score)
    values = _coordinates(at, along)
    if along == "threshold":
        return _at_thresholds(positive, scores, values)
    thresholds, specificity, sensitivity = _rates(positive, scores)
    if along == "specificity":  # ascending, so that the first of equals has the best sensitivity
        threshold, other = _read_off(values, specificity, sensitivity, thresholds)
        return _points(threshold, values, other)
    threshold, other = _read_off(values, sensitivity[::-1], specificity[::-1], thresholds[::-1])
    return _points(threshold, other, values)


def partial_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    low: float,
    high: float,
    along: Rate = "specificity",
    corrected: bool = False,
) -> float:
    """Area under the part of the ROC curve where a rate lies between two values, as pROC's.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive.
    low, high
        Limits of the rate, 0 <= low < high <= 1.
    along
        The rate that is limited.
    corrected
        Rescale with McClish's formula, so that 0.5 is chance and 1 is perfect.

    Returns
    -------
    float
        Uncorrected: 0 to high - low. Corrected: in [0.5, 1].

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal, or a corrected area
        is asked for and the curve runs below chance.
    BadArgument
        If the shapes differ or the limits are not 0 <= low < high <= 1.

    References
    ----------
    McClish (1989), Med. Decis. Making 9:190, doi:10.1177/0272989X8900900307.

    Examples
    --------
    >>> partial_auc([0, 0, 1, 1], [1, 3, 2, 4], low=0.5, high=1.0)
    0.25
    """
    if not 0.0 <= low < high <= 1.0:
        raise BadArgument(
            f"low and high must satisfy 0 <= low < high <= 1, found {low} and {high}; "
            "for specificity 0.9 to 1 pass low=0.9, high=1"
        )
    _, specificity, sensitivity = _rates(*_checked(y_true, y_score))
    if along == "specificity":
        area = _area(specificity, sensitivity, low, high)
    elif along == "sensitivity":
        area = _area(sensitivity[::-1], specificity[::-1], low, high)
    else:
        raise BadArgument(f"along must be 'specificity' or 'sensitivity', found {along!r}")
    return _mcclish(area, low, high) if corrected else area


def counts_at_thresholds(
    positive: BoolArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds (m,), and the true and false positives at each, (m,) whole numbers."""
    distinct = np.unique(scores)
    thresholds = np.concatenate([[-np.inf], _midpoints(distinct), [np.inf]])
    n_true = n_at_or_above(scores[positive], thresholds)
    n_false = n_at_or_above(scores[~positive], thresholds)
    return thresholds, n_true, n_false


def n_at_or_above(values: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Values (n,) that reach each threshold (m,), as whole numbers of shape (m,)."""
    below = np.searchsorted(np.sort(values), thresholds, side="left")
    return np.asarray(values.size - below, dtype=np.float64)


def _midpoints(ascending: FloatArray) -> FloatArray:
    low, high = ascending[:-1], ascending[1:]
    middle = low / 2.0 + high / 2.0  # a sum of halves cannot overflow
    # between neighbouring floats the middle rounds to one of them, and must not be the lower one
    return np.where(middle > low, middle, high)


def _checked(y_true: ArrayLike, y_score: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive = validation.outcome(y_true)
    return positive, validation.score(y_score, positive.size, name="y_score")


def _rates(positive: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds ascending, specificity ascending and sensitivity descending, (m,) each."""
    thresholds, n_true, n_false = counts_at_thresholds(positive, scores)
    # from the true negatives, not 1 - rate: a quotient of whole numbers equals its decimal
    return thresholds, (n_false[0] - n_false) / n_false[0], n_true / n_true[0]


def _coordinates(at: ArrayLike, along: Coordinate) -> FloatArray:
    values = validation.vector(np.atleast_1d(np.asarray(at, dtype=np.float64)), "at")
    if along not in ("specificity", "sensitivity", "threshold"):
        raise BadArgument(
            f"along must be 'specificity', 'sensitivity' or 'threshold', found {along!r}"
        )
    if np.isnan(values).any():
        raise BadArgument("at must be numbers, found a missing one; leave it out")
    if along != "threshold" and not ((values >= 0.0) & (values <= 1.0)).all():
        raise BadArgument(f"a {along} must lie in [0, 1], found one outside; pass a share")
    return values


def _at_thresholds(
    positive: BoolArray, scores: FloatArray, thresholds: FloatArray
) -> pd.DataFrame:
    true_positives = n_at_or_above(scores[positive], thresholds)
    false_positives = n_at_or_above(scores[~positive], thresholds)
    n_negative = positive.size - positive.sum()
    specificity = (n_negative - false_positives) / n_negative
    return _points(thresholds, specificity, true_positives / positive.sum())


def _read_off(
    values: FloatArray, ascending: FloatArray, other: FloatArray, thresholds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Threshold, missing between two of them, and the other rate at each value, (k,) each."""
    first = np.searchsorted(ascending, values, side="left")  # of the points at or above
    before = np.maximum(first - 1, 0)
    is_point = ascending[first] == values
    gap = np.where(is_point, 1.0, ascending[first] - ascending[before])
    share = np.where(is_point, 1.0, (values - ascending[before]) / gap)
    between = other[before] + share * (other[first] - other[before])
    threshold = np.where(is_point, thresholds[first], np.nan)
    return threshold, np.where(is_point, other[first], between)


def _points(
    threshold: FloatArray, specificity: FloatArray, sensitivity: FloatArray
) -> pd.DataFrame:
    return pd.DataFrame(
        {"threshold": threshold, "specificity": specificity, "sensitivity": sensitivity}
    )


def _area(ascending: FloatArray, other: FloatArray, low: float, high: float) -> float:
    """Area under the polygon `other` over `ascending` from low to high, by trapezia."""
    start, end = ascending[:-1], ascending[1:]
    left, right = np.clip(start, low, high), np.clip(end, low, high)
    width = np.where(end > start, end - start, 1.0)  # a vertical step has no area
    rise = (other[1:] - other[:-1]) / width
    middle = other[:-1] + rise * ((left + right) / 2.0 - start)
    return float(np.sum((right - left) * middle))


def _mcclish(area: float, low: float, high: float) -> float:
    best = high - low
    chance = best * (2.0 - low - high) / 2.0
    if area < chance:
        raise NotEstimable(
            f"the corrected partial AUC needs a curve above chance, found an area of {area:.4g} "
            f"where chance has {chance:.4g}; report the uncorrected area"
        )
    return (1.0 + (area - chance) / (best - chance)) / 2.0
