"""Texture features of one grey-level image: matrices compiled by pyradiomics, its formulas.

The matrices come from `radiomics.cMatrices`; the formulas are those of pyradiomics' feature
classes, written once for the three families that share them (run lengths, zones, dependences).
Direction comes last, as there: (level, level, direction) or (level, size, direction).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from radiomics import cMatrices

from her2.radiomics.parameters import DEPENDENCES, FAMILIES, RUNS, ZONES
from her2.radiomics.roi import FloatArray, GreyLevels

_EPS = np.spacing(1)
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
    image, mask, highest, rows = grey.image, grey.mask, grey.highest, grey.levels - 1
    near = (image, mask, _NEIGHBOURS, highest)
    pairs, _ = cMatrices.calculate_glcm(*near, *_IN_3D)
    runs, _ = cMatrices.calculate_glrlm(image, mask, highest, max(image.shape), *_IN_3D)
    zones = cMatrices.calculate_glszm(image, mask, highest, int(grey.counts.sum()), *_IN_3D)
    dependences = cMatrices.calculate_gldm(*near, 0, *_IN_3D)
    tones = cMatrices.calculate_ngtdm(*near, *_IN_3D)[0]
    families = {
        "glcm": co_occurrence_features(pairs[0][np.ix_(rows, rows)], grey.levels, highest),
        "glrlm": _by_name(RUNS, runs[0, rows], grey),
        "glszm": _by_name(ZONES, zones[0, rows, :, np.newaxis], grey),
        "gldm": _by_name(DEPENDENCES, dependences[0, rows, :, np.newaxis], grey),
        "ngtdm": tone_difference_features(tones[tones[:, 0] > 0]),
    }
    return {
        f"{family}_{name}": value
        for family, features in families.items()
        for name, value in features.items()
    }


def size_statistics(counts: FloatArray, levels: NDArray[np.int64]) -> FloatArray:
    """Return the 16 statistics of a matrix of grey level against size, in the order of `RUNS`.

    pyradiomics' formulas for its families glrlm, glszm and gldm, which differ in names only. With
    P(i, j, d) the number of runs of grey level i and length j in direction d, each statistic is
    computed for every direction and then averaged; zones and dependences have one direction.
    `counts` are (n_levels, n_sizes, n_directions), column 0 of size 1; directions without any
    element are left out of the mean. `levels` (n_levels,) are the grey levels of the rows.

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
    """Return the features of neighbouring grey tone differences, from a table (n_levels, 3).

    Columns: pixels, sum of their differences from the neighbourhood, grey level.

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


def _by_name(
    names: tuple[str | None, ...], counts: FloatArray, grey: GreyLevels
) -> dict[str, float]:
    values = size_statistics(counts, grey.levels).tolist()
    return {name: x for name, x in zip(names, values, strict=True) if name}


def co_occurrence_features(
    counts: FloatArray, levels: NDArray[np.int64], n_grey: int
) -> dict[str, float]:
    """Return the 22 features: of every direction, then averaged; NaN without two neighbours.

    `counts` (n, n, n_directions) are pairs of neighbours, one direction each way, of the grey
    `levels` (n,); `n_grey` is the highest level.

    References
    ----------
    Haralick RM et al. IEEE Trans Syst Man Cybern 1973;3:610. doi:10.1109/TSMC.1973.4309314

    Examples
    --------
    >>> pairs = np.array([[[2.0], [1.0]], [[0.0], [1.0]]])
    >>> round(co_occurrence_features(pairs, np.array([1, 2]), 2)["Contrast"], 3)
    0.25
    """
    both_ways = counts + counts.transpose(1, 0, 2)
    totals = both_ways.sum(axis=(0, 1))
    if not totals.any():
        return dict.fromkeys(FAMILIES["glcm"], float("nan"))
    p = np.ascontiguousarray(both_ways[..., totals > 0] / totals[totals > 0])
    i = levels.astype(np.float64)
    mean = i @ p.sum(axis=1)
    sums = _grouped(p, levels[:, np.newaxis] + levels - 2, 2 * n_grey - 1)
    differences = _grouped(p, np.abs(levels[:, np.newaxis] - levels), n_grey)
    features = {
        **_joint(p, i, mean), **_of_sums(sums, mean), **_of_differences(differences),
        **_information(p),
    }  # fmt: skip
    means = np.nanmean(np.array(list(features.values())), axis=1)
    return dict(zip(features, means.tolist(), strict=True))


def _grouped(p: FloatArray, group: NDArray[np.int64], n_groups: int) -> FloatArray:
    """Return the sums of p (n, n, n_d) over pairs of the same group, (n_groups, n_d)."""
    n_d = p.shape[2]
    cell = group[..., np.newaxis] * n_d + np.arange(n_d)
    sums = np.bincount(cell.ravel(), weights=p.ravel(), minlength=n_groups * n_d)
    return np.asarray(sums, dtype=np.float64).reshape(n_groups, n_d)


def _joint(p: FloatArray, i: FloatArray, mean: FloatArray) -> dict[str, FloatArray]:
    centred = i[:, np.newaxis] - mean  # (n, n_d)
    variance = (p.sum(axis=1) * centred**2).sum(axis=0)
    covariance = np.einsum("ijd,id,jd->d", p, centred, centred)
    correlation = covariance / (variance + _EPS)
    correlation[variance == 0] = 1
    return {
        "Autocorrelation": np.einsum("ijd,i,j->d", p, i, i),
        "JointAverage": mean,
        "Correlation": correlation,
        "JointEnergy": (p**2).sum(axis=(0, 1)),
        "MaximumProbability": p.max(axis=(0, 1)),
        "SumSquares": variance,
    }


def _of_sums(sums: FloatArray, mean: FloatArray) -> dict[str, FloatArray]:
    """Return what depends on i + j, from probabilities (2 n_grey - 1, n_d) of the sums from 2."""
    k = np.arange(2.0, len(sums) + 2)[:, np.newaxis]
    centred = k - 2 * mean
    return {
        "ClusterTendency": (sums * centred**2).sum(axis=0),
        "ClusterShade": (sums * centred**3).sum(axis=0),
        "ClusterProminence": (sums * centred**4).sum(axis=0),
        "SumEntropy": -(sums * np.log2(sums + _EPS)).sum(axis=0),
    }


def _of_differences(differences: FloatArray) -> dict[str, FloatArray]:
    """Return what depends on |i - j|, from probabilities (n_grey, n_d) of the differences."""
    n_grey = len(differences)
    k = np.arange(float(n_grey))
    average = k @ differences
    centred = k[:, np.newaxis] - average
    return {
        "Contrast": k**2 @ differences,
        "DifferenceAverage": average,
        "DifferenceEntropy": -(differences * np.log2(differences + _EPS)).sum(axis=0),
        "DifferenceVariance": (differences * centred**2).sum(axis=0),
        "Idm": (1 / (1 + k**2)) @ differences,
        "Idmn": (1 / (1 + k**2 / n_grey**2)) @ differences,
        "Id": (1 / (1 + k)) @ differences,
        "Idn": (1 / (1 + k / n_grey)) @ differences,
        "InverseVariance": (1 / k[1:] ** 2) @ differences[1:],
    }


def _information(p: FloatArray) -> dict[str, FloatArray]:
    """Return the entropies and the two measures of correlation.

    The second measure is the root of a difference that is rounding noise for independent levels:
    sums are formed in pyradiomics' order to get its noise.
    """
    px, py = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    product = px * py
    logarithm = np.log2(product + _EPS)
    joint, entropy_x, entropy_y = (-_sum(q, np.log2(q + _EPS)) for q in (p, px, py))
    marginal = np.fmax(entropy_x, entropy_y)
    first = joint + _sum(p, logarithm)
    first[marginal != 0] /= marginal[marginal != 0]
    first[marginal == 0] = 0
    independent = -_sum(product, logarithm)
    second = (1 - math.e ** (-2 * (independent - joint))) ** 0.5
    second[independent == joint] = 0
    return {"JointEntropy": joint, "Imc1": first, "Imc2": second}


def _sum(p: FloatArray, logarithm: FloatArray) -> FloatArray:
    sums: FloatArray = np.sum(p * logarithm, axis=(0, 1))
    return sums
