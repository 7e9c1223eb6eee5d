"""The ROC curve: all its points, and counts at any threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class RocCurve:
    """ROC curve by ascending threshold, so that both rates run from 1 down to 0.

    Attributes
    ----------
    thresholds
        Shape (m,), first -inf, last inf, midway between neighbouring scores otherwise.
    false_positive_rate, sensitivity
        Shape (m,), in [0, 1], with positive = score >= threshold.
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
