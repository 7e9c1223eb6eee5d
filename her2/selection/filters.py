"""What the filters share: a boolean `support_`, and whether they look at the outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

FloatArray = NDArray[np.float64]


class Filter(SelectorMixin, BaseEstimator):
    """A transformer that keeps the columns in `support_`."""

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        mask: NDArray[np.bool_] = self.support_
        return mask


class SupervisedFilter(Filter):
    """A filter that looks at the outcome."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def unit_columns(X: FloatArray) -> FloatArray:
    """Return the columns of X (n, p) centred and of length 1; constant ones are 0."""
    centred = X - X.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred / np.where(norm > 0, norm, 1.0))


def correlation_with(unit: FloatArray, y: NDArray[np.int64]) -> FloatArray:
    """Return Pearson's r (p,) of unit columns (n, p) with being of the last class of y (n,)."""
    return np.asarray(unit.T @ unit_columns((y == np.max(y)).astype(np.float64)))
