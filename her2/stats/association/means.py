"""Mean of a sample with its interval; how far apart two groups are, whatever their size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation


@dataclass(frozen=True)
class MeanInterval:
    """Mean of a sample.

    Attributes
    ----------
    n
        Values.
    mean, low, high
        Mean and its confidence limits.
    """

    n: int
    mean: float
    low: float
    high: float


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> MeanInterval:
    """Mean with Student's interval.

    Parameters
    ----------
    values
        Shape (n,), finite, of independent cases.
    level
        Confidence level in (0, 1).

    Raises
    ------
    NotEstimable
        If there are fewer than two values, all are equal, or one is not finite.
    BadArgument
        If `level` is outside (0, 1).

    References
    ----------
    Student (1908), Biometrika 6:1, doi:10.1093/biomet/6.1.1.

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0])
    >>> found.n, found.mean, round(found.low, 3), round(found.high, 3)
    (3, 2.0, -0.484, 4.484)
    """
    validation.check_level(level)
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise NotEstimable(
            f"the interval of a mean needs two or more finite values, found {sample.size} of "
            f"which {int(np.isfinite(sample).sum())} are finite"
        )
    if sample.min() == sample.max():
        raise NotEstimable(f"the interval of a mean needs values that differ, found {sample[0]:g}")
    mean = float(sample.mean())
    error = float(sample.std(ddof=1)) / sample.size**0.5
    half = float(t.ppf((1 + level) / 2, sample.size - 1)) * error
    return MeanInterval(sample.size, mean, mean - half, mean + half)


def standardised_difference(first: ArrayLike, second: ArrayLike) -> float:
    """Difference of two means (first - second) in units of the common standard deviation.

    The unit is the root of the mean of the two variances. Beyond 0.1 in size it is usually called
    an imbalance; unlike a p-value it does not grow with the number of patients.

    Parameters
    ----------
    first, second
        Shapes (n1,) and (n2,), finite, at least two values each.

    Raises
    ------
    NotEstimable
        If a group has fewer than two values, a value is missing or neither group varies.

    References
    ----------
    Austin (2009), Stat. Med. 28:3083, doi:10.1002/sim.3697.

    Examples
    --------
    >>> standardised_difference([1, 2, 3], [2, 3, 4])
    -1.0
    """
    x, y = validation.vector(first, "first"), validation.vector(second, "second")
    if min(x.size, y.size) < 2:
        raise NotEstimable("fewer than 2 values in a group")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise NotEstimable("a value is missing or infinite")
    unit = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    if (x.min() == x.max() and y.min() == y.max()) or not unit > 0.0:
        raise NotEstimable("values do not vary within the groups")
    return float((x.mean() - y.mean()) / unit)


def standardised_difference_of_shares(first: ArrayLike, second: ArrayLike) -> float:
    """Distance of two groups over the levels of a category, at least 0.

    The Mahalanobis distance of their multinomial shares; for two levels the difference of two
    shares in units of their common standard deviation.

    Parameters
    ----------
    first, second
        Shape (n_levels,): cases at each level, in the same order.

    Raises
    ------
    BadArgument
        If the counts are not two rows of equal length of at least 0.
    NotEstimable
        If a group is empty, or the groups share no level: the distance is infinite.

    References
    ----------
    Austin (2009), Stat. Med. 28:3083, doi:10.1002/sim.3697.
    Yang & Dalton (2012), SAS Global Forum, paper 335-2012.

    Examples
    --------
    >>> round(standardised_difference_of_shares([44, 96], [15, 46]), 3)
    0.153
    """
    rows = validation.vector(first, "first"), validation.vector(second, "second")
    if rows[0].size != rows[1].size:
        raise BadArgument(f"both need one count a level, found {rows[0].size} and {rows[1].size}")
    counts = np.array(rows)
    if not (counts >= 0).all():
        raise BadArgument("counts must be at least 0, found a smaller one; count the cases")
    if (counts.sum(axis=1) == 0).any():
        raise NotEstimable("an empty group")
    if not (counts > 0).all(axis=0).any():
        raise NotEstimable("the groups share no level")
    shares = counts[:, counts.sum(axis=0) > 0]
    shares = (shares / shares.sum(axis=1, keepdims=True))[:, 1:]  # the first follows from the rest
    covariance = sum(np.diag(p) - np.outer(p, p) for p in shares) / 2
    difference = shares[0] - shares[1]
    return float(np.sqrt(difference @ np.linalg.solve(covariance, difference)))
