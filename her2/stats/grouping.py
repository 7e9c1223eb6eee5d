"""Groups of cases with similar predictions, cut exactly as R cuts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her2.errors import BadArgument, NotEstimable
from her2.stats.validation import FloatArray


def quantile_groups(y_prob: FloatArray, n_groups: int) -> NDArray[np.intp]:
    """Group of each case, from 0, by R's ``cut(p, unique(quantile(p)), include.lowest = TRUE)``.

    Groups are closed on the right. Tied predictions make quantiles coincide, so fewer than
    `n_groups` groups may come out; empty ones are skipped in the numbering.

    Parameters
    ----------
    y_prob
        Shape (n,), finite.
    n_groups
        At least 2.

    Returns
    -------
    ndarray
        Shape (n,), whole numbers 0 to (number of groups - 1), ascending with `y_prob`.

    Raises
    ------
    BadArgument
        If fewer than two groups are asked for.
    NotEstimable
        If all predictions are equal.

    References
    ----------
    Hyndman & Fan (1996), Am. Stat. 50:361, doi:10.1080/00031305.1996.10473566, type 7.

    Examples
    --------
    >>> quantile_groups(np.array([0.1, 0.2, 0.2, 0.2, 0.9]), 3).tolist()
    [0, 0, 0, 0, 1]
    """
    if n_groups < 2:
        raise BadArgument(f"n_groups must be at least 2, found {n_groups}; 10 is usual")
    breaks = np.unique(type7_quantiles(y_prob, n_groups))
    if breaks.size < 2:
        raise NotEstimable(
            f"groups need predictions that differ, found {y_prob[0]:g} for all {y_prob.size}; "
            "a constant prediction has one group"
        )
    interval = np.maximum(np.searchsorted(breaks, y_prob, side="left"), 1)
    return np.unique(interval, return_inverse=True)[1]


def type7_quantiles(values: FloatArray, n_groups: int) -> FloatArray:
    """Quantiles 0, 1/g, ..., 1 of shape (g + 1,), with R's order of operations.

    A case that lies on a quantile falls left or right of it by one rounding error, so NumPy's
    quantile, which rounds in another order, would sometimes move it to another group.
    """
    ordered = np.sort(values)
    share = np.minimum(np.arange(n_groups + 1) * (1.0 / n_groups), 1.0)
    index = (1.0 + (ordered.size - 1) * share) - 1.0  # R counts from 1, and rounds there
    below = np.floor(index).astype(np.intp)
    above = np.ceil(index).astype(np.intp)
    weight = index - below
    mixed = (1.0 - weight) * ordered[below] + weight * ordered[above]
    tied = ordered[above] == ordered[below]
    return np.asarray(np.where(tied, ordered[below], mixed), dtype=np.float64)
