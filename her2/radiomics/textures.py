"""Texture features of one grey-level image: matrices compiled by pyradiomics, its formulas.

The matrices come from `radiomics.cMatrices`; the formulas are those of pyradiomics' feature
classes, written once for the three families that share them (run lengths, zones, dependences).
Direction comes last, as there: (level, level, direction) or (level, size, direction).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from radiomics import cMatrices

from her2.radiomics.co_occurrence import co_occurrence_features
from her2.radiomics.grey_levels import GreyLevels
from her2.radiomics.roi import FloatArray

_EPS = np.spacing(1)
_NEIGHBOURS = np.array([1])  # distances, in pixels
_IN_3D = (False, 0)  # not forced to two dimensions; of one slice only that is left anyhow

# the 16 statistics of sizes in their order; None where a family has no such feature
RUNS = (
    "ShortRunEmphasis", "LongRunEmphasis", "LowGrayLevelRunEmphasis", "HighGrayLevelRunEmphasis",
    "ShortRunLowGrayLevelEmphasis", "LongRunLowGrayLevelEmphasis",
    "ShortRunHighGrayLevelEmphasis", "LongRunHighGrayLevelEmphasis",
    "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized", "GrayLevelVariance", "RunVariance", "RunEntropy",
    "RunPercentage",
)  # fmt: skip
ZONES = (
    "SmallAreaEmphasis", "LargeAreaEmphasis", "LowGrayLevelZoneEmphasis",
    "HighGrayLevelZoneEmphasis", "SmallAreaLowGrayLevelEmphasis", "LargeAreaLowGrayLevelEmphasis",
    "SmallAreaHighGrayLevelEmphasis", "LargeAreaHighGrayLevelEmphasis",
    "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized", "GrayLevelVariance", "ZoneVariance", "ZoneEntropy",
    "ZonePercentage",
)  # fmt: skip
DEPENDENCES = (
    "SmallDependenceEmphasis", "LargeDependenceEmphasis", "LowGrayLevelEmphasis",
    "HighGrayLevelEmphasis", "SmallDependenceLowGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis", "SmallDependenceHighGrayLevelEmphasis",
    "LargeDependenceHighGrayLevelEmphasis", "GrayLevelNonUniformity", None,
    "DependenceNonUniformity", "DependenceNonUniformityNormalized", "GrayLevelVariance",
    "DependenceVariance", "DependenceEntropy", None,
)  # fmt: skip


def texture_features(grey: GreyLevels) -> dict[str, float]:
    """Return the 73 texture features, names ``<family>_<feature>`` as pyradiomics'.

    A feature is NaN where pyradiomics gives NaN: without any two neighbouring pixels there is no
    co-occurrence, and without two in a row no run.

    References
    ----------
    van Griethuysen JJM et al. Cancer Res 2017;77:e104. doi:10.1158/0008-5472.CAN-17-0339
    """
    families = {
        "glcm": co_occurrence_features(_co_occurrences(grey), grey.levels, grey.highest),
        "glrlm": _by_name(RUNS, _run_statistics(grey)),
        "glszm": _by_name(ZONES, _zone_statistics(grey)),
        "gldm": _by_name(DEPENDENCES, _dependence_statistics(grey)),
        "ngtdm": tone_difference_features(_tone_differences(grey)),
    }
    return {
        f"{family}_{name}": value
        for family, features in families.items()
        for name, value in features.items()
    }


def _co_occurrences(grey: GreyLevels) -> FloatArray:
    """Return counts (n_levels, n_levels, n_directions) of the levels that occur."""
    counts, _ = cMatrices.calculate_glcm(grey.image, grey.mask, _NEIGHBOURS, grey.highest, *_IN_3D)
    rows = grey.levels - 1
    chosen: FloatArray = counts[0][np.ix_(rows, rows)]
    return chosen


def _run_statistics(grey: GreyLevels) -> FloatArray:
    longest = max(grey.image.shape)
    counts, _ = cMatrices.calculate_glrlm(grey.image, grey.mask, grey.highest, longest, *_IN_3D)
    return size_statistics(counts[0, grey.levels - 1], grey.levels)


def _zone_statistics(grey: GreyLevels) -> FloatArray:
    n_pixels = int(grey.counts.sum())
    counts = cMatrices.calculate_glszm(grey.image, grey.mask, grey.highest, n_pixels, *_IN_3D)
    return size_statistics(counts[0, grey.levels - 1, :, np.newaxis], grey.levels)


def _dependence_statistics(grey: GreyLevels) -> FloatArray:
    counts = cMatrices.calculate_gldm(grey.image, grey.mask, _NEIGHBOURS, grey.highest, 0, *_IN_3D)
    return size_statistics(counts[0, grey.levels - 1, :, np.newaxis], grey.levels)


def _tone_differences(grey: GreyLevels) -> FloatArray:
    """Return (n_levels, 3): pixels, sum of differences from the neighbourhood, grey level."""
    table = cMatrices.calculate_ngtdm(grey.image, grey.mask, _NEIGHBOURS, grey.highest, *_IN_3D)
    occurring: FloatArray = table[0][table[0, :, 0] > 0]
    return occurring


def size_statistics(counts: FloatArray, levels: NDArray[np.int64]) -> FloatArray:
    """Return the 16 statistics of a matrix of grey level against size, in the order of `RUNS`.

    pyradiomics' formulas for its families glrlm, glszm and gldm, which differ in names only. With
    P(i, j, d) the number of runs of grey level i and length j in direction d, each statistic is
    computed for every direction and then averaged; zones and dependences have one direction.

    Parameters
    ----------
    counts
        (n_levels, n_sizes, n_directions), number of elements by grey level, size (column 0 is
        size 1) and direction; directions without any element are left out of the mean.
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

    >>> values = size_statistics(np.array([[[2.0], [0]], [[0], [1]]]), np.array([1, 2]))
    >>> dict(zip(RUNS, values.tolist()))["RunPercentage"]
    0.75
    """
    by_size = counts.sum(axis=0)
    directions, sizes = by_size.any(axis=0), by_size.any(axis=1)
    if not directions.any():
        return np.full(len(RUNS), np.nan)
    counts = counts[:, sizes][..., directions]
    j = 1 + np.flatnonzero(sizes).astype(np.float64)
    by_size, i = by_size[sizes][:, directions], levels.astype(np.float64)
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
    return np.asarray(np.array(values).mean(axis=1))


def _variance(p: FloatArray, values: FloatArray) -> FloatArray:
    """Return the variance of values (n,) under probabilities (n, n_directions)."""
    mean = values @ p
    variance: FloatArray = (p * (values[:, np.newaxis] - mean) ** 2).sum(axis=0)
    return variance


def tone_difference_features(table: FloatArray) -> dict[str, float]:
    """Return the features of a neighbouring grey tone difference matrix (n_levels, 3).

    References
    ----------
    Amadasun M, King R. IEEE Trans Syst Man Cybern 1989;19:1264. doi:10.1109/21.44046
    """
    n, s, i = table.T
    p = n / n.sum()
    between = np.abs(i[:, np.newaxis] - i)
    p_sum = p[:, np.newaxis] + p
    ps = p * s
    busy = float(np.abs((i * p)[:, np.newaxis] - i * p).sum())
    pairs = len(i) * (len(i) - 1)
    coarse, total = float(ps.sum()), float(s.sum())
    spread = float((p[:, np.newaxis] * p * between**2).sum()) * total / n.sum()
    return {
        "Busyness": coarse / busy if busy else 0.0,
        "Coarseness": 1 / coarse if coarse else 1e6,
        "Complexity": float((between * (ps[:, np.newaxis] + ps) / p_sum).sum() / n.sum()),
        "Contrast": float(spread / pairs) if pairs else 0.0,
        "Strength": float((p_sum * between**2).sum()) / total if total else 0.0,
    }


def _by_name(names: tuple[str | None, ...], values: FloatArray) -> dict[str, float]:
    return {name: x for name, x in zip(names, values.tolist(), strict=True) if name}
