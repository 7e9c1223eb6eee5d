"""The paper's filters before the LASSO: usable columns, t-test, correlation; and their bases."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from her2.core.errors import BadArgument, BadCohort

FloatArray = NDArray[np.float64]


class Filter(SelectorMixin, BaseEstimator):
    """A transformer that keeps the columns in `support_`."""

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        mask: NDArray[np.bool_] = self.support_
        return mask


class SupervisedFilter(Filter):
    """A filter that needs the outcome."""

    min_features: int

    def _checked(self, X: FloatArray, y: NDArray[np.int64], min_samples: int = 2) -> Any:
        """Return X (n, p) in float64 and y (n,), which must be classes."""
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=min_samples)
        check_classification_targets(y)
        return X, y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _keep_at_least(self, best: NDArray[np.intp]) -> None:
        """Keep the first `min_features` of the best columns where fewer have passed."""
        self.fell_back_ = int(self.support_.sum()) < self.min_features
        if self.fell_back_:
            self.support_[best[: self.min_features]] = True


class TakesGaps(BaseEstimator):
    """An estimator to which missing and infinite values are welcome."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def unit_columns(X: FloatArray) -> FloatArray:
    """Return the columns of X (n, p) centred and of length 1; constant ones are 0."""
    centred = X - X.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred / np.where(norm > 0, norm, 1.0))


def correlation_with(unit: FloatArray, y: NDArray[np.int64]) -> FloatArray:
    """Return Pearson's r (p,) of unit columns (n, p) with being of the last class of y (n,)."""
    return np.asarray(unit.T @ unit_columns((y == np.max(y)).astype(np.float64)))


def patients_of(
    y: NDArray[Any], groups: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return each row's patient (n,), and each patient's outcome: the highest of its rows'.

    Patients are numbered as they first appear, so rows that are all of different patients, or
    have no `groups`, are their own numbers. Outcomes are numbered in their order.

    >>> [found.tolist() for found in patients_of(np.array([0, 1, 1, 0]), [7, 3, 7, 5])]
    [[0, 1, 0, 2], [1, 1, 0]]
    """
    level = np.unique(y, return_inverse=True)[1]
    if groups is None:
        return np.arange(len(y)), level
    if np.shape(groups) != (len(y),):
        raise BadArgument(
            f"expected one group for each of the {len(y)} rows, found shape {np.shape(groups)}; "
            "give the patient of every row"
        )
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    patient = np.argsort(np.argsort(first))[inverse]
    outcome = np.zeros(len(first), dtype=np.intp)
    np.maximum.at(outcome, patient, level)
    return patient, outcome


class UsableFeatures(TakesGaps, Filter):
    """Drop columns that are constant or mostly missing in training; fill the rest by the median.

    Infinite values count as missing, up to a share of `max_missing`. A column counts as constant
    when its range is at the level of rounding noise (`relative_range` of its largest absolute
    value, or of 1), below which two programs do not agree on a feature: on one slice, four of
    eight wavelet bands are nothing else.
    """

    def __init__(self, max_missing: float = 0.2, relative_range: float = 1e-9) -> None:
        self.max_missing = max_missing
        self.relative_range = relative_range

    def fit(self, X: FloatArray, y: Any = None) -> UsableFeatures:
        """Learn which columns are usable and their medians; BadCohort where none is."""
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2)
        X = np.where(np.isfinite(X), X, np.nan)
        enough = np.isnan(X).mean(axis=0) <= self.max_missing
        filled = np.where(enough, X, 0.0)
        low, high = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
        scale = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
        self.support_ = enough & (high - low > self.relative_range * scale)
        if not self.support_.any():
            raise nothing_varies(X.shape[1])
        kept = filled[:, self.support_]
        self.median_: FloatArray = np.median(kept, axis=0)
        has_gap = np.isnan(self.median_)  # few have one, and `nanmedian` is slow
        self.median_[has_gap] = np.nanmedian(kept[:, has_gap], axis=0)
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the usable columns with gaps filled by training medians."""
        kept = np.asarray(super().transform(X), dtype=np.float64)
        return np.where(np.isfinite(kept), kept, self.median_)


def nothing_varies(n_columns: int) -> BadCohort:
    """Return the error for training rows, of a fold perhaps, that are all alike."""
    return BadCohort(
        f"expected a feature that varies among the training patients of every fold, found none of "
        f"{n_columns} in one of them; leave this table out, or bring variables with fewer rare "
        f"levels"
    )


class TTestFilter(SupervisedFilter):
    """Keep features whose means differ between the outcomes, p < `alpha` (two-sided).

    Student's test (as in the paper) if `equal_variance`, else Welch's. At least `min_features`
    with the smallest p-values are kept; `fell_back_` tells whether fewer had passed.
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
        # nearly constant columns lose precision: their p-value is 1 or they are noise
        quiet = warnings.catch_warnings(action="ignore", category=RuntimeWarning)
        with np.errstate(all="ignore"), quiet:
            p = stats.ttest_ind(X[positive], X[~positive], equal_var=self.equal_variance).pvalue
        self.p_values_ = np.where(np.isfinite(p), p, 1.0)
        self.support_ = self.p_values_ < self.alpha
        self._keep_at_least(np.argsort(self.p_values_, kind="stable"))
        return self


class CorrelationFilter(Filter):
    """Delete features greedily until no two that are left have |r| above `threshold`.

    The feature with most such partners goes first; among equals, the one with the larger sum of
    Pearson's |r| over its partners, then the later one.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold

    def fit(self, X: FloatArray, y: Any = None) -> CorrelationFilter:
        """Learn which columns of X (n, p) to keep."""
        X = validate_data(self, X, dtype=np.float64)
        unit = unit_columns(X)
        r: FloatArray = np.abs(unit.T @ unit)
        np.fill_diagonal(r, 0.0)
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
