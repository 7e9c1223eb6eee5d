"""Chains of filters, by the names in conf/selection."""

from __future__ import annotations

from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from her2.selection.lasso import LassoFilter
from her2.selection.univariable import CorrelationFilter, TTestFilter
from her2.selection.usable import UsableFeatures


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
