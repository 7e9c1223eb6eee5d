"""The 18 first-order statistics of a lesion's pixels, with pyradiomics' formulas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her2.radiomics.roi import FloatArray

_EPS = np.spacing(1)


def first_order_features(
    values: NDArray[np.floating], counts: NDArray[np.int64], pixel_mm2: float
) -> dict[str, float]:
    """Return the first-order features, names as pyradiomics', of a slice that is 1 mm thick.

    From finite grey `values` (n_pixels,), and `counts` (n_levels,) of each level that occurs.

    References
    ----------
    Zwanenburg A et al. Radiology 2020;295:328 (IBSI). doi:10.1148/radiol.2020191145

    Examples
    --------
    >>> found = first_order_features(np.array([1.0, 2.0, 6.0]), np.array([3]), 1.0)
    >>> found["Mean"], found["Energy"], found["Uniformity"]
    (3.0, 41.0, 1.0)
    """
    x = values.astype(np.float64)
    p = counts / counts.sum()
    ordered = np.sort(x)
    low, high = float(ordered[0]), float(ordered[-1])
    energy = float((x**2).sum())
    return {
        "Energy": energy,
        "Entropy": -float((p * np.log2(p + _EPS)).sum()),
        "Maximum": high,
        "Minimum": low,
        "Range": high - low,
        "RootMeanSquared": float(np.sqrt(energy / len(x))),
        "TotalEnergy": energy * pixel_mm2,
        "Uniformity": float((p**2).sum()),
        **_percentiles(ordered),
        **_moments(x),
    }


def _percentiles(ordered: FloatArray) -> dict[str, float]:
    """Return what depends on ranks, from ascending values."""
    p10, p25, p50, p75, p90 = np.percentile(ordered, (10, 25, 50, 75, 90)).tolist()
    robust = ordered[np.searchsorted(ordered, p10) : np.searchsorted(ordered, p90, side="right")]
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Median": p50,
        "InterquartileRange": p75 - p25,
        "RobustMeanAbsoluteDeviation": _mean_absolute_deviation(robust),
    }


def _mean_absolute_deviation(x: FloatArray) -> float:
    """Return it, or NaN for no values: between two values 10th and 90th percentile hold none."""
    return float(np.abs(x - x.mean()).mean()) if len(x) else float("nan")


def _moments(x: FloatArray) -> dict[str, float]:
    mean = x.mean()
    centred = x - mean
    squares = centred**2
    m2 = squares.mean()
    scale = m2 or 1.0
    return {
        "Mean": float(mean),
        "MeanAbsoluteDeviation": float(np.abs(centred).mean()),
        "Variance": float(np.sqrt(m2) ** 2),
        "Skewness": float((squares * centred).mean() / scale**1.5),
        "Kurtosis": float((squares**2).mean() / scale**2),
    }
