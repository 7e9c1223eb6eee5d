"""Columns that a table needs, and those that say who trains, who is tested and at which centre."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial

import pandas as pd

from her2.cohort.cohort_table import require_columns, row_numbers
from her2.cohort.outcome import is_missing, listed
from her2.cohort.problems import stop

INTERNAL_ROLES = ("train", "test")
NO_CENTRE = ("", "validation", "valid", "val", "dev", "development", "tuning", "holdout")
RESERVED = (  # estimates, and columns of the tables in which a centre has one of its own
    "out_of_fold", "repeated_cv", "held_out", "all", "variable", "level", "missing", "p_value",
    "test_name", "smd",
)  # fmt: skip


def column_checks(
    frame: pd.DataFrame, needs: Sequence[str], centre: str | None
) -> Iterator[Callable[[], None]]:
    """Yield the checks of single columns, which do not need each other."""
    pair = ("image", "mask")
    for name in needs or (pair if set(pair) & set(frame.columns) else ()):
        why = "paths relative to the table's folder"
        yield partial(require_columns, frame, [name], why=why)
    if "split" in frame.columns:
        yield partial(_check_split_column, frame["split"])
    if centre is not None:
        yield partial(_check_centre, frame, centre)


def _check_centre(frame: pd.DataFrame, centre: str) -> None:
    require_columns(frame, [centre], why="the centre of every patient, as the settings name it")
    empty = [row for row, cell in frame[centre].items() if is_missing(cell)]
    names = sorted({str(cell) for cell in frame[centre]})
    taken = [name for name in names if name.casefold() in (*INTERNAL_ROLES, *RESERVED)]
    wrong = taken or _spelt_twice(names)
    if empty or wrong:
        found = row_numbers(empty) + " without one" if empty else listed(wrong)
        raise stop(
            "C28",
            f"expected the name of a centre in every cell of {centre}, found {found}; correct "
            "these cells",
        )


def _spelt_twice(names: Sequence[str]) -> list[str]:
    """Return names that differ in case or spaces alone.

    >>> _spelt_twice(["A", "B", "a ", "b2"])
    ['A', 'a ']
    """
    plain = ["".join(name.casefold().split()) for name in names]
    return [name for name, same in zip(names, plain, strict=True) if plain.count(same) > 1]


def _check_split_column(cells: pd.Series) -> None:
    """Refuse a split with empty cells, without training patients, or with a misspelt role."""
    given = cells.map(str.casefold)
    if given.eq("").all():
        return
    misspelt = [
        name
        for name in sorted(set(given) - set(INTERNAL_ROLES))
        if name in (*NO_CENTRE, *RESERVED) or get_close_matches(name, INTERNAL_ROLES, cutoff=0.7)
    ]
    others = sorted({cell for cell in cells if cell.casefold() not in INTERNAL_ROLES})
    misspelt = misspelt or _spelt_twice(others)
    if misspelt or not given.eq("train").any():
        raise stop(
            "C28",
            "expected train, test or the name of an external centre in every cell of split, and "
            f"train in some, found {listed(misspelt or sorted(set(given)))}; correct these cells, "
            "or remove the column",
        )
