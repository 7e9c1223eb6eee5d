"""Minimum redundancy, maximum relevance: features that tell the outcome and not each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her2.selection.filters import FloatArray, SupervisedFilter, correlation_with, unit_columns


class MrmrFilter(SupervisedFilter):
    """Keep `n_features` chosen one after the other by relevance over redundancy.

    Relevance is the F statistic of the outcome, redundancy the mean absolute Pearson correlation
    with the features that were chosen before (the scheme FCQ). A redundancy below what
    independent features show by chance counts as that much, so that no feature is chosen because
    a correlation happens to be 0. Among equals the earlier column wins. `order_` has the kept
    columns in the order in which they were chosen.

    References
    ----------
    Ding & Peng (2005), J. Bioinform. Comput. Biol. 3:185, doi:10.1142/S0219720005001004, table 1.
    Zhao, Anand & Wang (2019), IEEE DSAA, doi:10.1109/DSAA.2019.00059: FCQ among its relatives.
    """

    def __init__(self, n_features: int = 20) -> None:
        self.n_features = n_features

    def fit(self, X: FloatArray, y: NDArray[np.int64]) -> MrmrFilter:
        """Choose among the columns of X (n, p) for y (n,) in {0, 1}."""
        X, y = self._checked(X, y)
        unit = unit_columns(X)
        r = correlation_with(unit, y)
        unexplained = np.maximum(1 - r**2, np.finfo(np.float64).eps)
        relevance = max(len(y) - 2, 1) * r**2 / unexplained  # F of the two classes
        chosen = [int(np.argmax(relevance))]
        redundancy = np.zeros(X.shape[1])
        # the mean |r| of independent normal features in n rows, about
        by_chance = float(np.sqrt(2 / (np.pi * max(len(y) - 1, 1))))
        for _ in range(1, min(self.n_features, X.shape[1])):
            redundancy += np.abs(unit.T @ unit[:, chosen[-1]])
            mean = np.maximum(redundancy / len(chosen), by_chance)
            score = relevance / mean
            score[chosen] = -np.inf
            chosen.append(int(np.argmax(score)))
        self.order_ = np.array(chosen)
        self.support_ = np.isin(np.arange(X.shape[1]), self.order_)
        return self
