"""Area under the ROC curve, with its DeLong variance and interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from her2.core.errors import NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

Counts = FloatArray | NDArray[np.int32]

_EDGE = 1e-9  # how near an AUC of 0 or 1 limits are sought


@dataclass(frozen=True)
class AucInterval:
    """AUC with its interval.

    Attributes
    ----------
    auc, low, high
        AUC and its limits, in [0, 1].
    variance
        DeLong's.
    """

    auc: float
    variance: float
    low: float
    high: float


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
    return scored_placements(y_true, y_score).auc


def auc_interval(y_true: ArrayLike, y_score: ArrayLike, *, level: float = 0.95) -> AucInterval:
    """AUC with its DeLong variance and Wald interval, as pROC's `ci.auc` where it is not 0 or 1.

    Parameters
    ----------
    y_true, y_score
        As in `auc`, with at least two cases of each class.
    level
        Confidence level in (0, 1).

    Returns
    -------
    AucInterval
        Limits are clipped to [0, 1]. Perfect separation has variance 0, which is no certainty:
        its other limit is Newcombe's (`limit_of_separation`).

    Raises
    ------
    NotEstimable, BadArgument
        As `auc`, and if a class has fewer than two cases or the level is not in (0, 1).

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Sun & Xu (2014), IEEE Signal Process. Lett. 21:1389, doi:10.1109/LSP.2014.2337313.
    Newcombe (2006), Stat. Med. 25:559, doi:10.1002/sim.2324 (method 5).

    Examples
    --------
    >>> result = auc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.5, 0.35, 0.8, 0.9])
    >>> round(result.auc, 3), round(result.low, 3), result.high
    (0.778, 0.291, 1.0)
    """
    z = validation.normal_quantile(level)
    placed = scored_placements(y_true, y_score)
    variance = placed.variance
    half_width = z * sqrt(variance)
    low, high = max(0.0, placed.auc - half_width), min(1.0, placed.auc + half_width)
    if placed.auc in (0.0, 1.0):
        sizes = placed.of_positives.size, placed.of_negatives.size
        limit = limit_of_separation(placed.auc, *sizes, quantile=z)
        low, high = min(low, limit), max(high, limit)
    return AucInterval(placed.auc, variance, low, high)


def scored_placements(y_true: ArrayLike, y_score: ArrayLike) -> Placements:
    """Placements of checked outcomes and scores."""
    return placements(*validation.outcome_and_score(y_true, y_score))


class Placements(NamedTuple):
    """For each positive, the negatives it beats; for each negative, the positives that beat it.

    Shapes (n_positive,) and (n_negative,), in the order of the cases. Counts, a tie counting one
    half, so they are exact multiples of 0.5 in floating point.
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
        """DeLong variance of the AUC; not estimable with fewer than two cases in a class."""
        return placement_variance(self.of_positives, self.of_negatives)


def placements(positive: BoolArray, scores: FloatArray) -> Placements:
    """Placements of cases (n,), both classes present, from a single sort, in O(n log n).

    Sun & Xu (2014), IEEE Signal Process. Lett. 21:1389, doi:10.1109/LSP.2014.2337313, eq. 9-10.
    """
    order = np.argsort(scores)
    is_positive, ascending = positive[order], scores[order]
    is_first = np.concatenate([[True], ascending[1:] != ascending[:-1]])  # of its ties
    positives_below, negatives_below = _below(is_positive, is_first)
    above = np.where(is_positive, negatives_below, np.int32(positive.sum()) - positives_below)
    placed = np.empty_like(above)
    placed[order] = above
    # by index: several times as fast as by mask
    by_class = (placed[np.flatnonzero(of)] for of in (positive, ~positive))
    return Placements(*(counts.astype(np.float64) for counts in by_class))


def _below(is_positive: BoolArray, is_first: BoolArray) -> tuple[Counts, Counts]:
    """Positives and negatives below each case of ascending score, (n,) each, a tie one half."""
    n = is_positive.size
    positives = np.cumsum(is_positive, dtype=np.int32)  # half as much memory to move
    if is_first.all():  # no ties: the usual case
        return positives, np.arange(1, n + 1, dtype=np.int32) - positives
    starts = np.flatnonzero(is_first)
    ends = np.append(starts[1:], n)
    up_to = np.concatenate([[0], positives])
    positives_below = (up_to[starts] + up_to[ends]) / 2.0
    negatives_below = (starts + ends) / 2.0 - positives_below
    sizes = ends - starts
    return np.repeat(positives_below, sizes), np.repeat(negatives_below, sizes)


def placement_variance(of_positives: FloatArray, of_negatives: FloatArray) -> float:
    """DeLong variance of an AUC, or of a difference if given differences of placements.

    It is taken on the counts, which are exact, so that placements that all agree give exactly 0.
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


def hanley_mcneil_variance(auc: float, n_positive: int, n_negative: int) -> float:
    """Variance of an AUC of scores of an exponential shape, in the form of Newcombe's method 5.

    Both classes count the mean of their sizes, so that neither score has to be exponential.

    Parameters
    ----------
    auc
        True AUC, in [0, 1].
    n_positive, n_negative
        Cases, at least 1 each.

    References
    ----------
    Hanley & McNeil (1982), Radiology 143:29, doi:10.1148/radiology.143.1.7063747.
    Newcombe (2006), Stat. Med. 25:559, doi:10.1002/sim.2324.

    Examples
    --------
    >>> round(hanley_mcneil_variance(0.5, 2, 2), 4)  # Mann-Whitney: 5 / (12 x 2 x 2)
    0.1042
    """
    others = (n_positive + n_negative) / 2.0 - 1.0
    shape = 1.0 + others * (1.0 - auc) / (2.0 - auc) + others * auc / (1.0 + auc)
    return auc * (1.0 - auc) * shape / (n_positive * n_negative)


def limit_of_separation(auc: float, n_positive: int, n_negative: int, *, quantile: float) -> float:
    """Limit on the inner side of an AUC of 0 or 1, where DeLong's variance is 0.

    Parameters
    ----------
    auc
        0 or 1.
    n_positive, n_negative
        Cases, at least 1 each.
    quantile
        How many standard errors the true AUC may be away.

    Returns
    -------
    float
        The true AUC that is just so far away by its own variance; 0.5 where all are nearer.

    References
    ----------
    Newcombe (2006), Stat. Med. 25:559, doi:10.1002/sim.2324 (method 5).

    Examples
    --------
    >>> round(limit_of_separation(1.0, 2, 3, quantile=1.96), 2)
    0.5
    """

    def excess(theta: float) -> float:
        variance = hanley_mcneil_variance(theta, n_positive, n_negative)
        return (auc - theta) ** 2 - quantile**2 * variance

    return float(brentq(excess, _EDGE, 1.0 - _EDGE)) if excess(0.5) > 0 else 0.5
