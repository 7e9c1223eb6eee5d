"""Mean of a sample with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from her2.core.errors import NotEstimable
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
