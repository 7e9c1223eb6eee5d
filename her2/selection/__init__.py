"""Feature selection as scikit-learn transformers, so that it can only ever see a training fold.

The paper's chain is z-score, t-test, Pearson correlation with greedy deletion, LASSO. Each step
keeps a boolean `support_` and reads nothing but what `fit` is given.
"""

from her2.selection.chains import no_selection, paper_chain
from her2.selection.harmonise import HarmoniseFeatures
from her2.selection.lasso import LassoCurves, LassoFilter, lasso_coefficients, lasso_curves
from her2.selection.readers import ReaderAgreementFilter
from her2.selection.univariable import CorrelationFilter, TTestFilter
from her2.selection.usable import UsableFeatures

__all__ = [
    "CorrelationFilter",
    "HarmoniseFeatures",
    "LassoCurves",
    "LassoFilter",
    "ReaderAgreementFilter",
    "TTestFilter",
    "UsableFeatures",
    "lasso_coefficients",
    "lasso_curves",
    "no_selection",
    "paper_chain",
]
