"""The 22 features of grey-level co-occurrence matrices, with pyradiomics' formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her2.radiomics.parameters import GLCM
from her2.radiomics.roi import FloatArray

_EPS = np.spacing(1)


@dataclass(frozen=True)
class _Distributions:
    """Probabilities of each direction (last axis, length n_d).

    Attributes
    ----------
    p
        (n, n, n_d), joint and symmetrical.
    sums, differences
        (2 n_g - 1, n_d) of i + j from 2, and (n_g, n_d) of |i - j| from 0.
    i, mean
        (n,) grey levels, and their mean (n_d,).
    """

    p: FloatArray
    sums: FloatArray
    differences: FloatArray
    i: FloatArray
    mean: FloatArray


def co_occurrence_features(
    counts: FloatArray, levels: NDArray[np.int64], n_grey: int
) -> dict[str, float]:
    """Return the features: of every direction, then averaged; NaN if no two pixels are neighbours.

    Parameters
    ----------
    counts
        (n, n, n_directions) pairs of neighbours, one direction each way.
    levels
        (n,) grey levels of the rows.
    n_grey
        Highest grey level.

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
        return dict.fromkeys(GLCM, float("nan"))
    p = np.ascontiguousarray(both_ways[..., totals > 0] / totals[totals > 0])
    found = _distributions(p, levels, n_grey)
    features = {
        **_joint(found), **_of_sums(found), **_of_differences(found, n_grey), **_information(p)
    }  # fmt: skip
    means = np.nanmean(np.array(list(features.values())), axis=1)
    return dict(zip(features, means.tolist(), strict=True))


def _distributions(p: FloatArray, levels: NDArray[np.int64], n_grey: int) -> _Distributions:
    i = levels.astype(np.float64)
    total, difference = levels[:, np.newaxis] + levels - 2, levels[:, np.newaxis] - levels
    return _Distributions(
        p,
        _grouped(p, total, 2 * n_grey - 1),
        _grouped(p, np.abs(difference), n_grey),
        i,
        i @ p.sum(axis=1),
    )


def _grouped(p: FloatArray, group: NDArray[np.int64], n_groups: int) -> FloatArray:
    """Return the sums of p (n, n, n_d) over pairs of the same group, (n_groups, n_d)."""
    n_d = p.shape[2]
    cell = group[..., np.newaxis] * n_d + np.arange(n_d)
    sums = np.bincount(cell.ravel(), weights=p.ravel(), minlength=n_groups * n_d)
    return np.asarray(sums, dtype=np.float64).reshape(n_groups, n_d)


def _joint(found: _Distributions) -> dict[str, FloatArray]:
    p, i, mean = found.p, found.i, found.mean
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


def _of_sums(found: _Distributions) -> dict[str, FloatArray]:
    sums = found.sums
    k = np.arange(2.0, len(sums) + 2)[:, np.newaxis]
    centred = k - 2 * found.mean
    return {
        "ClusterTendency": (sums * centred**2).sum(axis=0),
        "ClusterShade": (sums * centred**3).sum(axis=0),
        "ClusterProminence": (sums * centred**4).sum(axis=0),
        "SumEntropy": -(sums * np.log2(sums + _EPS)).sum(axis=0),
    }


def _of_differences(found: _Distributions, n_grey: int) -> dict[str, FloatArray]:
    differences = found.differences
    k = np.arange(float(len(differences)))
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
