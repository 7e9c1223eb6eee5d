"""Logistic regression by maximum likelihood or with Firth's penalty, and profile intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.stats import chi2, norm
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

    Attributes
    ----------
    columns
        Names of the columns that take part in the plane.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        super().__init__(
            f"{', '.join(columns)} separate{'s' if len(columns) == 1 else ''} the outcome, so a "
            "coefficient is infinite; leave the variable out or collect cases that overlap"
        )
        self.columns = columns


@dataclass(frozen=True)
class LogisticFit:
    """Fitted coefficients of k columns and their uncertainty.

    Attributes
    ----------
    intercept
        Log-odds where every column is 0.
    coefficients
        Shape (k,).
    covariance
        Shape (k + 1, k + 1), the intercept first.
    log_likelihood
        At the fit, with Firth's penalty if `method` is "Firth".
    method
        "maximum likelihood" or "Firth".
    separating
        Columns that separate the classes, if that is why the method is Firth's.
    """

    intercept: float
    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    method: str = MAXIMUM_LIKELIHOOD
    separating: tuple[str, ...] = ()

    @property
    def standard_errors(self) -> FloatArray:
        """Of the coefficients, shape (k,)."""
        return np.sqrt(np.diag(self.covariance)[1:])

    @property
    def p_values(self) -> FloatArray:
        """Two-sided Wald tests of the coefficients, shape (k,)."""
        return np.asarray(2.0 * norm.sf(np.abs(self.coefficients / self.standard_errors)))


def fit_logistic(
    positive: BoolArray, predictors: FloatArray, names: Sequence[str] | None = None
) -> LogisticFit:
    """Maximum-likelihood logistic regression with an intercept.

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
        With Wald standard errors and p-values.

    Raises
    ------
    NotEstimable
        If the estimate is not unique (collinear or constant columns); as `Separated` if it does
        not exist because a plane separates the classes.

    Examples
    --------
    >>> positive = np.array([True, False, False, True, True, False])
    >>> fit = fit_logistic(positive, np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]))
    >>> np.exp([fit.intercept, *fit.coefficients]).round(3).tolist()  # odds 1:2, odds ratio 4
    [0.5, 4.0]
    """
    names = names or [f"predictor {i + 1}" for i in range(predictors.shape[1])]
    standardised = standardise(predictors, names)
    check_rank(standardised)
    _check_overlap(positive, standardised, names)
    maximum = maximum_likelihood(positive, standardised)
    return unstandardise(maximum, predictors, MAXIMUM_LIKELIHOOD)


def maximum_likelihood(positive: BoolArray, standardised: FloatArray) -> Maximum:
    """Maximum of the likelihood over an intercept and standardised columns that overlap."""
    design = np.column_stack([np.ones(len(positive)), standardised])
    model = GLM(positive.astype(np.float64), design, family=Binomial())
    result = model.fit(tol=1e-13, rtol=1e-13, maxiter=200)
    if not result.converged:
        raise NotEstimable("the logistic regression did not converge; use fewer variables")
    # statsmodels' own errors are those of the last step but one, right to about 1e-6 only
    b = np.asarray(result.params)
    return at(Likelihood(design, positive), b)


def unstandardise(maximum: Maximum, predictors: FloatArray, method: str) -> LogisticFit:
    """Fit in the units of the predictors, from the one of their z-scores."""
    back = np.diag(np.append(1.0, 1.0 / predictors.std(axis=0)))
    back[0, 1:] = -predictors.mean(axis=0) / predictors.std(axis=0)
    b = back @ maximum.coefficients
    covariance = back @ maximum.covariance @ back.T
    return LogisticFit(float(b[0]), b[1:], covariance, maximum.log_likelihood, method)


def standardise(predictors: FloatArray, names: Sequence[str]) -> FloatArray:
    """Z-scores of the columns; `NotEstimable` if one is constant or infinite."""
    infinite = [n for n, c in zip(names, predictors.T, strict=True) if not np.isfinite(c).all()]
    if infinite:
        raise NotEstimable(
            f"{', '.join(infinite)} has an infinite value; correct it or leave the case out"
        )
    constant = [n for n, c in zip(names, predictors.T, strict=True) if c.min() == c.max()]
    if constant:
        raise NotEstimable(f"{', '.join(constant)} has one value only; leave it out")
    centred = predictors - predictors.mean(axis=0)
    return np.asarray(centred / predictors.std(axis=0), dtype=np.float64)


def check_rank(standardised: FloatArray) -> None:
    """Raise `NotEstimable` if the columns are collinear."""
    n_columns = standardised.shape[1]
    rank = int(np.linalg.matrix_rank(standardised, tol=1e-9 * np.sqrt(standardised.size)))
    if rank < n_columns:
        raise NotEstimable(
            f"the variables are collinear ({n_columns} columns, rank {rank}); leave one out"
        )


def _check_overlap(positive: BoolArray, standardised: FloatArray, names: Sequence[str]) -> None:
    """Raise if a plane separates the classes, touching included: then no estimate exists."""
    guilty = _separators(positive, standardised)
    if not guilty.any():
        return
    raise Separated(tuple(n for n, at_fault in zip(names, guilty, strict=True) if at_fault))


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
    """Logistic regression whose likelihood is penalised by Jeffreys' prior.

    The estimates are those of R's brglm2 (type "AS_mean") and logistf. The standard errors come
    from the Fisher information; with separation they say little, so that intervals and tests
    should be those of `her2.stats.association.logistic_fit`.

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


@dataclass(frozen=True)
class CoefficientProfile:
    """Profile-likelihood interval of a coefficient and its likelihood-ratio test against 0.

    Attributes
    ----------
    low, high
        Limits of the interval: log odds per unit of the predictor, or log odds for the intercept.
    p_value
        Of the test.
    """

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
    >>> from her2.stats.association.logistic_fit import fit_firth
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
