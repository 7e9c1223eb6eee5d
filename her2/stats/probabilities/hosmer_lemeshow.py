"""Hosmer-Lemeshow test of calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.probabilities.grouping import equal_count_groups, quantile_groups
from her2.stats.validation import BoolArray, FloatArray

Grouping = Literal["quantile", "equal_count"]


@dataclass(frozen=True)
class HosmerLemeshow:
    """Chi-square statistic, degrees of freedom and p-value."""

    statistic: float
    dof: int
    p_value: float


def hosmer_lemeshow(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    n_groups: int = 10,
    grouping: Grouping = "quantile",
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
    grouping
        "quantile": cut at the quantiles of the predictions, as `hoslem.test`. "equal_count": as
        equally filled as ties allow, as `Hmisc::cut2`.
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
        If the shapes differ, a prediction is outside [0, 1], `n_groups` is below 2 or the
        grouping is unknown.

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
    group = _groups(p, n_groups, grouping)
    n_realised = int(group.max()) + 1
    if n_realised < 3:
        raise NotEstimable(
            f"the Hosmer-Lemeshow test needs 3 groups, found {n_realised} distinct ones in "
            f"{p.size} predictions; use more groups or another measure of calibration"
        )
    statistic = _statistic(positive, p, group)
    dof = n_realised if external else n_realised - 2
    return HosmerLemeshow(statistic, dof, float(chi2.sf(statistic, dof)))


def _groups(p: FloatArray, n_groups: int, grouping: Grouping) -> NDArray[np.intp]:
    if grouping == "quantile":
        return quantile_groups(p, n_groups)
    if grouping == "equal_count":
        return equal_count_groups(p, n_groups)
    raise BadArgument(f"grouping must be 'quantile' or 'equal_count', found {grouping!r}")


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
