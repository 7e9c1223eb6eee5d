"""A logistic regression of a table that can be kept and applied to another; stepwise choice.

A stepwise choice sees the outcome: p-values and intervals of the chosen model are too good. It
is offered because published tables use it; a penalised model judged by cross-validation is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.design import (
    Design,
    Levels,
    category_levels,
    check_columns,
    complete_cases,
    design,
    outcome_of,
)
from her2.stats.association.logistic import OnSeparation, fit_design
from her2.stats.association.logistic_fit import MAXIMUM_LIKELIHOOD
from her2.stats.validation import BoolArray, FloatArray

Criterion = Literal["aic", "p"]
_MARGIN = 1e-7  # by which an information criterion must fall, as in R


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
        gaps = ", ".join(map(str, used.columns[used.isna().any()]))
        if gaps:
            raise NotEstimable(
                f"no value may be missing, found gaps in {gaps}; impute them or leave those cases "
                "out knowingly"
            )
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
    positive, columns, known = _model_data(table, outcome, variables)
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


def _model_data(
    table: pd.DataFrame, outcome: str | ArrayLike, variables: Sequence[str]
) -> tuple[BoolArray, Design, dict[str, Levels]]:
    """Outcome, columns and levels of the cases without a missing value in any variable."""
    check_columns(table, variables)
    complete = complete_cases(table, variables)
    used = table.loc[complete, list(variables)]
    known = category_levels(used)
    return outcome_of(table, outcome)[complete], design(used, known), known


@dataclass(frozen=True)
class Stepwise:
    """Chosen variables and how they were chosen.

    Attributes
    ----------
    selected
        In the order of the request, entered ones at the end.
    path
        Columns step (0 is the start), change ("", "- age", "+ age") and value: AIC or BIC after
        the change; with the criterion "p", the p-value that decided it (NaN at the start).
    """

    selected: tuple[str, ...]
    path: pd.DataFrame


def stepwise_logistic(
    table: pd.DataFrame,
    outcome: str | ArrayLike,
    variables: Sequence[str],
    *,
    criterion: Criterion = "aic",
    p_enter: float = 0.05,
    p_remove: float = 0.10,
) -> Stepwise:
    """Variables that stepwise logistic regression chooses.

    Parameters
    ----------
    table, outcome, variables
        As in `fit_logistic_model`; cases with a missing value in any variable are left out of
        every step.
    criterion
        "aic" starts with all variables, takes the change that lowers it most and stops when none
        does. "p" starts with none, takes out the variable with the largest likelihood-ratio
        p-value above `p_remove`, otherwise takes in the one with the smallest below `p_enter`.
    p_enter, p_remove
        For the criterion "p"; p_enter must not exceed p_remove, or a variable could go in circles.

    Returns
    -------
    Stepwise
        With criterion "aic", the steps of R's ``MASS::stepAIC`` in both directions.

    Raises
    ------
    BadArgument
        If an option is none of the above or a column is absent.
    NotEstimable
        If the model of all variables has no maximum-likelihood estimate (constant or collinear
        variables, separation): then a step has no likelihood to judge by.

    References
    ----------
    Venables & Ripley (2002), Modern Applied Statistics with S, 4th ed., section 6.8.
    Heinze, Wallisch & Dunkler (2018), Biom. J. 60:431, doi:10.1002/bimj.201700067 (its dangers).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame(rng.normal(size=(200, 2)), columns=["signal", "noise"])
    >>> y = (table["signal"] + rng.logistic(size=200) > 0).astype(int)
    >>> stepwise_logistic(table, y, ["signal", "noise"]).selected
    ('signal',)
    """
    if criterion not in ("aic", "p"):
        raise BadArgument(f'criterion must be "aic" or "p", found {criterion!r}')
    if not 0.0 < p_enter <= p_remove < 1.0:
        raise BadArgument(
            f"0 < p_enter <= p_remove < 1 is needed, found {p_enter} and {p_remove}; "
            "otherwise a variable goes in and out for ever"
        )
    positive, columns, _ = _model_data(table, outcome, variables)
    if not columns.terms:
        raise BadArgument("at least one variable is needed, found none; name a column")
    fit_design(positive, columns, separation="not estimable")  # then every smaller model exists
    search = _Search(positive, columns, tuple(variables))
    if criterion == "p":
        start = _Change("", (), float("nan"))
        return _walk(start, partial(_best_by_test, search, p_enter, p_remove))
    return _walk(_by_aic(search, "", search.variables), partial(_best_by_aic, search))


class _Change(NamedTuple):
    change: str
    selected: tuple[str, ...]
    value: float


def _walk(start: _Change, best: Callable[[_Change], _Change | None]) -> Stepwise:
    taken = [start]
    seen = {frozenset(start.selected)}
    while (change := best(taken[-1])) is not None:
        if frozenset(change.selected) in seen:
            break  # rounding alone would take a variable in and out for ever
        seen.add(frozenset(change.selected))
        taken.append(change)
    rows = [(step, c.change, c.value) for step, c in enumerate(taken)]
    return Stepwise(taken[-1].selected, pd.DataFrame(rows, columns=["step", "change", "value"]))


class _Search(NamedTuple):
    """The data of a search and what its models cost."""

    positive: BoolArray
    columns: Design
    variables: tuple[str, ...]

    def deviance(self, selected: Sequence[str]) -> float:
        columns = self.columns.of(selected)
        if columns.terms:
            fit = fit_design(self.positive, columns, separation="not estimable")
            return -2.0 * fit.log_likelihood
        n, events = self.positive.size, int(self.positive.sum())
        return float(-2.0 * (events * np.log(events / n) + (n - events) * np.log(1 - events / n)))

    def n_terms(self, selected: Sequence[str]) -> int:
        return sum(name in selected for name in self.columns.variables)

    def removals(self, selected: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        return [(f"- {x}", tuple(v for v in selected if v != x)) for x in selected]

    def additions(self, selected: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        return [(f"+ {x}", (*selected, x)) for x in self.variables if x not in selected]


def _best_by_aic(search: _Search, now: _Change) -> _Change | None:
    options = [*search.removals(now.selected), *search.additions(now.selected)]
    best = min((_by_aic(search, *c) for c in options), key=lambda c: c.value, default=now)
    return best if best.value < now.value - _MARGIN else None


def _by_aic(search: _Search, change: str, selected: tuple[str, ...]) -> _Change:
    n_parameters = search.n_terms(selected) + 1
    return _Change(change, selected, search.deviance(selected) + 2.0 * n_parameters)


def _best_by_test(
    search: _Search, p_enter: float, p_remove: float, now: _Change
) -> _Change | None:
    out = [_by_test(search, now, *c) for c in search.removals(now.selected)]
    worst = max(out, key=lambda c: c.value, default=now)
    if worst.value > p_remove:
        return worst
    into = [_by_test(search, now, *c) for c in search.additions(now.selected)]
    best = min(into, key=lambda c: c.value, default=now)
    return best if best.value < p_enter else None


def _by_test(search: _Search, now: _Change, change: str, selected: tuple[str, ...]) -> _Change:
    """Likelihood-ratio p-value of the variable that goes or comes.

    A larger model that fits worse (its fit ran out of steps, as under separation) gains 0.
    """
    smaller, larger = sorted((selected, now.selected), key=len)
    gain = search.deviance(smaller) - search.deviance(larger)
    dof = search.n_terms(larger) - search.n_terms(smaller)
    return _Change(change, selected, float(chi2.sf(max(gain, 0.0), dof)))
