"""Intervals and tests from the profile of the likelihood, plain or with Firth's penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from her2.stats.association.likelihood import (
    JEFFREYS,
    Likelihood,
    likelihood_ratio,
    maximise,
    profile_interval,
)
from her2.stats.association.logistic_fit import FIRTH, LogisticFit
from her2.stats.validation import BoolArray, FloatArray

INTERCEPT = -1


@dataclass(frozen=True)
class CoefficientProfile:
    """Profile-likelihood interval of a coefficient and its likelihood-ratio test against 0."""

    low: float
    high: float
    p_value: float


def coefficient_profile(
    positive: BoolArray, predictors: FloatArray, fit: LogisticFit, i: int, *, level: float = 0.95
) -> CoefficientProfile:
    """Interval and test of a coefficient from its profile, penalised if the fit is Firth's.

    Parameters
    ----------
    positive, predictors
        Of the fit: shapes (n,) and (n, n_columns).
    fit
        From `fit_logistic` or `fit_firth`.
    i
        Column of `predictors`, or -1 for the intercept.
    level
        Of the interval.

    Raises
    ------
    NotEstimable
        If a bound is out of reach.

    References
    ----------
    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047.

    Examples
    --------
    >>> from her2.stats.association.firth import fit_firth
    >>> x = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
    >>> positive = np.array([False, False, False, True, True, True])
    >>> round(coefficient_profile(positive, x, fit_firth(positive, x), 0).p_value, 3)
    0.024
    """
    scale = predictors.std(axis=0)
    centre = 0.0 * scale if i == INTERCEPT else predictors.mean(axis=0)
    design = np.column_stack([np.ones(len(positive)), (predictors - centre) / scale])
    likelihood = Likelihood(design, positive, JEFFREYS if fit.method == FIRTH else 0.0)
    start = np.append(fit.intercept + centre @ fit.coefficients, fit.coefficients * scale)
    maximum = maximise(likelihood, start)
    low, high = profile_interval(likelihood, maximum, i + 1, level)
    p_value = float(chi2.sf(likelihood_ratio(likelihood, maximum, i + 1), 1))
    unit = 1.0 if i == INTERCEPT else float(scale[i])
    return CoefficientProfile(low / unit, high / unit, p_value)
