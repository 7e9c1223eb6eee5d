"""Stepwise choice of variables in a logistic regression, as R's MASS::stepAIC makes it.

A stepwise choice sees the outcome: p-values and intervals of the chosen model are too good. It
is offered because published tables use it; a penalised model judged by cross-validation is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2

from her2.core.errors import BadArgument
from her2.stats.association.design import Design
from her2.stats.association.logistic import fit_design
from her2.stats.association.logistic_model import deviance, model_data
from her2.stats.validation import BoolArray

Criterion = Literal["aic", "p"]
_MARGIN = 1e-7  # by which an information criterion must fall, as in R


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


class _Change(NamedTuple):
    change: str
    selected: tuple[str, ...]
    value: float


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
    _check_options(criterion, p_enter, p_remove)
    positive, columns, _ = model_data(table, outcome, variables)
    if not columns.terms:
        raise BadArgument("at least one variable is needed, found none; name a column")
    fit_design(positive, columns, separation="not estimable")  # then every smaller model exists
    search = _Search(positive, columns, tuple(variables))
    if criterion == "p":
        return _walk(_ByTest(search, p_enter, p_remove))
    return _walk(_ByInformation(search))


def _check_options(criterion: str, p_enter: float, p_remove: float) -> None:
    if criterion not in ("aic", "p"):
        raise BadArgument(f'criterion must be "aic" or "p", found {criterion!r}')
    if not 0.0 < p_enter <= p_remove < 1.0:
        raise BadArgument(
            f"0 < p_enter <= p_remove < 1 is needed, found {p_enter} and {p_remove}; "
            "otherwise a variable goes in and out for ever"
        )


class _Chooser(Protocol):
    def start(self) -> _Change: ...
    def best(self, now: _Change) -> _Change | None: ...


def _walk(chooser: _Chooser) -> Stepwise:
    taken = [chooser.start()]
    seen = {frozenset(taken[0].selected)}
    while (change := chooser.best(taken[-1])) is not None:
        if frozenset(change.selected) in seen:
            break  # rounding alone would take a variable in and out for ever
        seen.add(frozenset(change.selected))
        taken.append(change)
    rows = [(step, c.change, c.value) for step, c in enumerate(taken)]
    return Stepwise(taken[-1].selected, pd.DataFrame(rows, columns=["step", "change", "value"]))


@dataclass(frozen=True)
class _Search:
    """The data of a search and what its models cost."""

    positive: BoolArray
    columns: Design
    variables: tuple[str, ...]

    def deviance(self, selected: Sequence[str]) -> float:
        return deviance(self.positive, self.columns.of(selected))

    def n_terms(self, selected: Sequence[str]) -> int:
        return sum(name in selected for name in self.columns.variables)

    def removals(self, selected: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        return [(f"- {x}", tuple(v for v in selected if v != x)) for x in selected]

    def additions(self, selected: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        return [(f"+ {x}", (*selected, x)) for x in self.variables if x not in selected]


@dataclass(frozen=True)
class _ByInformation:
    search: _Search

    def start(self) -> _Change:
        return self._change("", self.search.variables)

    def best(self, now: _Change) -> _Change | None:
        selected = now.selected
        options = [*self.search.removals(selected), *self.search.additions(selected)]
        best = min((self._change(*c) for c in options), key=lambda c: c.value, default=now)
        return best if best.value < now.value - _MARGIN else None

    def _change(self, change: str, selected: tuple[str, ...]) -> _Change:
        n_parameters = self.search.n_terms(selected) + 1
        value = self.search.deviance(selected) + 2.0 * n_parameters
        return _Change(change, selected, value)


@dataclass(frozen=True)
class _ByTest:
    search: _Search
    p_enter: float
    p_remove: float

    def start(self) -> _Change:
        return _Change("", (), float("nan"))

    def best(self, now: _Change) -> _Change | None:
        out = [self._change(now, *c) for c in self.search.removals(now.selected)]
        worst = max(out, key=lambda c: c.value, default=now)
        if worst.value > self.p_remove:
            return worst
        into = [self._change(now, *c) for c in self.search.additions(now.selected)]
        best = min(into, key=lambda c: c.value, default=now)
        return best if best.value < self.p_enter else None

    def _change(self, now: _Change, change: str, selected: tuple[str, ...]) -> _Change:
        """Likelihood-ratio p-value of the variable that goes or comes.

        A larger model that fits worse (its fit ran out of steps, as under separation) gains 0.
        """
        smaller, larger = sorted((selected, now.selected), key=len)
        gain = self.search.deviance(smaller) - self.search.deviance(larger)
        dof = self.search.n_terms(larger) - self.search.n_terms(smaller)
        return _Change(change, selected, float(chi2.sf(max(gain, 0.0), dof)))
