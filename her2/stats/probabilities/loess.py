"""Locally weighted regression: R's `loess` (with its band) and R's `lowess`."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skmisc.loess import loess

from her2.core.errors import NotEstimable
from her2.stats.validation import FloatArray

Surface = Literal["interpolate", "direct"]

# loess reports these as errors although, as R's warnings say, it goes on with a pseudoinverse
_LOESS_WARNINGS = ("near singularit", "pseudoinverse", "neighborhood radius")


def loess_curve(x: FloatArray, y: FloatArray, *, surface: Surface = "interpolate") -> FloatArray:
    """Smooth of y at x by R's `loess(y ~ x)`: span 0.75, local parabolas.

    Parameters
    ----------
    x, y
        Shape (n,), finite.
    surface
        "interpolate" between the vertices of a k-d tree, R's default, or "direct".

    Returns
    -------
    ndarray
        Shape (n,), in the order of x.

    Raises
    ------
    NotEstimable
        If x has too few cases or is too heavily tied.

    References
    ----------
    Cleveland, Grosse & Shyu (1992), in Statistical Models in S, doi:10.1201/9780203738535-8.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 9)
    >>> np.allclose(loess_curve(x, x**2), x**2)  # a parabola is its own smooth
    True
    """
    model, reason = _fitted(x, y, surface)
    fitted = np.array(model.outputs.fitted_values, dtype=np.float64)
    if not np.isfinite(fitted).all():
        raise _no_loess(x, reason)
    return fitted


def loess_band(
    x: FloatArray, y: FloatArray, at: FloatArray, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smooth of y by R's `loess(y ~ x)` at other points, with its pointwise limits.

    Parameters
    ----------
    x, y
        Shape (n,), finite.
    at
        Shape (m,), within the range of x.
    level
        Confidence level in (0, 1).

    Returns
    -------
    tuple of ndarray
        Smooth, lower and upper limit, (m,) each; the limits take the variance for constant and
        a t distribution, as R's `predict(se = TRUE)`.

    Raises
    ------
    NotEstimable
        If x has too few cases or is too heavily tied for the smooth or its variance.

    References
    ----------
    Cleveland, Grosse & Shyu (1992), in Statistical Models in S, doi:10.1201/9780203738535-8.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 30)
    >>> fit, low, high = loess_band(x, x + 0.1 * (-1.0) ** np.arange(30), np.array([0.25, 0.5]))
    >>> fit.round(1).tolist(), (high - low).round(2).tolist()
    ([0.2, 0.5], [0.15, 0.16])
    """
    model, _ = _fitted(x, y, "interpolate")
    try:
        limits = model.predict(at, stderror=True).confidence(1.0 - level)
    except ValueError as error:
        raise _no_loess(x, _reason(error)) from error
    curves = tuple(np.array(v, dtype=np.float64) for v in (limits.fit, limits.lower, limits.upper))
    if not all(np.isfinite(curve).all() for curve in curves):
        raise _no_loess(x, "its variance is not determined")
    return curves[0], curves[1], curves[2]


def lowess_curve(
    x: FloatArray, y: FloatArray, *, span: float = 2.0 / 3.0, delta: float | None = None
) -> FloatArray:
    """Smooth of y at x by R's `lowess(x, y, iter = 0)`: local straight lines.

    Parameters
    ----------
    x, y
        Shape (n,), finite, at least 2.
    span
        Share of the cases that each line is fitted to.
    delta
        Cases closer than this to the last fitted one are interpolated; None is R's default, 1 %
        of the range of x.

    Returns
    -------
    ndarray
        Shape (n,), in the order of x; equal x have equal smooths.

    References
    ----------
    Cleveland (1979), J. Am. Stat. Assoc. 74:829, doi:10.1080/01621459.1979.10481038.

    Examples
    --------
    >>> lowess_curve(np.array([2.0, 0.0, 1.0, 3.0]), np.array([5.0, 1.0, 3.0, 7.0])).round(9)
    array([5., 1., 3., 7.])
    """
    order = np.argsort(x, kind="stable")
    ascending, values = x[order], y[order]
    gap = 0.01 * float(ascending[-1] - ascending[0]) if delta is None else delta
    n_near = max(min(int(span * x.size + 1e-7), x.size), 2)
    smooth = np.empty(x.size)
    smooth[order] = _lowess_ascending(ascending, values, n_near, gap)
    return smooth


def _lowess_ascending(x: FloatArray, y: FloatArray, n_near: int, delta: float) -> FloatArray:
    """Lines at points that are at least about `delta` apart, joined by straight pieces."""
    points = _fitted_points(x, delta)
    starts = _window_starts(x, points, n_near)
    lines = [_local_line(x, y, i, s, n_near) for i, s in zip(points, starts, strict=True)]
    return np.interp(x, x[points], lines)


def _fitted_points(x: FloatArray, delta: float) -> NDArray[np.intp]:
    """First case of each value that is fitted: after each, the last within delta, or the next."""
    distinct = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]]))
    values = x[distinct]
    chosen = [0]
    while chosen[-1] < values.size - 1:
        within = int(np.searchsorted(values, values[chosen[-1]] + delta, side="right")) - 1
        chosen.append(max(chosen[-1] + 1, within))
    return distinct[chosen]


def _window_starts(x: FloatArray, points: NDArray[np.intp], n_near: int) -> list[int]:
    """Start of the window of the nearest `n_near` cases around each point, moving rightwards."""
    starts, left = [], 0
    for point in points:
        right = left + n_near  # one beyond the window
        while right < x.size and x[point] - x[left] > x[right] - x[point]:
            left, right = left + 1, right + 1
        starts.append(left)
    return starts


def _local_line(x: FloatArray, y: FloatArray, point: int, start: int, n_near: int) -> float:
    """Value at one point of the line through its window, weighted by distance."""
    centre = x[point]
    reach = float(max(centre - x[start], x[start + n_near - 1] - centre))
    near = slice(start, int(np.searchsorted(x, centre + 0.999 * reach, side="right")))
    distance = np.abs(x[near] - centre)
    scaled = distance / reach if reach > 0.0 else np.zeros(distance.size)
    weight = np.where(scaled <= 0.001, 1.0, (1.0 - scaled**3) ** 3)
    weight = np.where(distance <= 0.999 * reach, weight, 0.0)
    weight = weight / weight.sum()
    middle = float(weight @ x[near])
    spread = float(weight @ (x[near] - middle) ** 2)
    if reach > 0.0 and np.sqrt(spread) > 0.001 * (x[-1] - x[0]):
        weight = weight * (1.0 + (centre - middle) / spread * (x[near] - middle))
    return float(weight @ y[near])


def _fitted(x: FloatArray, y: FloatArray, surface: Surface) -> tuple[loess, str]:
    """Fitted model, and the warning that it ended with."""
    model = loess(x, y, span=0.75, degree=2)
    model.control.surface = surface
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
