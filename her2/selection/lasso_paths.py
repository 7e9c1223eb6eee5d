"""LASSO paths of several problems at once: the folds of a cross-validation, step by step together.

One path is a hundred small steps, and with a hundred features a step costs more in Python than in
arithmetic; ten folds that take their steps together cost little more than one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her2.selection.filters import FloatArray

BoolArray = NDArray[np.bool_]

_MOST_EVENTS = 20  # a feature: a path that has more is given up
_DEPENDENT = 1e-10  # share of a feature's variance that the active ones must leave unexplained
_SAME = 1e-9  # relative distance of penalties that are one and the same
_ROUNDING = 1e-10  # of the largest weight: one that has just entered or left may be as large
_OPTIMAL = 1e-9  # of the largest penalty: how far the optimality conditions may be missed


def lasso_paths(
    grams: FloatArray, products: FloatArray, penalties: FloatArray, allowed: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Return the weights of several LASSO problems, and which of them were solved.

    Problem k minimises ``b' G_k b / 2 - b' c_k + penalty |b|_1``. Between two events (a feature
    enters or leaves) the weights are linear in the penalty, so each problem is followed from event
    to event. One whose features depend on one another too closely is given up; the conditions of
    optimality are checked at every penalty of the others.

    grams, products: G_k, (n_problems, p, p), and c_k, (n_problems, p); penalties: (n_problems,
    n_penalties), descending, above 0; allowed: (n_problems, p), features that may have a weight;
    weights: (n_problems, n_penalties, p).

    >>> one, c = np.eye(2)[np.newaxis], np.array([[3.0, -1.0]])
    >>> weights, solved = lasso_paths(one, c, np.array([[2.0, 0.5]]), np.ones((1, 2), bool))
    >>> weights.tolist(), solved.tolist()
    ([[[1.0, 0.0], [2.5, -0.5]]], [True])

    References
    ----------
    Osborne, Presnell & Turlach (2000), IMA J. Numer. Anal. 20:389, doi:10.1093/imanum/20.3.389.
    """
    paths = _Paths(grams, products, penalties, allowed)
    with np.errstate(divide="ignore", invalid="ignore"):  # 1/0: no such event
        for _ in range(_MOST_EVENTS * products.shape[1]):
            if not paths.to_next_event():
                break
    weights = paths.weights
    largest = np.abs(weights).max(axis=(1, 2), initial=0.0)
    weights[np.abs(weights) < _ROUNDING * largest[:, None, None]] = 0.0
    # one that was given up lacks its last weights, and cannot be optimal
    are_optimal = _are_optimal(grams, products, penalties, allowed, weights)
    return weights, ~paths.is_open & are_optimal


class _Paths:
    """Where every problem is on its path.

    At penalty t the weights are ``u - t d``, the solutions of the active features' equations for
    their products and for their signs, and the correlations with what is left are
    ``rest + t slope``. `inverse`, of the active features' equations, is 0 elsewhere.
    """

    def __init__(
        self, grams: FloatArray, products: FloatArray, penalties: FloatArray, allowed: BoolArray
    ) -> None:
        n, p = products.shape
        self.grams, self.products, self.penalties = grams, products, penalties
        self.allowed = allowed
        self.every = np.arange(n)
        self.at = np.full(n, np.inf)  # penalty of the last event
        self.last = np.zeros((n, p), dtype=bool)  # its feature
        self.signs = np.zeros((n, p))
        self.inverse = np.zeros((n, p, p))
        self.change = np.empty((n, p, p))  # written to in every step; new memory is slow
        self.u, self.d = np.zeros((n, p)), np.zeros((n, p))
        self.rest, self.slope = products.copy(), np.zeros((n, p))
        self.weights = np.zeros((n, penalties.shape[1], p))
        self.is_open = np.ones(n, dtype=bool)

    def to_next_event(self) -> bool:
        """Follow every path to its next event; False where all have ended."""
        to, feature = self._next_event()
        self._keep_weights(to)
        self.is_open &= to > self.penalties[:, -1]
        if not self.is_open.any():
            return False
        self._change(to, feature)
        self.at = to
        self.last[:] = False
        self.last[self.every, feature] = True
        return True

    def _next_event(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """Return the largest penalty below the last where something happens, and to which feature.

        An inactive feature enters where its correlation is as large as the penalty; an active one
        leaves where its weight is 0.
        """
        candidates = np.where(
            self.signs != 0,
            [self.u / self.d, np.zeros_like(self.u)],
            [self.rest / (1 - self.slope), -self.rest / (1 + self.slope)],
        )
        before = self.at[:, None]
        # what happened last still lies at its limit, and does not happen again
        highest = np.where(self.last, before * (1 - _SAME), before * (1 + _SAME))
        possible = (candidates <= highest) & self.allowed
        best = np.where(possible, candidates, 0.0).max(axis=0)
        feature = best.argmax(axis=1)
        return np.minimum(np.maximum(best[self.every, feature], 0.0), self.at), feature

    def _keep_weights(self, to: FloatArray) -> None:
        passed = (self.penalties < self.at[:, None]) & (self.penalties >= to[:, None])
        k, i = np.nonzero(passed & self.is_open[:, None])
        self.weights[k, i] = self.u[k] - self.penalties[k, i, None] * self.d[k]

    def _change(self, to: FloatArray, feature: NDArray[np.intp]) -> None:
        """Let a feature of each problem enter or leave: a change of rank 1 of the inverse."""
        changed = self.every, feature
        sign = self.signs[changed]
        leaves = sign != 0
        column = self.grams[changed]
        own = self.inverse[changed]
        explained = (self.inverse @ column[:, :, None])[:, :, 0]
        left = column[changed] - (column * explained).sum(axis=1)
        is_new = left > _DEPENDENT * column[changed]
        explained[changed] -= 1.0
        w = np.where(leaves[:, None], own, explained)
        scale = np.where(leaves, -1 / own[changed], 1 / left)
        self.is_open &= leaves | is_new
        scale[~self.is_open] = 0.0
        enters_with = np.sign(self.rest[changed] + to * self.slope[changed])
        self.signs[changed] = np.where(leaves, 0.0, enters_with)
        for_u = scale * (w * self.products).sum(axis=1)
        for_d = scale * (w * self.signs).sum(axis=1) - sign
        moved = (self.grams @ w[:, :, None])[:, :, 0]
        self.u += for_u[:, None] * w
        self.d += for_d[:, None] * w
        self.rest -= for_u[:, None] * moved
        self.slope += for_d[:, None] * moved
        np.einsum("ki,kj->kij", scale[:, None] * w, w, out=self.change)
        self.inverse += self.change
        gone = self.every[leaves], feature[leaves]
        self.inverse[gone] = self.inverse[gone[0], :, gone[1]] = 0.0
        self.u[gone] = self.d[gone] = 0.0


def _are_optimal(
    grams: FloatArray,
    products: FloatArray,
    penalties: FloatArray,
    allowed: BoolArray,
    weights: FloatArray,
) -> BoolArray:
    """Return where each correlation is at most the penalty, and the penalty's where it counts."""
    correlation = products[:, None] - weights @ grams
    limit = penalties[:, :, None]
    miss = np.maximum(np.abs(correlation) - limit, 0.0)
    miss = np.where(weights != 0, np.abs(correlation - np.sign(weights) * limit), miss)
    worst = np.where(allowed[:, None], miss, 0.0).max(axis=(1, 2))
    return np.asarray(worst <= _OPTIMAL * np.abs(products).max(axis=1))
