"""Which of two scores ranks better: DeLong's tests, and Holm's correction for several of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student_t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.discrimination.auc import (
    Placements,
    placement_variance,
    placements,
    scored_placements,
)
from her2.stats.validation import FloatArray


@dataclass(frozen=True)
class DelongTest:
    """Paired comparison of two AUCs.

    Attributes
    ----------
    auc_first, auc_second
        The AUCs.
    difference, z
        First minus second, and that over its standard error.
    p_value
        Two-sided.
    low, high
        Wald limits of the difference, which may leave [-1, 1], as pROC's.
    """

    auc_first: float
    auc_second: float
    difference: float
    z: float
    p_value: float
    low: float
    high: float


@dataclass(frozen=True)
class UnpairedDelongTest:
    """Comparison of the AUCs of two independent samples.

    Attributes
    ----------
    auc_first, auc_second
        The AUCs.
    difference
        First minus second.
    t, dof
        Statistic, and the Welch-type degrees of freedom of its t distribution.
    p_value
        Two-sided.
    """

    auc_first: float
    auc_second: float
    difference: float
    t: float
    dof: float
    p_value: float


def delong_test(
    y_true: ArrayLike, first: ArrayLike, second: ArrayLike, *, level: float = 0.95
) -> DelongTest:
    """DeLong's test of two scores of the same cases (paired), two-sided, in O(n log n).

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    first, second
        Shape (n,), finite, higher = more likely positive, in the order of `y_true`.
    level
        Confidence level of the limits of the difference, in (0, 1).

    Returns
    -------
    DelongTest
        z = 0 and p = 1 for scores that rank every pair alike, and for two perfect scores.

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, a score is missing or constant, or the AUCs differ
        while the estimated variance of the difference is 0.
    BadArgument
        If the shapes differ or the level is not in (0, 1).

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Sun & Xu (2014), IEEE Signal Process. Lett. 21:1389, doi:10.1109/LSP.2014.2337313.

    Examples
    --------
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> test = delong_test(y, [0.1, 0.4, 0.2, 0.3, 0.8, 0.9], [0.6, 0.4, 0.2, 0.3, 0.8, 0.5])
    >>> round(test.difference, 3), round(test.z, 3), round(test.p_value, 3)
    (0.222, 0.894, 0.371)
    """
    z = validation.normal_quantile(level)
    positive = validation.outcome(y_true)
    one = validation.score(first, positive.size, name="first score")
    two = validation.score(second, positive.size, name="second score")
    return _paired_test(placements(positive, one), placements(positive, two), z)


def _paired_test(one: Placements, two: Placements, quantile: float) -> DelongTest:
    """DeLong's test from the placements of two scores of the same cases."""
    difference = one.auc - two.auc
    # from the differences of the placements, not var + var - 2 cov: exactly 0 if they agree
    variance = placement_variance(
        one.of_positives - two.of_positives, one.of_negatives - two.of_negatives
    )
    z = _standardised(difference, variance)
    half_width = quantile * sqrt(variance)
    return DelongTest(
        auc_first=one.auc,
        auc_second=two.auc,
        difference=difference,
        z=z,
        p_value=float(2.0 * norm.sf(abs(z))),
        low=difference - half_width,
        high=difference + half_width,
    )


def delong_test_unpaired(
    y_true_first: ArrayLike, first: ArrayLike, y_true_second: ArrayLike, second: ArrayLike
) -> UnpairedDelongTest:
    """DeLong's test of two independent samples, two-sided, as pROC's `paired = FALSE`.

    Parameters
    ----------
    y_true_first, first
        Shape (n_first,): 0 or 1, and finite scores, higher = more likely positive.
    y_true_second, second
        Shape (n_second,): the same of the other sample.

    Returns
    -------
    UnpairedDelongTest
        For two perfect scores t = 0, p = 1 and dof = n_first + n_second - 2 (pROC gives NaN).

    Raises
    ------
    NotEstimable, BadArgument
        As `delong_test`.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Robin et al. (2011), BMC Bioinformatics 12:77, doi:10.1186/1471-2105-12-77.

    Examples
    --------
    >>> test = delong_test_unpaired([0, 0, 1, 1], [1, 3, 2, 4], [0, 0, 1, 1], [4, 2, 3, 1])
    >>> test.auc_first, test.auc_second, round(test.t, 3), round(test.dof, 3)
    (0.75, 0.25, 1.0, 6.0)
    """
    one = scored_placements(y_true_first, first)
    two = scored_placements(y_true_second, second)
    difference, v_one, v_two = one.auc - two.auc, one.variance, two.variance
    t = _standardised(difference, v_one + v_two)
    n_one, n_two = (x.of_positives.size + x.of_negatives.size for x in (one, two))
    dof = float(n_one + n_two - 2)
    if v_one + v_two > 0.0:
        dof = (v_one + v_two) ** 2 / (v_one**2 / (n_one - 1) + v_two**2 / (n_two - 1))
    p_value = float(2.0 * student_t.sf(abs(t), dof))
    return UnpairedDelongTest(one.auc, two.auc, difference, t, dof, p_value)


def holm(p_values: ArrayLike) -> FloatArray:
    """P-values adjusted by Holm's step-down method, in the given order.

    Parameters
    ----------
    p_values
        Shape (m,), each in [0, 1]; m may be 0.

    Returns
    -------
    ndarray
        Shape (m,), each in [0, 1] and not below its unadjusted value.

    Raises
    ------
    BadArgument
        If a value lies outside [0, 1] or is missing: adjust only the tests that were estimable.

    References
    ----------
    Holm (1979), Scand. J. Statist. 6:65, doi:10.2307/4615733.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = validation.vector(p_values, "p_values")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise BadArgument(
            "p_values must lie in [0, 1], found a missing or outside value; "
            "adjust only the tests that were estimable"
        )
    if p.size == 0:
        return p
    # statsmodels' function collects the garbage of the whole process each time: .4 s in a study
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def _standardised(difference: float, variance: float) -> float:
    """Difference over its standard error; 0 for no difference without variance."""
    if variance > 0.0:
        return difference / sqrt(variance)
    if difference == 0.0:
        return 0.0
    raise NotEstimable(
        f"the variance of an AUC difference must be positive, found 0 for {difference:g}; "
        "the sample is too small to compare these scores"
    )
