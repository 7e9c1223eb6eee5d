"""Hosmer-Lemeshow test of calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class HosmerLemeshow:
    """Result of the test.

    Attributes
    ----------
    statistic, dof, p_value
        Chi-square, its degrees of freedom, and the probability of a larger one.
    """

    statistic: float
    dof: int
    p_value: float


def hosmer_lemeshow(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    n_groups: int = 10,
    external: bool = False,
) -> HosmerLemeshow:
    """Hosmer-Lemeshow test over groups of similar predictions.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].
    n_groups
        Groups asked for. Tied predictions realise fewer, and the degrees of freedom follow the
        groups that were realised, as ResourceSelection's `hoslem.test` does since 0.3-6.
    external
        Whether the cases are others than the model was fitted on; then every non-empty group
        counts a degree of freedom, otherwise two fewer.

    Returns
    -------
    HosmerLemeshow
        The statistic is infinite and p = 0 if a group was given probability 0 (or 1) throughout
        and yet had an event (or a non-event).

    Raises
    ------
    NotEstimable
        If fewer than three groups are realised, a class is absent, or a prediction is missing.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1], or `n_groups` is below 2.

    References
    ----------
    Hosmer & Lemeshow (1980), Commun. Stat. Theory Methods 9:1043,
    doi:10.1080/03610928008827941.

    Examples
    --------
    >>> test = hosmer_lemeshow([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], n_groups=3)
    >>> round(test.statistic, 3), test.dof, round(test.p_value, 3)
    (1.04, 1, 0.308)
    """
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size)
    group = quantile_groups(p, n_groups)
    n_realised = int(group.max()) + 1
    if n_realised < 3:
        raise NotEstimable(
            f"the Hosmer-Lemeshow test needs 3 groups, found {n_realised} distinct ones in "
            f"{p.size} predictions; use more groups or another measure of calibration"
        )
    statistic = _statistic(positive, p, group)
    dof = n_realised if external else n_realised - 2
    return HosmerLemeshow(statistic, dof, float(chi2.sf(statistic, dof)))


def _statistic(positive: BoolArray, p: FloatArray, group: NDArray[np.intp]) -> float:
    expected = _sums(p, group)
    expected_negative = _sums(1.0 - p, group)  # exactly 0 where every prediction is exactly 1
    squared = (_sums(positive, group) - expected) ** 2
    return _sum_of_ratios(squared, expected) + _sum_of_ratios(squared, expected_negative)


def _sums(values: FloatArray | BoolArray, group: NDArray[np.intp]) -> FloatArray:
    return np.asarray(np.bincount(group, weights=values), dtype=np.float64)


def _sum_of_ratios(numerator: FloatArray, denominator: FloatArray) -> float:
    """Sum of ratios, 0 / 0 counting 0: nothing expected and nothing observed fits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = numerator / denominator
    return float(np.where(numerator == 0.0, 0.0, ratio).sum())


def quantile_groups(y_prob: FloatArray, n_groups: int) -> NDArray[np.intp]:
    """Group of each case, from 0, by R's ``cut(p, unique(quantile(p)), include.lowest = TRUE)``.

    Groups are closed on the right. Tied predictions make quantiles coincide, so fewer than
    `n_groups` groups may come out; empty ones are skipped in the numbering.

    Parameters
    ----------
    y_prob
        Shape (n,), finite.
    n_groups
        At least 2.

    Returns
    -------
    ndarray
        Shape (n,), whole numbers 0 to (number of groups - 1), ascending with `y_prob`.

    Raises
    ------
    BadArgument
        If fewer than two groups are asked for.
    NotEstimable
        If all predictions are equal.

    References
    ----------
    Hyndman & Fan (1996), Am. Stat. 50:361, doi:10.1080/00031305.1996.10473566, type 7.

    Examples
    --------
    >>> quantile_groups(np.array([0.1, 0.2, 0.2, 0.2, 0.9]), 3).tolist()
    [0, 0, 0, 0, 1]
    """
    if n_groups < 2:
        raise BadArgument(f"n_groups must be at least 2, found {n_groups}; 10 is usual")
    breaks = np.unique(type7_quantiles(y_prob, n_groups))
    if breaks.size < 2:
        raise NotEstimable(
            f"groups need predictions that differ, found {y_prob[0]:g} for all {y_prob.size}; "
            "a constant prediction has one group"
        )
    interval = np.maximum(np.searchsorted(breaks, y_prob, side="left"), 1)
    return np.unique(interval, return_inverse=True)[1]


def type7_quantiles(values: FloatArray, n_groups: int) -> FloatArray:
    """Quantiles 0, 1/g, ..., 1 of shape (g + 1,), with R's order of operations.

    A case that lies on a quantile falls left or right of it by one rounding error, so NumPy's
    quantile, which rounds in another order, would sometimes move it to another group.
    """
    ordered = np.sort(values)
    share = np.minimum(np.arange(n_groups + 1) * (1.0 / n_groups), 1.0)
    index = (1.0 + (ordered.size - 1) * share) - 1.0  # R counts from 1, and rounds there
    below = np.floor(index).astype(np.intp)
    above = np.ceil(index).astype(np.intp)
    weight = index - below
    mixed = (1.0 - weight) * ordered[below] + weight * ordered[above]
    tied = ordered[above] == ordered[below]
    return np.asarray(np.where(tied, ordered[below], mixed), dtype=np.float64)
