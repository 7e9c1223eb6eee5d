"""Firth's penalised logistic regression: finite where a plane separates the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from her2.stats.association.likelihood import JEFFREYS, Likelihood, maximise
from her2.stats.association.logistic_fit import (
    FIRTH,
    LogisticFit,
    check_rank,
    standardise,
    unstandardise,
)
from her2.stats.validation import BoolArray, FloatArray


def fit_firth(
    positive: BoolArray, predictors: FloatArray, names: Sequence[str] | None = None
) -> LogisticFit:
    """Logistic regression whose likelihood is penalised by Jeffreys' prior.

    The estimates are those of R's brglm2 (type "AS_mean") and logistf. The standard errors come
    from the Fisher information; with separation they say little, so that intervals and tests
    should be those of `her2.stats.association.profile_likelihood`.

    Parameters
    ----------
    positive
        Shape (n,), both values present.
    predictors
        Shape (n, n_columns), finite.
    names
        Of the columns, for messages.

    Returns
    -------
    LogisticFit
        With method "Firth" and the penalised log-likelihood.

    Raises
    ------
    NotEstimable
        If a column is constant, columns are collinear or the maximum is out of reach.

    References
    ----------
    Firth (1993), Biometrika 80:27, doi:10.1093/biomet/80.1.27.
    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047.

    Examples
    --------
    >>> positive = np.array([False, False, False, True, True, True])
    >>> fit = fit_firth(positive, np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]))
    >>> round(float(np.exp(fit.coefficients[0])), 3)  # a half is added to each cell: 3.5² / .5²
    49.0
    """
    names = names or [f"predictor {i + 1}" for i in range(predictors.shape[1])]
    standardised = standardise(predictors, names)
    check_rank(standardised)
    design = np.column_stack([np.ones(len(positive)), standardised])
    maximum = maximise(Likelihood(design, positive, JEFFREYS))
    return unstandardise(maximum, predictors, FIRTH)
