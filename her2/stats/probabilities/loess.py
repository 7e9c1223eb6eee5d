"""Loess as R's: a local parabola over the nearest three quarters of the rows."""

from __future__ import annotations

import numpy as np
from skmisc.loess import loess

from her2.core.errors import NotEstimable
from her2.stats.validation import FloatArray

_SPAN = 0.75  # share of the rows that a local parabola sees

# loess reports these as errors although, as R's warnings say, it goes on with a pseudoinverse
_LOESS_WARNINGS = ("near singularit", "pseudoinverse", "neighborhood radius")


def loess_curve(x: FloatArray, y: FloatArray, at: FloatArray | None = None) -> FloatArray:
    """Smooth of y at x, (n,), or at other points, by R's `loess(y ~ x)`: span 0.75, parabolas.

    Cleveland, Grosse & Shyu (1992), in Statistical Models in S, doi:10.1201/9780203738535-8.
    """
    model, reason = _fitted(x, y, "approximate")
    found = model.outputs.fitted_values if at is None else model.predict(at).values
    fitted = np.array(found, dtype=np.float64)
    if not np.isfinite(fitted).all():
        raise _no_loess(x, reason)
    return fitted


def loess_band(
    x: FloatArray, y: FloatArray, at: FloatArray, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smooth of y by R's `loess(y ~ x)` at other points (m,), and its pointwise limits.

    The limits take the variance for constant and a t distribution, as R's `predict(se = TRUE)`.
    """
    model, _ = _fitted(x, y, "wait.to.decide")
    try:
        limits = model.predict(at, stderror=True).confidence(1.0 - level)
    except ValueError as error:
        raise _no_loess(x, _reason(error)) from error
    curves = tuple(np.array(v, dtype=np.float64) for v in (limits.fit, limits.lower, limits.upper))
    if not all(np.isfinite(curve).all() for curve in curves):
        raise _no_loess(x, "its variance is not determined")
    return curves[0], curves[1], curves[2]


def local_weights(x: FloatArray, at: FloatArray) -> FloatArray:
    """Weight of each y at x (n,) in a local parabola at each point (m,), shape (m, n).

    Cleveland & Devlin (1988), J. Am. Stat. Assoc. 83:596, doi:10.1080/01621459.1988.10478639.
    """
    away = x - at[:, None]
    nearest = int(_SPAN * x.size)
    width = np.partition(np.abs(away), nearest - 1, axis=1)[:, nearest - 1]
    kernel = np.clip(1.0 - np.abs(away / width[:, None]) ** 3, 0.0, None) ** 3
    powers = np.stack([away**k for k in range(3)], axis=-1)
    moments = np.einsum("mn,mni,mnj->mij", kernel, powers, powers, optimize=True)
    of_value = np.linalg.pinv(moments)[:, 0]
    return np.asarray(kernel * np.einsum("mi,mni->mn", of_value, powers), dtype=np.float64)


def _fitted(x: FloatArray, y: FloatArray, trace: str) -> tuple[loess, str]:
    """Fitted model, and the warning that it ended with."""
    model = loess(x, y, span=_SPAN, degree=2)
    model.control.surface = "interpolate"  # between the vertices of a k-d tree, R's default
    model.control.trace_hat = trace  # of the smooth's matrix, for the width of a band only
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
