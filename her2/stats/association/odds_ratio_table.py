"""Table 2: univariable and multivariable odds ratios side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.design import (
    check_columns,
    complete_cases,
    design,
    is_numeric,
    levels,
    outcome_of,
)
from her2.stats.association.logistic import (
    INTERCEPT_NAME,
    multivariable_logistic,
    univariable_logistic,
)
from her2.stats.association.logistic_fit import FIRTH, standardise
from her2.stats.association.logistic_model import Criterion, stepwise_logistic
from her2.stats.validation import BoolArray

COLUMNS = (
    "variable", "n", "n_events", "odds_ratio", "low", "high", "p_value", "adjusted_odds_ratio",
    "adjusted_low", "adjusted_high", "adjusted_p_value", "vif", "method", "note",
)  # fmt: skip
_NUMBERS = ("odds_ratio", "low", "high", "p_value")
_ADJUSTED = tuple(f"adjusted_{name}" for name in _NUMBERS)


_Record = Mapping[Any, Any]


class _Multivariable(NamedTuple):
    rows: dict[str, _Record]  # of multivariable_logistic, by term
    vif: dict[str, float]
    notes: dict[str, str]  # by variable: why it is not in the model
    remark: str  # of the whole model


def odds_ratio_table(
    table: pd.DataFrame,
    y_true: ArrayLike,
    variables: Sequence[str],
    *,
    stepwise: Criterion | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Odds ratio of each variable alone and adjusted for the others.

    Parameters
    ----------
    table
        One row a case. Only training patients, if a model of these variables is judged later.
    y_true
        Shape (n,), 0 or 1.
    variables
        Columns of `table`. One that is constant, or has no value or an infinite one, keeps a row
        with the reason and stays out of the multivariable model.
    stepwise
        None: all variables are in the multivariable model. "aic" or "p": those of
        `stepwise_logistic` in both directions; the others say "not chosen". If a stepwise choice
        does not exist (separation), all variables stay in and the note says why.
    level
        Of the intervals.

    Returns
    -------
    DataFrame
        The intercept of the multivariable model as "(intercept)", then a row for each variable
        or ``variable[level]``: variable; n, n_events (of the univariable fit; for the intercept
        of the multivariable one); odds_ratio, low, high, p_value; adjusted_odds_ratio,
        adjusted_low, adjusted_high, adjusted_p_value; vif; method ("maximum likelihood" or
        "Firth"; of the multivariable fit where there is one); note. What is not estimable is NaN
        and has its reason in the note.

    Raises
    ------
    BadArgument
        If a column is absent, an option is unknown, or y_true is not 0/1.
    NotEstimable
        If y_true has one class only.

    References
    ----------
    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047 (separation).

    Examples
    --------
    >>> table = pd.DataFrame({"a": [0, 1, 2, 3, 4, 5], "b": [1, 0, 0, 1, 1, 1], "c": 7})
    >>> result = odds_ratio_table(table, [0, 1, 0, 1, 0, 1], ["a", "b", "c"])
    >>> result[["variable", "odds_ratio", "adjusted_odds_ratio"]].round(2).values.tolist()[1:3]
    [['a', 1.44, 1.59], ['b', 1.0, 0.48]]
    >>> result["note"].iloc[-1]
    'not estimable: c has one value only; leave it out'
    """
    if stepwise not in (None, "aic", "p"):
        raise BadArgument(f'stepwise must be None, "aic" or "p", found {stepwise!r}')
    check_columns(table, variables)
    positive = outcome_of(table, y_true)
    joint = _multivariable(table, positive, variables, stepwise, level)
    rows = [_intercept_row(joint)]
    for name in variables:
        alone = univariable_logistic(table, positive, [name], level=level)
        rows += [_row(record, name, joint) for record in alone.to_dict("records")]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys((*_NUMBERS, *_ADJUSTED, "vif"), np.float64))


def _multivariable(
    table: pd.DataFrame,
    positive: BoolArray,
    variables: Sequence[str],
    stepwise: Criterion | None,
    level: float,
) -> _Multivariable:
    kept = usable = [name for name in variables if _is_usable(table[name])]
    notes: dict[str, str] = {}
    remark = ""
    if stepwise is not None and usable:
        try:
            chosen = stepwise_logistic(table, positive, usable, criterion=stepwise).selected
            kept = [name for name in usable if name in chosen]
        except NotEstimable as error:
            remark = f"no stepwise choice, all variables kept: {error}"
        out = f"not chosen by stepwise regression ({stepwise})"
        notes = {name: out for name in usable if name not in kept}
    if not kept:
        return _Multivariable({}, {}, notes, remark)
    found = multivariable_logistic(table, positive, kept, level=level, intercept=True)
    rows: dict[str, _Record] = {r["variable"]: r for r in found.to_dict("records")}
    try:
        vif = {str(name): float(x) for name, x in variance_inflation(table, kept).items()}
    except NotEstimable:  # the rows of the model say why
        vif = {}
    return _Multivariable(rows, vif, notes, remark)


def _is_usable(values: pd.Series) -> bool:
    """Whether values vary and none is infinite; the univariable row says it if not."""
    is_finite = not is_numeric(values) or not np.isinf(values.to_numpy(np.float64)).any()
    return is_finite and len(levels(values)) > 1


def _intercept_row(joint: _Multivariable) -> dict[str, object]:
    blank: dict[str, object] = dict.fromkeys(COLUMNS, None)
    blank |= {"variable": INTERCEPT_NAME, "n": 0, "n_events": 0, "method": ""}
    if not joint.rows:
        return blank | {"note": "not estimable: no variable is in the multivariable model"}
    found = joint.rows[INTERCEPT_NAME]
    counts = {"n": found["n"], "n_events": found["n_events"]}
    note = _join(joint.remark, str(found["note"]))
    return blank | counts | _adjusted(found) | {"method": found["method"], "note": note}


def _row(alone: _Record, variable: str, joint: _Multivariable) -> dict[str, object]:
    blank: dict[str, object] = dict.fromkeys(COLUMNS, None)
    row = blank | {name: alone[name] for name in COLUMNS if name in alone}
    term = str(alone["variable"])
    if variable in joint.notes:
        return row | {"note": _join(str(alone["note"]), joint.notes[variable])}
    if term not in joint.rows:
        return row
    found = joint.rows[term]
    note = _join(str(alone["note"]), _adjusted_note(alone, found))
    method = found["method"] or alone["method"]
    return (
        row | _adjusted(found) | {"vif": joint.vif.get(variable), "method": method, "note": note}
    )


def _adjusted(found: _Record) -> dict[str, object]:
    return {f"adjusted_{name}": found[name] for name in _NUMBERS}


def _adjusted_note(alone: _Record, found: _Record) -> str:
    """Say what the univariable note does not; the intercept's row tells it in full."""
    if found["note"] == alone["note"]:
        return ""
    if found["method"] == FIRTH and found["method"] != alone["method"]:
        return f"adjusted by Firth's method, see {INTERCEPT_NAME}"
    return f"adjusted: {found['note']}" if not found["method"] else ""


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


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
    r = standardised.T @ standardised / len(standardised)
    factors = {}
    for name in variables:
        own = np.array([variable == name for variable in columns.variables])
        parts = [np.linalg.slogdet(r[np.ix_(keep, keep)])[1] for keep in (own, ~own, own | ~own)]
        factors[name] = float(np.exp((parts[0] + parts[1] - parts[2]) / own.sum()))
    return pd.Series(factors, name="vif", dtype=np.float64)
