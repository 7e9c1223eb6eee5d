"""Feature selection as scikit-learn transformers, so that it can only ever see a training fold.

Each step keeps a boolean `support_` and reads nothing but what `fit` is given.
"""

from her2.selection.boruta import BorutaFilter
from her2.selection.chains import (
    boruta_chain,
    fit_chain,
    lasso_chain,
    mrmr_chain,
    no_selection,
    paper_chain,
    stability_chain,
)
from her2.selection.filters import CorrelationFilter, SupervisedFilter, TTestFilter, UsableFeatures
from her2.selection.harmonise import HarmoniseFeatures
from her2.selection.icc_filters import ReaderAgreementFilter, RobustnessFilter
from her2.selection.lasso import LassoCurves, LassoFilter, lasso_coefficients, lasso_curves
from her2.selection.mrmr import MrmrFilter
from her2.selection.stability import StabilityFilter

__all__ = [
    "BorutaFilter", "CorrelationFilter", "HarmoniseFeatures", "LassoCurves", "LassoFilter",
    "MrmrFilter", "ReaderAgreementFilter", "RobustnessFilter", "StabilityFilter",
    "SupervisedFilter", "TTestFilter", "UsableFeatures", "boruta_chain", "fit_chain",
    "lasso_chain", "lasso_coefficients", "lasso_curves", "mrmr_chain", "no_selection",
    "paper_chain", "stability_chain",
]  # fmt: skip
