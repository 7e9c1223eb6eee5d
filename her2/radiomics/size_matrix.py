"""Statistics of a matrix of grey level against size: of runs, zones or dependences.

pyradiomics' formulas for its families glrlm, glszm and gldm, which differ in names only. With
P(i, j, d) the number of runs of grey level i and length j in direction d, each statistic is
computed for every direction and then averaged; zones and dependences have one direction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from her2.radiomics.roi import FloatArray

_EPS = np.spacing(1)


@dataclass(frozen=True)
class SizeStatistics:
    """Statistics over runs, zones or dependences; means over directions."""

    small: float
    large: float
    low_level: float
    high_level: float
    small_low: float
    large_low: float
    small_high: float
    large_high: float
    level_non_uniformity: float
    level_non_uniformity_normalised: float
    size_non_uniformity: float
    size_non_uniformity_normalised: float
    level_variance: float
    size_variance: float
    entropy: float
    percentage: float


def size_statistics(counts: FloatArray, levels: NDArray[np.int64]) -> SizeStatistics:
    """Return the statistics of counts (n_levels, n_sizes, n_directions).

    Parameters
    ----------
    counts
        Number of elements by grey level, size (column 0 is size 1) and direction; directions
        without any element are left out of the mean.
    levels
        (n_levels,) grey levels of the rows.

    References
    ----------
    Galloway MM. Comput Graph Image Process 1975;4:172. doi:10.1016/S0146-664X(75)80008-6
    Thibault G et al. IEEE Trans Biomed Eng 2014;61:630. doi:10.1109/TBME.2013.2284600
    Sun C, Wee WG. Comput Vis Graph Image Process 1983;23:341. doi:10.1016/0734-189X(83)90032-4

    Examples
    --------
    Two single pixels of level 1 and a run of two pixels of level 2:

    >>> found = size_statistics(np.array([[[2.0], [0]], [[0], [1]]]), np.array([1, 2]))
    >>> found.large, found.percentage
    (2.0, 0.75)
    """
    by_size = counts.sum(axis=0)
    directions, sizes = by_size.any(axis=0), by_size.any(axis=1)
    if not directions.any():
        return SizeStatistics(*(float("nan") for _ in fields(SizeStatistics)))
    counts = counts[:, sizes][..., directions]
    j = 1 + np.flatnonzero(sizes).astype(np.float64)
    return _statistics(counts, by_size[sizes][:, directions], levels.astype(np.float64), j)


def _statistics(
    counts: FloatArray, by_size: FloatArray, i: FloatArray, j: FloatArray
) -> SizeStatistics:
    """Return the means over directions, in the order of the fields."""
    by_level = counts.sum(axis=1)
    n = by_level.sum(axis=0)
    by_i, by_j = np.array([1 / i**2, i**2]), np.array([1 / j**2, j**2])  # low, high; small, large
    weighted = (by_i @ counts.reshape(len(i), -1)).reshape(2, len(j), -1)
    p = counts / n
    sums = [
        *(by_j @ by_size),
        *(by_i @ by_level),
        *(by_j @ weighted).reshape(4, -1),
        (by_level**2).sum(axis=0),
        (by_level**2).sum(axis=0) / n,
        (by_size**2).sum(axis=0),
        (by_size**2).sum(axis=0) / n,
    ]
    values = [
        *(np.array(sums) / n),
        _variance(by_level / n, i),
        _variance(by_size / n, j),
        -(p * np.log2(p + _EPS)).sum(axis=(0, 1)),
        n / (j @ by_size),
    ]
    return SizeStatistics(*np.array(values).mean(axis=1).tolist())


def _variance(p: FloatArray, values: FloatArray) -> FloatArray:
    """Return the variance of values (n,) under probabilities (n, n_directions)."""
    mean = values @ p
    variance: FloatArray = (p * (values[:, np.newaxis] - mean) ** 2).sum(axis=0)
    return variance
