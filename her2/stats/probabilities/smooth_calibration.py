"""The smooth calibration curve, its band, and how far it runs from the diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from skmisc.loess import loess

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import FloatArray

_FEWEST_DISTINCT = 6  # with fewer, a local parabola just joins the group means

# loess reports these as errors although, as R's warnings say, it goes on with a pseudoinverse
_LOESS_WARNINGS = ("near singularit", "pseudoinverse", "neighborhood radius")


@dataclass(frozen=True)
class CalibrationErrors:
    """Distances of the predictions from the smooth curve, each ideally 0.

    Attributes
    ----------
    ici
        Their mean, the integrated calibration index.
    e50, e90, e_max
        Median, 90th percentile and largest of them.
    """

    ici: float
    e50: float
    e90: float
    e_max: float


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
    positive, p = validation.outcome_and_probability(y_true, y_prob, constant_ok=False)
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


def calibration_errors(y_true: ArrayLike, y_prob: ArrayLike) -> CalibrationErrors:
    """Distances of the predictions from a loess of the outcome on them: ICI, E50, E90, Emax.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1], with enough distinct values for a local parabola.

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
    positive, p = validation.outcome_and_probability(y_true, y_prob, constant_ok=False)
    smooth = loess_curve(p, positive.astype(np.float64))
    distance = np.abs(smooth - p)
    e50, e90 = np.quantile(distance, [0.5, 0.9]).tolist()
    return CalibrationErrors(float(distance.mean()), e50, e90, float(distance.max()))


def integrated_calibration_index(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean distance of the predictions from a loess of the outcome on them.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration_errors`.

    Returns
    -------
    float
        Not negative; 0 if the smoothed outcome equals the prediction everywhere.

    Raises
    ------
    NotEstimable, BadArgument
        As `calibration_errors`.

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


def loess_curve(x: FloatArray, y: FloatArray) -> FloatArray:
    """Smooth of y at x, (n,), by R's `loess(y ~ x)`: span 0.75, local parabolas.

    Cleveland, Grosse & Shyu (1992), in Statistical Models in S, doi:10.1201/9780203738535-8.
    """
    model, reason = _fitted(x, y)
    fitted = np.array(model.outputs.fitted_values, dtype=np.float64)
    if not np.isfinite(fitted).all():
        raise _no_loess(x, reason)
    return fitted


def loess_band(
    x: FloatArray, y: FloatArray, at: FloatArray, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smooth of y by R's `loess(y ~ x)` at other points (m,), and its pointwise limits.

    The limits take the variance for constant and a t distribution, as R's `predict(se = TRUE)`.
    """
    model, _ = _fitted(x, y)
    try:
        limits = model.predict(at, stderror=True).confidence(1.0 - level)
    except ValueError as error:
        raise _no_loess(x, _reason(error)) from error
    curves = tuple(np.array(v, dtype=np.float64) for v in (limits.fit, limits.lower, limits.upper))
    if not all(np.isfinite(curve).all() for curve in curves):
        raise _no_loess(x, "its variance is not determined")
    return curves[0], curves[1], curves[2]


def _fitted(x: FloatArray, y: FloatArray) -> tuple[loess, str]:
    """Fitted model, and the warning that it ended with."""
    model = loess(x, y, span=0.75, degree=2)
    model.control.surface = "interpolate"  # between the vertices of a k-d tree, R's default
    try:
        model.fit()
    except ValueError as error:
        reason = _reason(error)
        if not any(warning in reason for warning in _LOESS_WARNINGS):
            raise _no_loess(x, reason) from error
        return model, reason
    return model, "it gave no finite value"


def _reason(error: ValueError) -> str:
    first = error.args[0] if error.args else ""
    return first.decode() if isinstance(first, bytes) else str(first)


def _no_loess(x: FloatArray, reason: str) -> NotEstimable:
    return NotEstimable(
        f"loess needs enough distinct values, found {np.unique(x).size} in {x.size} "
        f"({reason.strip().rstrip('.')}); compare groups instead"
    )
