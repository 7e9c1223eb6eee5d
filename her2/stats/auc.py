"""Area under the ROC curve, its DeLong variance and interval, and the curve itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from her2.errors import NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class AucInterval:
    """AUC with DeLong variance and Wald limits; `low` and `high` are clipped to [0, 1]."""

    auc: float
    variance: float
    low: float
    high: float


@dataclass(frozen=True)
class RocCurve:
    """ROC curve by ascending threshold, so that both rates run from 1 down to 0.

    thresholds: (m,), first -inf, last inf, midway between neighbouring scores otherwise;
    false_positive_rate, sensitivity: (m,), in [0, 1], with positive = score >= threshold.
    """

    thresholds: FloatArray
    false_positive_rate: FloatArray
    sensitivity: FloatArray


@dataclass(frozen=True)
class Placements:
    """For each positive, the negatives it beats; for each negative, the positives that beat it.

    Counts, a tie counting one half, so they are exact multiples of 0.5 in floating point.
    of_positives: (n_positive,), 0 to n_negative; of_negatives: (n_negative,), 0 to n_positive.
    """

    of_positives: FloatArray
    of_negatives: FloatArray

    @property
    def auc(self) -> float:
        """Share of (positive, negative) pairs that are ordered correctly."""
        n_pairs = self.of_positives.size * self.of_negatives.size
        return float(self.of_positives.sum() / n_pairs)

    @property
    def variance(self) -> float:
        """DeLong variance of the AUC; NaN with fewer than two cases in a class."""
        return placement_variance(self.of_positives, self.of_negatives)


def placements(positive: BoolArray, scores: FloatArray) -> Placements:
    """Placements from midranks, in O(n log n).

    References
    ----------
    Sun & Xu (2014), IEEE Signal Process. Lett. 21:1389, doi:10.1109/LSP.2014.2337313, eq. 9-10.
    """
    rank = rankdata(scores)
    above_negatives = rank[positive] - rankdata(scores[positive])
    above_positives = rank[~positive] - rankdata(scores[~positive])
    return Placements(above_negatives, positive.sum() - above_positives)


def placement_variance(of_positives: FloatArray, of_negatives: FloatArray) -> float:
    """DeLong variance of an AUC, or of a difference if given differences of placements.

    of_positives: (m,), of_negatives: (n,), both as counts. It is taken on the counts, which are
    exact, so that placements that all agree give exactly 0.

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases.
    """
    m, n = of_positives.size, of_negatives.size
    if min(m, n) < 2:
        raise NotEstimable(
            f"the DeLong variance needs 2 cases in each class, found {m} positive and "
            f"{n} negative; report the AUC without an interval or collect more cases"
        )
    between_positives = float(np.var(of_positives, ddof=1)) / n**2 / m
    between_negatives = float(np.var(of_negatives, ddof=1)) / m**2 / n
    return between_positives + between_negatives


def auc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Area under the ROC curve, ties counting one half; never flipped when below 0.5.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ.

    References
    ----------
    Hanley & McNeil (1982), Radiology 143:29, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    positive = validation.outcome(y_true)
    scores = validation.score(y_score, positive.size, name="y_score")
    return placements(positive, scores).auc


def auc_interval(y_true: ArrayLike, y_score: ArrayLike, *, level: float = 0.95) -> AucInterval:
    """AUC with its DeLong variance and Wald interval, as pROC's `ci.auc(method = "delong")`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    y_score
        Shape (n,), finite, higher = more likely positive. An AUC below 0.5 is not flipped.
    level
        Confidence level in (0, 1).

    Returns
    -------
    AucInterval
        Limits clipped to [0, 1]. Perfect separation has variance 0 and the interval [1, 1].

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ or the level is not in (0, 1).

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Sun & Xu (2014), IEEE Signal Process. Lett. 21:1389, doi:10.1109/LSP.2014.2337313.

    Examples
    --------
    >>> result = auc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.5, 0.35, 0.8, 0.9])
    >>> round(result.auc, 3), round(result.low, 3), result.high
    (0.778, 0.291, 1.0)
    """
    validation.check_level(level)
    positive = validation.outcome(y_true)
    placed = placements(positive, validation.score(y_score, positive.size, name="y_score"))
    variance = placed.variance
    half_width = float(norm.isf((1.0 - level) / 2.0)) * sqrt(variance)
    low, high = max(0.0, placed.auc - half_width), min(1.0, placed.auc + half_width)
    return AucInterval(placed.auc, variance, low, high)


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
    positive = validation.outcome(y_true)
    scores = validation.score(y_score, positive.size, name="y_score")
    thresholds, n_true, n_false = counts_at_thresholds(positive, scores)
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


def _midpoints(ascending: FloatArray) -> FloatArray:
    low, high = ascending[:-1], ascending[1:]
    middle = low / 2.0 + high / 2.0  # a sum of halves cannot overflow
    # between neighbouring floats the middle rounds to one of them, and must not be the lower one
    return np.where(middle > low, middle, high)


def n_at_or_above(values: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Values (n,) that reach each threshold (m,), as whole numbers of shape (m,)."""
    below = np.searchsorted(np.sort(values), thresholds, side="left")
    return np.asarray(values.size - below, dtype=np.float64)
