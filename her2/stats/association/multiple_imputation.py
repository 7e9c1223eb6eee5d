"""Filling gaps in a table from its other columns, and pooling what the filled tables say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.association.chained_regressions import Blocks, complete_chain
from her2.stats.association.design import (
    Design,
    category_levels,
    check_columns,
    design,
    outcome_of,
)
from her2.stats.association.logistic_fit import fit_logistic
from her2.stats.validation import BoolArray, FloatArray

COLUMNS = (
    "variable",
    "odds_ratio",
    "low",
    "high",
    "p_value",
    "n",
    "fraction_missing",
    "note",
)
_OUTCOME = "(outcome)"


@dataclass(frozen=True)
class PooledEstimate:
    """One estimate from m imputed tables, by Rubin's rules.

    fraction_missing: share of the information about the estimate that the gaps cost.
    """

    value: float
    standard_error: float
    low: float
    high: float
    dof: float
    p_value: float
    fraction_missing: float


def pool(
    estimates: ArrayLike,
    variances: ArrayLike,
    *,
    complete_dof: float = np.inf,
    level: float = 0.95,
) -> PooledEstimate:
    """One estimate with its uncertainty, from the estimates of m imputed tables.

    Parameters
    ----------
    estimates, variances
        Shape (m,), m >= 2: of a quantity that is nearly normal (a log odds ratio, not an odds
        ratio), with its squared standard error.
    complete_dof
        Degrees of freedom without gaps, for Barnard and Rubin's correction in small samples.
    level
        Of the interval.

    Raises
    ------
    BadArgument
        If there are fewer than two, the lengths differ, or a variance is not positive.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, doi:10.1002/9780470316696.
    Barnard & Rubin (1999), Biometrika 86:948, doi:10.1093/biomet/86.4.948.

    Examples
    --------
    >>> pooled = pool([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    >>> pooled.value, round(pooled.standard_error, 3), round(pooled.dof, 2)
    (2.0, 1.528, 6.12)
    """
    validation.check_level(level)
    q, u = validation.vector(estimates, "estimates"), validation.vector(variances, "variances")
    if q.size != u.size or q.size < 2 or not (u > 0).all():
        raise BadArgument(
            f"two or more estimates, each with a positive variance, are needed, found {q.size} "
            f"and {u.size}; impute more than once"
        )
    within, between = float(u.mean()), float(q.var(ddof=1)) * (1.0 + 1.0 / q.size)
    total = within + between
    dof = _degrees_of_freedom(between / total, q.size, complete_dof)
    error = float(np.sqrt(total))
    half = float(student.isf((1 - level) / 2, dof)) * error
    value = float(q.mean())
    p_value = float(2 * student.sf(abs(value) / error, dof))
    lost = _fraction_missing(between / within, q.size)
    return PooledEstimate(value, error, value - half, value + half, dof, p_value, lost)


def impute(
    table: pd.DataFrame, *, n_imputations: int = 20, n_iterations: int = 10, seed: int = 0
) -> list[pd.DataFrame]:
    """Table without gaps, several times, by chained equations with predictive mean matching.

    Each gap receives the value of one of the five cases whose predicted value is nearest, so that
    only values that occur are filled in. The prediction comes from a Bayesian linear regression on
    all other columns, drawn anew for each copy; a category is predicted by its 0/1 columns.

    Parameters
    ----------
    table
        One row a case: numbers, booleans and categories. For odds ratios it should hold the
        outcome (without gaps) as well, or associations shrink; for prediction it must not.
    n_imputations
        Copies.
    n_iterations
        Rounds over the columns with gaps before a copy is taken.
    seed
        The same seed gives the same copies.

    Returns
    -------
    list of DataFrame
        Of the shape of the table; values that are known stay as they are.

    Raises
    ------
    BadArgument
        If n_imputations or n_iterations is below 1.
    NotEstimable
        If a column has no value at all.

    References
    ----------
    van Buuren & Groothuis-Oudshoorn (2011), J. Stat. Softw. 45(3), doi:10.18637/jss.v045.i03.
    Moons et al. (2006), J. Clin. Epidemiol. 59:1092, doi:10.1016/j.jclinepi.2006.01.009 (outcome).

    Examples
    --------
    >>> table = pd.DataFrame({"a": [1.0, 2, 3, 4, None, 6], "er": ["-", "-", "-", "+", "+", None]})
    >>> [int(copy.isna().sum().sum()) for copy in impute(table, n_imputations=2)]
    [0, 0]
    """
    if min(n_imputations, n_iterations) < 1:
        raise BadArgument(
            f"at least one copy and one round are needed, found {n_imputations} and {n_iterations}"
        )
    empty = [str(name) for name in table.columns if not table[name].notna().any()]
    if empty:
        raise NotEstimable(f"{', '.join(empty)} has no value at all; leave it out")
    values, blocks = coded(table)
    copies = []
    for i in range(n_imputations):
        _, donors = complete_chain(values, blocks, np.random.default_rng([seed, i]), n_iterations)
        copies.append(_take(table, donors))
    return copies


def multiply_imputed_logistic(
    table: pd.DataFrame,
    outcome: str | ArrayLike,
    variables: Sequence[str],
    *,
    n_imputations: int = 20,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Odds ratios, adjusted, of all cases, with gaps filled by multiple imputation.

    The outcome helps to fill the gaps of the variables, and is never filled itself.

    Parameters
    ----------
    table, outcome, variables
        As in `multivariable_logistic`.
    n_imputations
        At least 2; about as many as per cent of the cases have a gap.
    seed
        Of the imputation.
    level
        Of the intervals.

    Returns
    -------
    DataFrame
        One row a coefficient: variable, odds_ratio, low, high, p_value (Rubin's rules with Barnard
        and Rubin's degrees of freedom), n, fraction_missing, note. If an imputed table has no
        maximum-likelihood estimate the numbers are missing and the note says why.

    Raises
    ------
    BadArgument
        If a column is absent, the outcome is not 0/1 or n_imputations is below 2.
    NotEstimable
        If the outcome has one class only or a variable has no value at all.

    References
    ----------
    White, Royston & Wood (2011), Stat. Med. 30:377, doi:10.1002/sim.4067.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    >>> y = (table["a"] + rng.logistic(size=200) > 0).astype(int)
    >>> holes = table.mask(rng.random(table.shape) < 0.1)
    >>> multiply_imputed_logistic(holes, y, ["a", "b"], n_imputations=5)["n"].tolist()
    [200, 200]
    """
    if n_imputations < 2:
        raise BadArgument(f"n_imputations must be at least 2, found {n_imputations}")
    positive = outcome_of(table, outcome)
    check_columns(table, variables)
    used = table[list(variables)]
    copies = impute(
        used.assign(**{_OUTCOME: positive.astype(np.float64)}),
        n_imputations=n_imputations,
        seed=seed,
    )
    known = category_levels(used)
    columns = [design(copy[list(variables)], known) for copy in copies]
    return pd.DataFrame(_pooled_rows(positive, columns, level), columns=list(COLUMNS))


def _pooled_rows(
    positive: BoolArray, columns: Sequence[Design], level: float
) -> list[tuple[object, ...]]:
    terms, n = columns[0].terms, positive.size
    try:
        fits = [fit_logistic(positive, c.matrix, c.terms) for c in columns]
    except NotEstimable as error:
        return [(name, *[np.nan] * 4, n, np.nan, f"not estimable: {error}") for name in terms]
    rows: list[tuple[object, ...]] = []
    for i, name in enumerate(terms):
        b = [fit.coefficients[i] for fit in fits]
        u = [fit.standard_errors[i] ** 2 for fit in fits]
        x = pool(b, u, complete_dof=n - len(terms) - 1, level=level)
        odds_ratios = np.exp([x.value, x.low, x.high]).tolist()
        rows.append((name, *odds_ratios, x.p_value, n, x.fraction_missing, ""))
    return rows


def coded(table: pd.DataFrame) -> tuple[FloatArray, Blocks]:
    """Numbers and 0/1 columns of a table, NaN where a value is missing, and whose they are.

    A category has one column for each level but the first; its gap is a gap in all of them.
    """
    known = category_levels(table)
    filled = table.copy()
    for name in table.columns:
        first = known[str(name)][0] if str(name) in known else 0
        filled[name] = table[name].where(table[name].notna(), first)
    columns = design(filled, known)
    values = columns.matrix.copy()
    blocks = tuple(
        np.flatnonzero([variable == str(name) for variable in columns.variables])
        for name in table.columns
    )
    for name, block in zip(table.columns, blocks, strict=True):
        values[np.ix_(np.flatnonzero(table[name].isna()), block)] = np.nan
    return values, blocks


def _take(table: pd.DataFrame, donors: Sequence[dict[int, int]]) -> pd.DataFrame:
    """Copy of the table in which the gaps of each column have the values of their donors."""
    filled = table.copy()
    for position, given in enumerate(donors):
        if given:
            column = filled.iloc[:, position].copy()
            column.iloc[list(given)] = column.iloc[list(given.values())].to_numpy()
            filled[filled.columns[position]] = column
    return filled


def _degrees_of_freedom(share_between: float, m: int, complete_dof: float) -> float:
    """Barnard and Rubin's; of the complete data where the estimates agree."""
    rubin = (m - 1) / max(share_between, 1e-9) ** 2
    if not np.isfinite(complete_dof):
        return rubin
    observed = (complete_dof + 1) / (complete_dof + 3) * complete_dof * (1 - share_between)
    return rubin * observed / (rubin + observed)


def _fraction_missing(r: float, m: int) -> float:
    """Rubin's fraction of missing information, r the ratio of variance between to within."""
    if r < 1e-12:
        return 0.0
    dof = (m - 1) * (1 + 1 / r) ** 2
    return (r + 2 / (dof + 3)) / (1 + r)
