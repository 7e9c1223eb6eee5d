"""Logistic regression by maximum likelihood or with Firth's penalty, and profile intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.stats import chi2
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from her2.core.errors import NotEstimable
from her2.stats.association.likelihood import (
    JEFFREYS,
    Likelihood,
    Maximum,
    at,
    likelihood_ratio,
    maximise,
    profile_interval,
)
from her2.stats.validation import BoolArray, FloatArray

MAXIMUM_LIKELIHOOD = "maximum likelihood"
FIRTH = "Firth"
INTERCEPT = -1


class Separated(NotEstimable):
    """A plane separates the classes: no maximum-likelihood estimate exists, Firth's does.

    The attribute `columns` has the names of the columns that take part in the plane.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        super().__init__(
            f"{', '.join(columns)} separate{'s' if len(columns) == 1 else ''} the outcome, so a "
            "coefficient is infinite; leave the variable out or collect cases that overlap"
        )
        self.columns = columns


class LogisticFit(NamedTuple):
    """Log-odds of an intercept and k columns.

    Shapes: coefficients (k,), covariance (k + 1, k + 1) with the intercept first. The likelihood
    has Firth's penalty if `method` is "Firth"; `separating` are then the columns that made it so.
    """

    intercept: float
    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    method: str = MAXIMUM_LIKELIHOOD
    separating: tuple[str, ...] = ()


def fit_logistic(
    positive: BoolArray, predictors: FloatArray, names: Sequence[str] | None = None
) -> LogisticFit:
    """Maximum-likelihood logistic regression on columns (n, k), with an intercept.

    `NotEstimable` if the estimate is not unique (collinear or constant columns); `Separated` if it
    does not exist because a plane separates the classes.
    """
    names = names or [f"predictor {i + 1}" for i in range(predictors.shape[1])]
    standardised = standardise(predictors, names)
    guilty = _separators(positive, standardised)
    if guilty.any():
        raise Separated(tuple(n for n, at_fault in zip(names, guilty, strict=True) if at_fault))
    design = np.column_stack([np.ones(len(positive)), standardised])
    model = GLM(positive.astype(np.float64), design, family=Binomial())
    result = model.fit(tol=1e-13, rtol=1e-13, maxiter=200)
    if not result.converged:
        raise NotEstimable("the logistic regression did not converge; use fewer variables")
    # statsmodels' own errors are those of the last step but one, right to about 1e-6 only
    b = np.asarray(result.params)
    maximum = at(Likelihood(design, positive), b)
    return _unstandardised(maximum, predictors, MAXIMUM_LIKELIHOOD)


def _unstandardised(maximum: Maximum, predictors: FloatArray, method: str) -> LogisticFit:
    """Fit in the units of the predictors, from the one of their z-scores."""
    back = np.diag(np.append(1.0, 1.0 / predictors.std(axis=0)))
    back[0, 1:] = -predictors.mean(axis=0) / predictors.std(axis=0)
    b = back @ maximum.coefficients
    covariance = back @ maximum.covariance @ back.T
    return LogisticFit(float(b[0]), b[1:], covariance, maximum.log_likelihood, method)


def standardise(predictors: FloatArray, names: Sequence[str]) -> FloatArray:
    """Z-scores of columns that are finite, vary and are not collinear, or `NotEstimable`."""
    infinite = [n for n, c in zip(names, predictors.T, strict=True) if not np.isfinite(c).all()]
    if infinite:
        raise NotEstimable(
            f"{', '.join(infinite)} has an infinite value; correct it or leave the case out"
        )
    constant = [n for n, c in zip(names, predictors.T, strict=True) if c.min() == c.max()]
    if constant:
        raise NotEstimable(f"{', '.join(constant)} has one value only; leave it out")
    standardised: FloatArray = (predictors - predictors.mean(axis=0)) / predictors.std(axis=0)
    n_columns = standardised.shape[1]
    rank = int(np.linalg.matrix_rank(standardised, tol=1e-9 * np.sqrt(standardised.size)))
    if rank < n_columns:
        raise NotEstimable(
            f"the variables are collinear ({n_columns} columns, rank {rank}); leave one out"
        )
    return standardised


def _separators(positive: BoolArray, standardised: FloatArray) -> BoolArray:
    """Columns that take part in a separating plane, shape (n_columns,); none if there is none.

    Such a plane is a direction b with sign * (1, x) b >= 0 for all cases and > 0 for one, which
    is a linear programme; its optimum is 0 exactly if there is none (Albert & Anderson 1984).
    """
    if standardised.shape[1] == 1:  # exact and in linear time
        with_event, without = standardised[positive], standardised[~positive]
        apart = with_event.min() >= without.max() or with_event.max() <= without.min()
        return np.array([apart])
    sign = np.where(positive, 1.0, -1.0)[:, None]
    signed = sign * np.column_stack([np.ones(len(positive)), standardised])
    solution = linprog(
        -signed.mean(axis=0),
        A_ub=-signed,
        b_ub=np.zeros(len(signed)),
        bounds=(-1.0, 1.0),
        options={"primal_feasibility_tolerance": 1e-10},
    )
    is_apart = (signed @ solution.x).max() > 1e-6
    return np.asarray((np.abs(solution.x[1:]) > 1e-6) & is_apart, dtype=np.bool_)


def fit_firth(
    positive: BoolArray, predictors: FloatArray, names: Sequence[str] | None = None
) -> LogisticFit:
    """Logistic regression on columns (n, k) whose likelihood is penalised by Jeffreys' prior.

    The estimates are those of R's brglm2 (type "AS_mean") and logistf. The standard errors come
    from the Fisher information; with separation they say little, so that intervals and tests
    should be those of `coefficient_profile`.

    Firth (1993), Biometrika 80:27, doi:10.1093/biomet/80.1.27.
    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047.
    """
    names = names or [f"predictor {i + 1}" for i in range(predictors.shape[1])]
    standardised = standardise(predictors, names)
    design = np.column_stack([np.ones(len(positive)), standardised])
    maximum = maximise(Likelihood(design, positive, JEFFREYS))
    return _unstandardised(maximum, predictors, FIRTH)


class CoefficientProfile(NamedTuple):
    """Profile-likelihood limits of a log-odds (ratio), and the likelihood-ratio test against 0."""

    low: float
    high: float
    p_value: float


def coefficient_profile(
    positive: BoolArray, predictors: FloatArray, fit: LogisticFit, i: int, *, level: float = 0.95
) -> CoefficientProfile:
    """Interval and test of column i, or `INTERCEPT`, from its profile, penalised if the fit is.

    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047.
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
