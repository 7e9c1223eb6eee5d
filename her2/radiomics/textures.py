"""Texture features of one grey-level image: matrices compiled by pyradiomics, its formulas.

The matrices come from `radiomics.cMatrices`; the formulas are those of pyradiomics' feature
classes, written once for the three families that share them (run lengths, zones, dependences).
Direction comes last, as there: (level, level, direction) or (level, size, direction).
"""

from __future__ import annotations

import numpy as np
from radiomics import cMatrices

from her2.radiomics.co_occurrence import co_occurrence_features
from her2.radiomics.grey_levels import GreyLevels
from her2.radiomics.roi import FloatArray
from her2.radiomics.size_matrix import SizeStatistics, size_statistics

_NEIGHBOURS = np.array([1])  # distances, in pixels
_IN_3D = (False, 0)  # not forced to two dimensions; of one slice only that is left anyhow


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
        "glrlm": _named(_run_statistics(grey), RUN_NAMES),
        "glszm": _named(_zone_statistics(grey), ZONE_NAMES),
        "gldm": _named(_dependence_statistics(grey), DEPENDENCE_NAMES),
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


def _run_statistics(grey: GreyLevels) -> SizeStatistics:
    longest = max(grey.image.shape)
    counts, _ = cMatrices.calculate_glrlm(grey.image, grey.mask, grey.highest, longest, *_IN_3D)
    return size_statistics(counts[0, grey.levels - 1], grey.levels)


def _zone_statistics(grey: GreyLevels) -> SizeStatistics:
    n_pixels = int(grey.counts.sum())
    counts = cMatrices.calculate_glszm(grey.image, grey.mask, grey.highest, n_pixels, *_IN_3D)
    return size_statistics(counts[0, grey.levels - 1, :, np.newaxis], grey.levels)


def _dependence_statistics(grey: GreyLevels) -> SizeStatistics:
    counts = cMatrices.calculate_gldm(grey.image, grey.mask, _NEIGHBOURS, grey.highest, 0, *_IN_3D)
    return size_statistics(counts[0, grey.levels - 1, :, np.newaxis], grey.levels)


def _tone_differences(grey: GreyLevels) -> FloatArray:
    """Return (n_levels, 3): pixels, sum of differences from the neighbourhood, grey level."""
    table = cMatrices.calculate_ngtdm(grey.image, grey.mask, _NEIGHBOURS, grey.highest, *_IN_3D)
    occurring: FloatArray = table[0][table[0, :, 0] > 0]
    return occurring


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


RUN_NAMES = {
    "GrayLevelNonUniformity": "level_non_uniformity",
    "GrayLevelNonUniformityNormalized": "level_non_uniformity_normalised",
    "GrayLevelVariance": "level_variance",
    "HighGrayLevelRunEmphasis": "high_level",
    "LongRunEmphasis": "large",
    "LongRunHighGrayLevelEmphasis": "large_high",
    "LongRunLowGrayLevelEmphasis": "large_low",
    "LowGrayLevelRunEmphasis": "low_level",
    "RunEntropy": "entropy",
    "RunLengthNonUniformity": "size_non_uniformity",
    "RunLengthNonUniformityNormalized": "size_non_uniformity_normalised",
    "RunPercentage": "percentage",
    "RunVariance": "size_variance",
    "ShortRunEmphasis": "small",
    "ShortRunHighGrayLevelEmphasis": "small_high",
    "ShortRunLowGrayLevelEmphasis": "small_low",
}
ZONE_NAMES = {
    "GrayLevelNonUniformity": "level_non_uniformity",
    "GrayLevelNonUniformityNormalized": "level_non_uniformity_normalised",
    "GrayLevelVariance": "level_variance",
    "HighGrayLevelZoneEmphasis": "high_level",
    "LargeAreaEmphasis": "large",
    "LargeAreaHighGrayLevelEmphasis": "large_high",
    "LargeAreaLowGrayLevelEmphasis": "large_low",
    "LowGrayLevelZoneEmphasis": "low_level",
    "SizeZoneNonUniformity": "size_non_uniformity",
    "SizeZoneNonUniformityNormalized": "size_non_uniformity_normalised",
    "SmallAreaEmphasis": "small",
    "SmallAreaHighGrayLevelEmphasis": "small_high",
    "SmallAreaLowGrayLevelEmphasis": "small_low",
    "ZoneEntropy": "entropy",
    "ZonePercentage": "percentage",
    "ZoneVariance": "size_variance",
}
DEPENDENCE_NAMES = {
    "DependenceEntropy": "entropy",
    "DependenceNonUniformity": "size_non_uniformity",
    "DependenceNonUniformityNormalized": "size_non_uniformity_normalised",
    "DependenceVariance": "size_variance",
    "GrayLevelNonUniformity": "level_non_uniformity",
    "GrayLevelVariance": "level_variance",
    "HighGrayLevelEmphasis": "high_level",
    "LargeDependenceEmphasis": "large",
    "LargeDependenceHighGrayLevelEmphasis": "large_high",
    "LargeDependenceLowGrayLevelEmphasis": "large_low",
    "LowGrayLevelEmphasis": "low_level",
    "SmallDependenceEmphasis": "small",
    "SmallDependenceHighGrayLevelEmphasis": "small_high",
    "SmallDependenceLowGrayLevelEmphasis": "small_low",
}


def _named(statistics: SizeStatistics, names: dict[str, str]) -> dict[str, float]:
    return {feature: float(getattr(statistics, field)) for feature, field in names.items()}
