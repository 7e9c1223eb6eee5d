"""A logistic regression of a table that can be kept, inspected and applied to another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from her2.core.errors import BadArgument
from her2.stats.association.design import (
    Design,
    Levels,
    category_levels,
    check_columns,
    check_complete,
    complete_cases,
    design,
    outcome_of,
)
from her2.stats.association.logistic import OnSeparation, fit_design
from her2.stats.association.logistic_fit import MAXIMUM_LIKELIHOOD
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class LogisticModel:
    """A fitted logistic regression.

    Attributes
    ----------
    intercept
        Log-odds where every variable is 0 or at its first level.
    coefficients
        By term, ``age`` or ``er[positive]``, in the order of the variables.
    variables
        Columns that it reads.
    levels
        Of its categories, first the reference.
    covariance
        Shape (k + 1, k + 1), the intercept first.
    log_likelihood
        At the fit, with Firth's penalty if `method` is "Firth".
    n, n_events
        Complete cases, and the positive ones among them.
    method
        "maximum likelihood" or, where a plane separates the classes, "Firth".
    """

    intercept: float
    coefficients: Mapping[str, float]
    variables: tuple[str, ...]
    levels: Mapping[str, Levels]
    covariance: FloatArray
    log_likelihood: float
    n: int
    n_events: int
    method: str = MAXIMUM_LIKELIHOOD

    def linear_predictor(self, table: pd.DataFrame) -> FloatArray:
        """Log-odds of each row, shape (n,).

        Raises
        ------
        BadArgument
            If a column is absent or a category has a level that the fit has not seen.
        NotEstimable
            If a value is missing.
        """
        check_columns(table, self.variables)
        used = table[list(self.variables)]
        check_complete(used)
        b = np.array(list(self.coefficients.values()))
        return np.asarray(self.intercept + design(used, self.levels).matrix @ b)

    def probability(self, table: pd.DataFrame) -> FloatArray:
        """Probability of a positive outcome of each row, shape (n,)."""
        return np.asarray(expit(self.linear_predictor(table)))


def fit_logistic_model(
    table: pd.DataFrame,
    outcome: str | ArrayLike,
    variables: Sequence[str],
    *,
    separation: OnSeparation = "firth",
) -> LogisticModel:
    """Logistic regression of an outcome on variables of a table, with an intercept.

    Parameters
    ----------
    table
        One row a case; rows with a missing value are left out. Numbers and booleans enter as they
        are, text and categories as indicators of all levels but the first; a 0/1 column becomes a
        category by ``table.astype({name: "category"})``.
    outcome
        A column of `table`, or shape (n,): 0 or 1.
    variables
        Columns of `table`, at least one.
    separation
        Where a plane separates the classes: "firth" fits by Firth's penalised likelihood, "not
        estimable" refuses.

    Raises
    ------
    BadArgument
        If a column is absent, there is no variable, or the outcome is not 0/1.
    NotEstimable
        If a class is absent, a variable is constant or collinear, or the classes are separated
        and Firth's fit is not wanted.

    References
    ----------
    Firth (1993), Biometrika 80:27, doi:10.1093/biomet/80.1.27 (under separation).

    Examples
    --------
    >>> table = pd.DataFrame({"er": ["-", "-", "-", "+", "+", "+"]})
    >>> model = fit_logistic_model(table, [1, 1, 0, 1, 0, 0], ["er"])
    >>> list(model.coefficients), model.probability(table.iloc[:1]).round(3).tolist()
    (['er[-]'], [0.667])
    """
    if not len(variables):
        raise BadArgument("at least one variable is needed, found none; name a column")
    positive, columns, known = model_data(table, outcome, variables)
    fit = fit_design(positive, columns, separation=separation)
    return LogisticModel(
        intercept=fit.intercept,
        coefficients=dict(zip(columns.terms, fit.coefficients.tolist(), strict=True)),
        variables=tuple(variables),
        levels=known,
        covariance=fit.covariance,
        log_likelihood=fit.log_likelihood,
        n=positive.size,
        n_events=int(positive.sum()),
        method=fit.method,
    )


def model_data(
    table: pd.DataFrame, outcome: str | ArrayLike, variables: Sequence[str]
) -> tuple[BoolArray, Design, dict[str, Levels]]:
    """Outcome, columns and levels of the cases without a missing value in any variable."""
    check_columns(table, variables)
    complete = complete_cases(table, variables)
    used = table.loc[complete, list(variables)]
    known = category_levels(used)
    return outcome_of(table, outcome)[complete], design(used, known), known


def deviance(positive: BoolArray, columns: Design) -> float:
    """Deviance of the maximum-likelihood fit of these columns; of the intercept if there is none.

    Raises
    ------
    NotEstimable
        If the fit does not exist.
    """
    if columns.terms:
        return -2.0 * fit_design(positive, columns, separation="not estimable").log_likelihood
    n, events = positive.size, int(positive.sum())
    return float(-2.0 * (events * np.log(events / n) + (n - events) * np.log(1 - events / n)))
