"""Dates of a patient table.

Identifiers that a spreadsheet turned into dates, and the time from examination to operation.
"""

from __future__ import annotations

import datetime
import re

import pandas as pd

from her2.cohort.outcome import is_missing
from her2.cohort.problems import Note, stop
from her2.cohort.table_layout import row_numbers

DATE_COLUMNS = ("study_date", "surgery_date")
MAX_DAYS_BEFORE = 14
_MONTHS = "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_MADE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?|\d\d:\d\d:\d\d(\.\d+)?|\d{1,2}月\d{1,2}日|"
    rf"\d{{1,2}}[-. /]+({_MONTHS})[a-z]*\.?([-. /]+\d{{2,4}})?",
    re.IGNORECASE,
)  # what spreadsheet programs write for the date or time that they see in 3-12 or 1:20
_MAYBE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|"
    rf"({_MONTHS})[- ]\d{{2}}",
    re.IGNORECASE,
)  # a date, or the way in which a study writes its identifiers
_MIDNIGHT = "T00:00:00"


def refuse_dates_for_ids(ids: pd.Series) -> None:
    """Refuse identifiers that a spreadsheet program turned into dates (C27).

    Plain dates such as 2024-03-12 are refused where most identifiers are of another kind.

    >>> refuse_dates_for_ids(pd.Series(["P-1", "12-Mar"], [2, 3], name="patient_id"))
    Traceback (most recent call last):
    her2.core.errors.BadCohort: C27: expected patient_id as text, found dates that a spreadsheet \
program made of it (row 3); format the column as text and enter these identifiers again
    """
    made = [bool(_MADE.fullmatch(cell)) for cell in ids]
    maybe = [bool(_MAYBE.fullmatch(cell)) for cell in ids]
    if 2 * sum(maybe) > len(ids):
        maybe = [False] * len(ids)
    rows = [row for row, a, b in zip(ids.index, made, maybe, strict=True) if a or b]
    if rows:
        raise stop(
            "C27",
            f"expected {ids.name} as text, found dates that a spreadsheet program made of it "
            f"({row_numbers(rows)}); format the column as text and enter these identifiers again",
        )


def window_notes(table: pd.DataFrame) -> dict[int, list[Note]]:
    """Return notes by row on examinations long before the operation, or after it (D51).

    Nothing where the table lacks one of `DATE_COLUMNS`; a row without one of both has no note.
    An examination after the operation leaves the lesion out; one more than 14 days before it is
    a warning, because studies differ in what they allow.
    """
    if not set(DATE_COLUMNS) <= set(table.columns):
        return {}
    study, surgery = (_dates(table[name]) for name in DATE_COLUMNS)
    notes: dict[int, list[Note]] = {}
    for row in table.index:
        if row not in study or row not in surgery:
            continue
        days = (surgery[row] - study[row]).days
        if days < 0:
            what = f"the ultrasound was {-days} days after the operation"
            notes[row] = [
                Note("D51", what, "bring the examination before it, or correct the date")
            ]
        elif days > MAX_DAYS_BEFORE:
            what = f"the ultrasound was {days} days before the operation"
            fix = "check that the protocol allows it"
            notes[row] = [Note("D51", what, fix, severity="warning")]
    return notes


def _dates(cells: pd.Series) -> dict[int, datetime.date]:
    """Dates by row; refused unless all are written year-month-day (C27)."""
    dates: dict[int, datetime.date] = {}
    wrong: list[int] = []
    for row, cell in zip(cells.index, cells, strict=True):
        if is_missing(cell):
            continue
        try:
            dates[row] = datetime.date.fromisoformat(cell.removesuffix(_MIDNIGHT))
        except ValueError:
            wrong.append(row)
    if wrong:
        raise stop(
            "C27",
            f"expected {cells.name} as year-month-day, such as 2024-03-12, found other dates "
            f"({row_numbers(wrong)}); 03/04/2024 is March or April: write them in this way",
        )
    return dates
