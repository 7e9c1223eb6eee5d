"""Locally weighted regression, as R's `loess`."""

from __future__ import annotations

import numpy as np
from skmisc.loess import loess

from her2.errors import NotEstimable
from her2.stats.validation import FloatArray

# loess reports these as errors although, as R's warnings say, it goes on with a pseudoinverse
_LOESS_WARNINGS = ("near singularit", "pseudoinverse", "neighborhood radius")


def loess_curve(x: FloatArray, y: FloatArray) -> FloatArray:
    """Smooth of y at x by R's `loess(y ~ x)`: span 0.75, local parabolas.

    Parameters
    ----------
    x, y
        Shape (n,), finite.

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
    model = loess(x, y, span=0.75, degree=2)
    reason = "it gave no finite value"
    try:
        model.fit()
    except ValueError as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        if not any(warning in reason for warning in _LOESS_WARNINGS):
            raise _no_loess(x, reason) from error
    fitted = np.array(model.outputs.fitted_values, dtype=np.float64)
    if not np.isfinite(fitted).all():
        raise _no_loess(x, reason)
    return fitted


def _no_loess(x: FloatArray, reason: str) -> NotEstimable:
    return NotEstimable(
        f"loess needs enough distinct values, found {np.unique(x).size} in {x.size} "
        f"({reason.strip().rstrip('.')}); compare groups instead"
    )
