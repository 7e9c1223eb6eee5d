"""Chains of filters, by the names in conf/selection, and how a chain is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from her2.selection.boruta import BorutaFilter
from her2.selection.filters import CorrelationFilter, Filter, TTestFilter, UsableFeatures
from her2.selection.lasso import LassoFilter
from her2.selection.mrmr import MrmrFilter
from her2.selection.stability import StabilityFilter


def paper_chain(
    *,
    alpha: float = 0.05,
    equal_variance: bool = True,
    correlation: float = 0.8,
    lasso_folds: int = 10,
    seed: int = 0,
) -> Pipeline:
    """Return the paper's selection: z-score, t-test, correlation, LASSO (each in this order)."""
    return no_selection(
        TTestFilter(alpha=alpha, equal_variance=equal_variance),
        CorrelationFilter(threshold=correlation),
        LassoFilter(n_folds=lasso_folds, seed=seed),
    )


def lasso_chain(*, lasso_folds: int = 10, seed: int = 0) -> Pipeline:
    """Return z-score and LASSO."""
    return no_selection(LassoFilter(n_folds=lasso_folds, seed=seed))


def mrmr_chain(*, n_features: int = 20) -> Pipeline:
    """Return z-score and the features of most relevance and least redundancy."""
    return no_selection(MrmrFilter(n_features))


def boruta_chain(
    *,
    correlation: float = 0.8,
    n_rounds: int = 60,
    n_trees: int = 50,
    alpha: float = 0.05,
    seed: int = 0,
) -> Pipeline:
    """Return z-score, correlation, features that beat shuffled ones in a forest.

    The correlation filter comes first because near copies of a feature share its importance,
    each of them then less than the best shuffled feature has.
    """
    return no_selection(
        CorrelationFilter(threshold=correlation), BorutaFilter(n_rounds, n_trees, alpha, seed=seed)
    )


def stability_chain(
    *,
    correlation: float = 0.8,
    n_pairs: int = 50,
    threshold: float = 0.6,
    max_false: float = 1.0,
    seed: int = 0,
) -> Pipeline:
    """Return z-score, correlation, stability selection.

    The correlation filter comes first because near copies of a feature would share its votes.
    """
    return no_selection(
        CorrelationFilter(threshold=correlation),
        StabilityFilter(n_pairs, threshold, max_false, seed=seed),
    )


def no_selection(*filters: Filter) -> Pipeline:
    """Return z-scored features, all of them that are usable, as they come out of filters."""
    return make_pipeline(UsableFeatures(), StandardScaler(), *filters)


def fit_chain(
    chain: Pipeline, X: Any, y: NDArray[np.int64], groups: NDArray[np.int64]
) -> Pipeline:
    """Return a copy of a chain fitted on rows X (n, p) and outcomes y (n,).

    groups: the patient of each row, (n,); steps whose `fit` takes groups get them, because they
    resample rows.

    >>> X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) // 2 % 2
    >>> chain = fit_chain(lasso_chain(), X, y, np.arange(40) // 4 * 2 + y)
    >>> chain["lassofilter"].model_.mse_path_.shape  # 20 patients, 10 of each outcome
    (50, 10)
    """
    takers = [name for name, step in chain.steps if has_fit_parameter(step, "groups")]
    return clone(chain).fit(X, y, **{f"{name}__groups": groups for name in takers})
