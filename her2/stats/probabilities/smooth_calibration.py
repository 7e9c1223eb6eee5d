"""The smooth calibration curve, its band, and how far it runs from the diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.probabilities.loess import Surface, loess_band, loess_curve, lowess_curve
from her2.stats.validation import BoolArray, FloatArray

_FEWEST_DISTINCT = 6  # with fewer, a local parabola just joins the group means


@dataclass(frozen=True)
class CalibrationErrors:
    """Distances of the predictions from the smooth curve, each ideally 0.

    ici: their mean (integrated calibration index); e50, e90: median and 90th percentile;
    e_max: the largest.
    """

    ici: float
    e50: float
    e90: float
    e_max: float


@dataclass(frozen=True)
class LowessCalibration:
    """Smooth calibration curve of R's `rms::val.prob`, and its distances from the diagonal.

    predicted: (m,), the distinct predictions ascending; observed: (m,), the smooth at them.
    """

    predicted: FloatArray
    observed: FloatArray
    errors: CalibrationErrors


def calibration_curve(
    y_true: ArrayLike, y_prob: ArrayLike, *, n_points: int = 100, level: float = 0.95
) -> pd.DataFrame:
    """Smooth observed risk over the range of the predictions, with a pointwise band.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1], with at least 6 distinct values.
    n_points
        Points of the curve, at least 2, equally far apart from the smallest to the largest
        prediction: it says nothing beyond them.
    level
        Confidence level of the band at each point, in (0, 1).

    Returns
    -------
    DataFrame
        predicted, observed, low, high, ascending. The curve is R's `loess(y ~ p)` (span 0.75,
        degree 2), confined with its band to [0, 1]; the band takes the variance for constant.

    Raises
    ------
    NotEstimable
        If there are too few distinct predictions, a class is absent, or a prediction is missing.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1], or an option outside its range.

    References
    ----------
    Austin & Steyerberg (2014), Stat. Med. 33:517, doi:10.1002/sim.5941.

    Examples
    --------
    >>> p = np.linspace(0.05, 0.95, 40)
    >>> y = (np.arange(40) % 7 < 7 * p).astype(int)
    >>> calibration_curve(y, p, n_points=3).round(2)
       predicted  observed   low  high
    0       0.05      0.29  0.00  0.82
    1       0.50      0.62  0.34  0.91
    2       0.95      0.99  0.46  1.00
    """
    validation.check_level(level)
    if n_points < 2:
        raise BadArgument(f"n_points must be at least 2, found {n_points}; 100 is usual")
    positive, p = _checked(y_true, y_prob)
    n_distinct = np.unique(p).size
    if n_distinct < _FEWEST_DISTINCT:
        raise NotEstimable(
            f"a calibration curve needs {_FEWEST_DISTINCT} distinct predictions, found "
            f"{n_distinct} in {p.size}; compare groups instead"
        )
    predicted = np.linspace(p.min(), p.max(), n_points)
    observed, low, high = loess_band(p, positive.astype(np.float64), predicted, level=level)
    curves = {"observed": observed, "low": low, "high": high}
    confined = {name: np.clip(curve, 0.0, 1.0) for name, curve in curves.items()}
    return pd.DataFrame({"predicted": predicted, **confined})


def calibration_errors(
    y_true: ArrayLike, y_prob: ArrayLike, *, surface: Surface = "interpolate"
) -> CalibrationErrors:
    """Distances of the predictions from a loess of the outcome on them: ICI, E50, E90, Emax.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1], with enough distinct values for a local parabola.
    surface
        "interpolate", R's default, or "direct", which fits at every prediction.

    Returns
    -------
    CalibrationErrors
        The smooth is R's `loess(y ~ p)` (span 0.75, degree 2), here not confined to [0, 1].

    Raises
    ------
    NotEstimable
        If the predictions are constant or too heavily tied for loess, a class is absent, or a
        prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Austin & Steyerberg (2019), Stat. Med. 38:4051, doi:10.1002/sim.8281.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> errors = calibration_errors(y, p)
    >>> round(errors.ici, 3), round(errors.e90, 3), round(errors.e_max, 3)
    (0.111, 0.173, 0.201)
    """
    positive, p = _checked(y_true, y_prob)
    smooth = loess_curve(p, positive.astype(np.float64), surface=surface)
    return _errors(np.abs(smooth - p))


def integrated_calibration_index(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean distance of the predictions from a loess of the outcome on them.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1], with enough distinct values for a local parabola.

    Returns
    -------
    float
        Not negative; 0 if the smoothed outcome equals the prediction everywhere.

    Raises
    ------
    NotEstimable
        If the predictions are constant or too heavily tied for loess, a class is absent, or a
        prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Austin & Steyerberg (2019), Stat. Med. 38:4051, doi:10.1002/sim.8281.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> round(integrated_calibration_index(y, p), 3)
    0.111
    """
    return calibration_errors(y_true, y_prob).ici


def lowess_calibration(
    y_true: ArrayLike, y_prob: ArrayLike, *, delta: float | None = None
) -> LowessCalibration:
    """Smooth calibration curve of `rms::val.prob`: R's `lowess(p, y, iter = 0)`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].
    delta
        Predictions closer than this are interpolated; None is R's default, 1 % of their range.

    Returns
    -------
    LowessCalibration
        See its fields.

    Raises
    ------
    NotEstimable
        If the predictions are constant or missing, or a class is absent.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1] or `delta` is negative.

    References
    ----------
    Cleveland (1979), J. Am. Stat. Assoc. 74:829, doi:10.1080/01621459.1979.10481038.
    Harrell (2015), Regression Modeling Strategies, doi:10.1007/978-3-319-19425-7, section 10.9.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> result = lowess_calibration(y, p)
    >>> result.observed[:3].round(3).tolist(), round(result.errors.e_max, 3)
    ([0.302, 0.344, 0.425], 0.227)
    """
    if delta is not None and not delta >= 0.0:
        raise BadArgument(f"delta must not be negative, found {delta}; 0 interpolates nothing")
    positive, p = _checked(y_true, y_prob)
    smooth = lowess_curve(p, positive.astype(np.float64), delta=delta)
    predicted, at = np.unique(p, return_index=True)
    return LowessCalibration(predicted, smooth[at], _errors(np.abs(smooth - p)))


def expected_calibration_error(y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 10) -> float:
    """Mean distance of observed share and mean prediction over bins of equal width.

    It depends on the bins and on their random filling (it is not 0 for true probabilities), so
    the integrated calibration index is the better summary; this is for comparison with others.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].
    n_bins
        At least 1: bins [0, 1/n), [1/n, 2/n), ..., the last with 1 included; empty ones count
        nothing.

    Returns
    -------
    float
        In [0, 1], weighted by the cases in each bin.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1] or `n_bins` is below 1.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), Proc. AAAI 29:2901, doi:10.1609/aaai.v29i1.9602.

    Examples
    --------
    >>> expected_calibration_error([0, 1, 1, 1], [0.25, 0.25, 0.75, 0.75], n_bins=2)
    0.25
    """
    if n_bins < 1:
        raise BadArgument(f"n_bins must be at least 1, found {n_bins}; 10 is usual")
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size)
    in_bin = np.minimum((n_bins * p).astype(np.intp), n_bins - 1)
    surplus = np.bincount(in_bin, weights=positive - p, minlength=n_bins)
    return float(np.abs(surplus).sum() / p.size)


def _checked(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive = validation.outcome(y_true)
    return positive, validation.probability(y_prob, positive.size, constant_ok=False)


def _errors(distance: FloatArray) -> CalibrationErrors:
    e50, e90 = np.quantile(distance, [0.5, 0.9]).tolist()
    return CalibrationErrors(float(distance.mean()), e50, e90, float(distance.max()))
