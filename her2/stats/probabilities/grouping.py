"""Groups of cases with similar predictions, cut exactly as R cuts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadArgument, NotEstimable
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
    _check_groups(n_groups)
    breaks = np.unique(type7_quantiles(y_prob, n_groups))
    if breaks.size < 2:
        raise _constant(y_prob)
    interval = np.maximum(np.searchsorted(breaks, y_prob, side="left"), 1)
    return np.unique(interval, return_inverse=True)[1]


def equal_count_groups(y_prob: FloatArray, n_groups: int) -> NDArray[np.intp]:
    """Group of each case, from 0, by R's ``Hmisc::cut2(p, g = n_groups)``.

    A group ends at the first distinct prediction up to which a further 1 / n_groups of the cases
    lies; tied predictions stay together, so fewer groups may come out.

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
    Harrell (2015), Regression Modeling Strategies, doi:10.1007/978-3-319-19425-7.

    Examples
    --------
    >>> equal_count_groups(np.array([0.1, 0.2, 0.2, 0.2, 0.9]), 2).tolist()
    [0, 0, 0, 0, 1]
    """
    _check_groups(n_groups)
    distinct, n_each = np.unique(y_prob, return_counts=True)
    if distinct.size < 2:
        raise _constant(y_prob)
    up_to = np.cumsum(n_each) * n_groups  # whole numbers, as are the shares times n_groups
    ends = np.unique(np.searchsorted(up_to, np.arange(1, n_groups + 1) * y_prob.size))
    return np.searchsorted(distinct[ends], y_prob, side="left")


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


def _check_groups(n_groups: int) -> None:
    if n_groups < 2:
        raise BadArgument(f"n_groups must be at least 2, found {n_groups}; 10 is usual")


def _constant(y_prob: FloatArray) -> NotEstimable:
    return NotEstimable(
        f"groups need predictions that differ, found {y_prob[0]:g} for all {y_prob.size}; "
        "a constant prediction has one group"
    )
