"""Whether the variables of a regression say the same, and whether there are enough events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.association.design import check_columns, complete_cases, design
from her2.stats.association.logistic_fit import check_rank, standardise


def variance_inflation(table: pd.DataFrame, variables: Sequence[str]) -> pd.Series:
    """Variance inflation factor of each variable: 1 / (1 - R²) on all the others.

    A category of several levels has the generalised factor, to the power 1 / (number of its
    terms), which is on the same scale. Above 5 or 10 the coefficients are hard to tell apart.

    Parameters
    ----------
    table
        One row a case; rows with a missing value in any variable are left out.
    variables
        Columns of `table`.

    Returns
    -------
    Series
        By variable, at least 1.

    Raises
    ------
    BadArgument
        If a column is absent.
    NotEstimable
        If a variable is constant, or is a linear function of the others (infinite).

    References
    ----------
    Fox & Monette (1992), J. Am. Stat. Assoc. 87:178, doi:10.1080/01621459.1992.10475190.

    Examples
    --------
    >>> table = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 2, 4]})
    >>> variance_inflation(table, ["a", "b"]).round(3).tolist()  # r = 0.8
    [2.778, 2.778]
    """
    check_columns(table, variables)
    columns = design(table.loc[complete_cases(table, variables), list(variables)])
    if not len(columns.matrix):
        raise NotEstimable("a case without a missing value is needed, found none; impute first")
    standardised = standardise(columns.matrix, columns.terms)
    check_rank(standardised)
    r = standardised.T @ standardised / len(standardised)
    factors = {}
    for name in variables:
        own = np.array([variable == name for variable in columns.variables])
        parts = [np.linalg.slogdet(r[np.ix_(keep, keep)])[1] for keep in (own, ~own, own | ~own)]
        factors[name] = float(np.exp((parts[0] + parts[1] - parts[2]) / own.sum()))
    return pd.Series(factors, name="vif", dtype=np.float64)


def events_per_variable(y_true: ArrayLike, n_parameters: int) -> float:
    """Cases of the rarer class for each coefficient, the intercept not counted.

    Below 10 a logistic regression is likely to be too good to be true; see
    `sample_size_for_prediction` for what is needed instead of a rule of thumb.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1.
    n_parameters
        Coefficients that were candidates, not only those that were kept.

    Raises
    ------
    BadArgument
        If there is no coefficient or y_true is not 0/1.
    NotEstimable
        If a class is absent.

    References
    ----------
    Peduzzi et al. (1996), J. Clin. Epidemiol. 49:1373, doi:10.1016/S0895-4356(96)00236-3.

    Examples
    --------
    >>> events_per_variable([1, 1, 1, 1, 0, 0, 0, 0, 0], 2)
    2.0
    """
    if n_parameters < 1:
        raise BadArgument(f"n_parameters must be at least 1, found {n_parameters}")
    positive = validation.outcome(y_true)
    return float(min(positive.sum(), (~positive).sum()) / n_parameters)
