"""Shapley values of any model by sampled orders, for models that have no closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def sampled_shapley(
    value: Callable[[FloatArray], FloatArray],
    X: FloatArray,
    background: FloatArray,
    players: Sequence[NDArray[np.intp]],
    *,
    n_pairs: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return Shapley values of the rows of X against a background, (n, n_players).

    Each sample walks from a background row to the judged row, one player at a time, in a random
    order and in the reverse of it. A player's value is the mean change of `value` at its step, so
    that the values of a row add up to its own value less the mean over the sampled backgrounds.
    Features are taken as independent.

    Parameters
    ----------
    value
        Takes rows (m, p), returns (m,): what is explained.
    X, background
        Rows to explain (n, p), and rows to draw from (n_background, p).
    players
        Columns that enter together; every column of one player only.
    n_pairs
        Orders that are drawn; the reverse of each is walked too.
    rng
        Of orders and background rows.

    References
    ----------
    Strumbelj & Kononenko (2014), Knowl. Inf. Syst. 41:647, doi:10.1007/s10115-013-0679-x.
    Mitchell et al. (2022), J. Mach. Learn. Res. 23(43), section 3.1 (reversed orders).

    Examples
    --------
    >>> rows, zero = np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((1, 2))
    >>> apart = [np.array([0]), np.array([1])]
    >>> product = lambda z: z[:, 0] * z[:, 1]
    >>> sampled_shapley(product, rows, zero, apart, n_pairs=1, rng=np.random.default_rng(0))
    array([[1., 1.],
           [6., 6.]])
    """
    found = np.zeros((len(X), len(players)))
    for _ in range(n_pairs):
        start = background[rng.integers(len(background), size=len(X))]
        order = rng.permutation(len(players))
        for walk in (order, order[::-1]):
            found[:, walk] += np.diff(_values_on(walk, start, X, players, value), axis=0).T
    return found / (2 * n_pairs)


def _values_on(
    walk: NDArray[np.intp],
    start: FloatArray,
    end: FloatArray,
    players: Sequence[NDArray[np.intp]],
    value: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Return the values at each point of a walk from start (n, p) to end, (n_players + 1, n)."""
    points = np.repeat(start[None], len(walk) + 1, axis=0)
    for i, player in enumerate(walk, start=1):
        columns = players[player]
        points[i:, :, columns] = end[:, columns]
    return value(points.reshape(-1, start.shape[1])).reshape(len(walk) + 1, len(start))
