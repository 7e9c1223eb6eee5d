"""Clinical variables: numbers or categories, decided by their cells and never by a guess."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from her2.cohort.cohort_table import require_columns
from her2.cohort.outcome import MISSING_TOKENS, clean, is_missing, listed
from her2.cohort.problems import Note, stop

_LEAKS = re.compile(
    r"her-?2|fish|ihc|erb-?b-?2|c-?erb|neu$|trastuzumab|herceptin|pertuzumab|outcome|pcr|"
    r"recurrence",
    re.IGNORECASE,
)
_AFTER_BIOPSY = re.compile(
    r"^(er|pr|ki-?_?67|grade|estrogen.*|progesterone.*|p53|lymph_?node.*|n_?stage|histolog.*)$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_AGES = (10.0, 120.0)
_MOSTLY_MISSING = 0.4


def refuse_leaks(names: Sequence[str], also: Sequence[str] = ()) -> None:
    """Refuse variables whose name gives away the outcome (`BadCohort` C22).

    `also` holds further names that leak in one particular data set.
    """
    hidden = {name.casefold() for name in also}
    leaks = [name for name in names if _LEAKS.search(name) or name.casefold() in hidden]
    if leaks:
        raise stop(
            "C22",
            f"expected variables that are known before the outcome, found {listed(leaks)}; "
            "take them out of the variables",
        )


def clinical_table(table: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, list[Note]]:
    """Clinical variables (n_rows, n_variables) and what is doubtful about them.

    A variable whose cells are all numbers is float with NaN for missing; any other is text with
    NaN for missing. `MISSING_TOKENS` are the cells that count as missing.

    Raises
    ------
    BadCohort
        C22 for a name that gives away the outcome, C28 for a column that is not there, C08 for
        decimal commas, C09 for an undeclared missing value among numbers.
    """
    refuse_leaks(names)
    require_columns(table, names, why="named in cohort.clinical")
    notes: list[Note] = []
    columns: dict[str, pd.Series] = {}
    for name in dict.fromkeys(names):
        column = parse_variable(table[name])
        notes += _variable_notes(name, column)
        if column.nunique() > 1:
            columns[name] = column
    return pd.DataFrame(columns, index=table.index), notes


def parse_variable(cells: pd.Series) -> pd.Series:
    """Float column, or object column of text; NaN where a cell is missing."""
    name = str(cells.name)
    known = cells[[not is_missing(cell) for cell in cells]]
    numbers = [cell for cell in known if _NUMBER.fullmatch(clean(cell))]
    others = sorted(set(known) - set(numbers))
    if not others:
        values = [math.nan if is_missing(cell) else float(clean(cell)) for cell in cells]
        return pd.Series(values, index=cells.index, name=name, dtype=np.float64)
    if any(_DECIMAL_COMMA.fullmatch(cell) for cell in others):
        raise stop(
            "C08", f"expected decimal points in {name!r}, found decimal commas; replace them"
        )
    if 2 * len(numbers) > len(known):
        tokens = ", ".join(repr(token) for token in sorted(MISSING_TOKENS))
        raise stop(
            "C09",
            f"expected {name!r} to hold numbers, found {listed(others)}; leave missing cells "
            f"empty (missing are: {tokens}) and write the others as numbers",
        )
    texts = [math.nan if is_missing(cell) else " ".join(cell.split()) for cell in cells]
    return pd.Series(texts, index=cells.index, name=name, dtype=object)


def refuse_copies(clinical: pd.DataFrame, outcomes: Sequence[int]) -> None:
    """Refuse a two-level variable that repeats the outcome under another name (C22)."""
    outcome = np.asarray(outcomes)
    for name, column in clinical.items():
        codes, levels = pd.factorize(column)  # missing is -1, which equals no outcome
        agreement = float(np.mean(codes == outcome))
        if len(levels) == 2 and (codes >= 0).all() and agreement in (0.0, 1.0):
            raise stop(
                "C22",
                f"expected {str(name)!r} to be a predictor, found a copy of the outcome; "
                "take it out of the variables",
            )


def _variable_notes(name: str, column: pd.Series) -> list[Note]:
    notes = []
    missing = float(column.isna().mean())
    if column.nunique() < 2:
        what = f"{name!r} has {column.nunique()} distinct values and is left out"
        return [Note("C20", what, "fill the column or take it out of the variables")]
    if missing > _MOSTLY_MISSING:
        what = f"{missing:.0%} of {name!r} is missing"
        notes.append(Note("C21", what, "complete it, or take it out of the variables"))
    if _AFTER_BIOPSY.match(name):
        what = f"{name!r} is usually known only after biopsy, together with HER2"
        notes.append(Note("C23", what, "do not call a model with it pre-operative"))
    if clean(name) == "age" and column.dtype == np.float64:
        n_odd = int(((column < _AGES[0]) | (column > _AGES[1])).sum())
        if n_odd:
            what = f"{n_odd} ages outside {_AGES[0]:g} to {_AGES[1]:g} years"
            notes.append(Note("C18", what, "check these ages"))
    return notes
