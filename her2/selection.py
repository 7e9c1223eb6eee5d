"""Feature selection as scikit-learn transformers, so that it can only ever see a training fold.

The paper's chain is z-score, t-test, Pearson correlation with greedy deletion, LASSO. Each step
keeps a boolean `support_` and reads nothing but what `fit` is given.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.linear_model import LassoCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from her2.errors import BadCohort

FloatArray = NDArray[np.float64]


class _Filter(SelectorMixin, BaseEstimator):
    """A transformer that keeps the columns in `support_`."""

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        mask: NDArray[np.bool_] = self.support_
        return mask


class _SupervisedFilter(_Filter):
    """A filter that looks at the outcome."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class UsableFeatures(_Filter):
    """Drop columns that are constant or mostly missing in training; fill the rest by the median.

    Infinite values count as missing. A column counts as constant when its range is at the level
    of rounding noise (`relative_range` of its largest absolute value): on one slice, four of
    eight wavelet bands are nothing else.

    Parameters
    ----------
    max_missing
        Largest share of missing training values that a kept column may have.
    relative_range
        Smallest range of a kept column relative to its largest absolute value.
    """

    def __init__(self, max_missing: float = 0.2, relative_range: float = 1e-9) -> None:
        self.max_missing = max_missing
        self.relative_range = relative_range

    def fit(self, X: FloatArray, y: Any = None) -> UsableFeatures:
        """Learn which columns are usable and their medians.

        Raises
        ------
        BadCohort
            No column is usable.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2)
        X = np.where(np.isfinite(X), X, np.nan)
        enough = np.isnan(X).mean(axis=0) <= self.max_missing
        filled = np.where(enough, X, 0.0)
        low, high = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
        scale = np.maximum(np.abs(low), np.abs(high))
        self.support_ = enough & (high - low > self.relative_range * scale)
        if not self.support_.any():
            raise BadCohort(
                f"expected a feature that varies among training patients, found none of "
                f"{X.shape[1]}; leave this table out or bring other variables"
            )
        self.median_ = np.nanmedian(filled, axis=0)[self.support_]
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the usable columns with gaps filled by training medians."""
        kept = np.asarray(super().transform(X), dtype=np.float64)
        return np.where(np.isfinite(kept), kept, self.median_)

    def __sklearn_tags__(self) -> Any:
        """Say that missing and infinite values are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class TTestFilter(_SupervisedFilter):
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


class CorrelationFilter(_Filter):
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


class LassoFilter(_SupervisedFilter):
    """Keep features with a weight in the LASSO whose penalty has the smallest CV error.

    Least squares on the 0/1 outcome, as the paper's platform does; folds are stratified.

    Parameters
    ----------
    n_folds
        Folds of the cross-validation (fewer when a class has fewer rows).
    n_alphas
        Length of the penalty path, from the largest penalty that keeps a feature down to
        `path_ratio` of it (.01 is glmnet's ratio when features outnumber rows; below it the
        solution is close to least squares, slow, and never the one with the smallest error).
    min_features
        Fewest features to keep: when the best penalty keeps fewer, those with the largest
        absolute correlation with the outcome are kept; `fell_back_` tells.
    seed
        Seed of the folds.
    """

    def __init__(
        self,
        n_folds: int = 10,
        n_alphas: int = 50,
        path_ratio: float = 0.01,
        min_features: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_folds = n_folds
        self.n_alphas = n_alphas
        self.path_ratio = path_ratio
        self.min_features = min_features
        self.seed = seed

    def fit(self, X: FloatArray, y: NDArray[np.int64]) -> LassoFilter:
        """Learn weights of X (n, p), z-scored, for y (n,) in {0, 1}."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        n_folds = min(self.n_folds, int(np.unique(y, return_counts=True)[1].min()))
        self.fell_back_ = n_folds < 2
        if self.fell_back_ or X.shape[1] <= self.min_features:
            self.support_ = np.ones(X.shape[1], dtype=bool)
            return self
        self.model_ = self._fit_path(X, y, n_folds)
        self.support_ = self.model_.coef_ != 0
        if self.support_.sum() < self.min_features:
            self.fell_back_ = True
            strength = np.abs(X.T @ (y - y.mean()))
            order = np.argsort(-strength, kind="stable")
            self.support_[order[: self.min_features]] = True
        return self

    def _fit_path(self, X: FloatArray, y: NDArray[np.int64], n_folds: int) -> LassoCV:
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.seed)
        model = LassoCV(alphas=self.n_alphas, eps=self.path_ratio, cv=folds, max_iter=10_000)
        with warnings.catch_warnings():
            # the smallest penalties need not converge: the CV error decides against them
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(X, y.astype(np.float64))


def paper_chain(
    *,
    alpha: float = 0.05,
    equal_variance: bool = True,
    correlation: float = 0.8,
    lasso_folds: int = 10,
    seed: int = 0,
) -> Pipeline:
    """Return the paper's selection: z-score, t-test, correlation, LASSO (each in this order)."""
    return make_pipeline(
        UsableFeatures(),
        StandardScaler(),
        TTestFilter(alpha=alpha, equal_variance=equal_variance),
        CorrelationFilter(threshold=correlation),
        LassoFilter(n_folds=lasso_folds, seed=seed),
    )


def no_selection() -> Pipeline:
    """Return z-scored features, all of them that are usable."""
    return make_pipeline(UsableFeatures(), StandardScaler())


def _absolute_correlation(X: FloatArray) -> FloatArray:
    """Return |Pearson r| of the columns, shape (p, p), zero on the diagonal."""
    centred = X - X.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(norm > 0, norm, 1.0)
    r: FloatArray = np.abs(unit.T @ unit)
    np.fill_diagonal(r, 0.0)
    return r
