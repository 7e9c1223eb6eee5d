"""Maximum-likelihood logistic regression, and the data for which it does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.special import expit
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from her2.errors import NotEstimable
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class LogisticFit:
    """Maximum-likelihood fit with Wald tests; arrays of shape (n_columns,)."""

    intercept: float
    coefficients: FloatArray
    standard_errors: FloatArray
    p_values: FloatArray


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
        If the estimate does not exist (separation) or is not unique (collinear columns).

    Examples
    --------
    >>> positive = np.array([True, False, False, True, True, False])
    >>> fit = fit_logistic(positive, np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]))
    >>> np.exp([fit.intercept, *fit.coefficients]).round(3).tolist()  # odds 1:2, odds ratio 4
    [0.5, 4.0]
    """
    names = names or [f"predictor {i + 1}" for i in range(predictors.shape[1])]
    standardised = _standardise(predictors, names)
    _check_rank(standardised)
    _check_overlap(positive, standardised, names)
    coefficients, errors = _maximum_likelihood(positive, standardised)
    scale = predictors.std(axis=0)
    slopes, standard_errors = coefficients[1:] / scale, errors[1:] / scale
    return LogisticFit(
        intercept=float(coefficients[0] - slopes @ predictors.mean(axis=0)),
        coefficients=slopes,
        standard_errors=standard_errors,
        p_values=np.asarray(2.0 * norm.sf(np.abs(slopes / standard_errors))),
    )


def _maximum_likelihood(
    positive: BoolArray, standardised: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Coefficients and standard errors, each of shape (1 + n_columns,), intercept first."""
    design = np.column_stack([np.ones(len(positive)), standardised])
    model = GLM(positive.astype(np.float64), design, family=Binomial())
    result = model.fit(tol=1e-13, rtol=1e-13, maxiter=200)
    if not result.converged:
        raise NotEstimable("the logistic regression did not converge; use fewer variables")
    # statsmodels' own errors are those of the last step but one, right to about 1e-6 only
    fitted = expit(design @ result.params)
    information = (design * (fitted * (1 - fitted))[:, None]).T @ design
    return np.asarray(result.params), np.sqrt(np.diag(np.linalg.inv(information)))


def _standardise(predictors: FloatArray, names: Sequence[str]) -> FloatArray:
    if not np.isfinite(predictors).all():
        raise NotEstimable("a variable has an infinite value; correct it or leave the case out")
    constant = [n for n, c in zip(names, predictors.T, strict=True) if c.min() == c.max()]
    if constant:
        raise NotEstimable(f"{', '.join(constant)} has one value only; leave it out")
    centred = predictors - predictors.mean(axis=0)
    return np.asarray(centred / predictors.std(axis=0), dtype=np.float64)


def _check_rank(standardised: FloatArray) -> None:
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
    found = ", ".join(name for name, at_fault in zip(names, guilty, strict=True) if at_fault)
    raise NotEstimable(
        f"{found} separate{'s' if guilty.sum() == 1 else ''} the outcome, so a coefficient is "
        "infinite; leave the variable out or collect cases that overlap"
    )


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
