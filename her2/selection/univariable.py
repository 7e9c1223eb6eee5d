"""The paper's filters before the LASSO: the t-test, and correlation with greedy deletion."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.utils.validation import validate_data

from her2.selection.filters import Filter, FloatArray, SupervisedFilter, unit_columns


class TTestFilter(SupervisedFilter):
    """Keep features whose means differ between the outcomes, p < `alpha`.

    At least `min_features` with the smallest p-values are kept.

    Parameters
    ----------
    alpha
        Level of the two-sided test.
    equal_variance
        Student's test (as in the paper) if true, else Welch's.
    min_features
        Fewest features to keep when nothing passes; `fell_back_` tells.
    """

    def __init__(
        self, alpha: float = 0.05, equal_variance: bool = True, min_features: int = 1
    ) -> None:
        self.alpha = alpha
        self.equal_variance = equal_variance
        self.min_features = min_features

    def fit(self, X: FloatArray, y: NDArray[np.int64]) -> TTestFilter:
        """Test every column of X (n, p) against y (n,) in {0, 1}."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        positive = y == np.max(y)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # nearly constant columns lose precision: their p-value is 1 or they are noise
            warnings.simplefilter("ignore", RuntimeWarning)
            p = stats.ttest_ind(X[positive], X[~positive], equal_var=self.equal_variance).pvalue
        self.p_values_ = np.where(np.isfinite(p), p, 1.0)
        self.support_ = self.p_values_ < self.alpha
        self.fell_back_ = int(self.support_.sum()) < self.min_features
        if self.fell_back_:
            self.support_[np.argsort(self.p_values_, kind="stable")[: self.min_features]] = True
        return self


class CorrelationFilter(Filter):
    """Delete features greedily until no two that are left have |r| above `threshold`.

    The feature with most such partners goes first; among equals, the one with the larger sum of
    |r| over its partners, then the later one.

    Parameters
    ----------
    threshold
        Largest absolute Pearson correlation that two kept features may have.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold

    def fit(self, X: FloatArray, y: Any = None) -> CorrelationFilter:
        """Learn which columns of X (n, p) to keep."""
        X = validate_data(self, X, dtype=np.float64)
        r = _absolute_correlation(X)
        partners = r > self.threshold
        count = partners.sum(axis=1)
        weight = np.where(partners, r, 0.0).sum(axis=1)
        kept = np.ones(X.shape[1], dtype=bool)
        while count.max(initial=0) > 0:
            # rounded: what is left of a weight after deletions must not break a tie by its noise
            worst = int(np.lexsort((np.round(weight, 9), count))[-1])
            kept[worst] = False
            weight -= np.where(partners[worst], r[worst], 0.0)
            count -= partners[worst]
            partners[worst] = partners[:, worst] = False
            count[worst], weight[worst] = 0, -np.inf
        self.support_ = kept
        return self


def _absolute_correlation(X: FloatArray) -> FloatArray:
    """Return |Pearson r| of the columns, shape (p, p), zero on the diagonal."""
    unit = unit_columns(X)
    r: FloatArray = np.abs(unit.T @ unit)
    np.fill_diagonal(r, 0.0)
    return r
