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
