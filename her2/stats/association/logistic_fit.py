"""Maximum-likelihood logistic regression, and the data for which it does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from her2.core.errors import NotEstimable
from her2.stats.association.likelihood import Likelihood, Maximum, at
from her2.stats.validation import BoolArray, FloatArray

MAXIMUM_LIKELIHOOD = "maximum likelihood"
FIRTH = "Firth"


class Separated(NotEstimable):
    """A plane separates the classes: no maximum-likelihood estimate exists, Firth's does.

    columns: names of those that take part in the plane.
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

    coefficients: shape (k,); covariance: shape (k + 1, k + 1), the intercept first;
    log_likelihood: at the fit, Firth's penalty included if `method` is "Firth"; separating: the
    columns that separate the classes, if that is why it is.
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
