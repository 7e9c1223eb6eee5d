"""Who a row is about: identifiers that stay text, and rows that occur twice."""

from __future__ import annotations

import re
import unicodedata

import pandas as pd

from her2.cohort.cohort_table import require_columns, row_numbers
from her2.cohort.problems import Note, stop

_FLOAT_LIKE = re.compile(r"\d+\.\d+|\d+(\.\d+)?[eE]\+?\d+")
_DIGITS = re.compile(r"\d+")


def clean_ids(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Note]]:
    """Table with `patient_id` and `lesion_id` ("1" if there is no such column), and notes.

    Outer blanks and compatibility forms (full-width digits) are unified; nothing else changes.

    Raises
    ------
    BadCohort
        C28 without `patient_id`; D50 if one is empty or two differ only in case, blanks or
        leading zeros.
    """
    require_columns(table, ["patient_id"], why="whom the row is about")
    table = table.copy()
    if "lesion_id" not in table.columns:
        table["lesion_id"] = "1"
    for column in ("patient_id", "lesion_id"):
        table[column] = [unicodedata.normalize("NFKC", cell).strip() for cell in table[column]]
        empty = table.index[table[column] == ""]
        if len(empty):
            raise stop(
                "D50",
                f"expected {column} in every row, found none in {row_numbers(list(empty))}; "
                "add it",
            )
    _refuse_confusable(table)
    changed = [bool(_FLOAT_LIKE.fullmatch(cell)) for cell in table["patient_id"]]
    if not any(changed):
        return table, []
    what = f"{sum(changed)} patient_id look like floating-point numbers; they are read as text"
    return table, [Note("C05", what, "check that no spreadsheet program has changed them")]


def merge_repeated(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, Note]]:
    """Table with one row a lesion, and a note (C01) for each row that stood there repeatedly.

    Raises
    ------
    BadCohort
        C02 if rows of one lesion disagree.
    """
    keys = ["patient_id", "lesion_id"]
    distinct = table[~table.duplicated()]
    conflicting = distinct.index[distinct.duplicated(keys, keep=False)]
    if len(conflicting):
        raise stop(
            "C02",
            "expected one row a lesion, found rows of one lesion that disagree "
            f"({row_numbers(list(conflicting))}); correct them, or tell "
            "lesions apart by lesion_id",
        )
    counts = table.groupby(keys)["patient_id"].transform("size")
    repeated = distinct.index[counts.loc[distinct.index] > 1]
    notes = {
        int(row): Note("C01", f"the same row {counts[row]} times; used once", "delete the copies")
        for row in repeated
    }
    return distinct, notes


def _refuse_confusable(table: pd.DataFrame) -> None:
    """Refuse identifiers such as P1, p1 and P01, which are often one patient."""
    plain = [_plain(cell) for cell in table["patient_id"]]
    ids = pd.DataFrame({"plain": plain, "patient_id": table["patient_id"]}, index=table.index)
    n_spellings = ids.groupby("plain")["patient_id"].transform("nunique")
    confusable = ids.index[n_spellings > 1]
    if len(confusable):
        raise stop(
            "D50",
            "expected patient_id that differ in more than case, blanks or leading zeros, found "
            f"such a pair ({row_numbers(list(confusable))}); write each patient in one way",
        )


def _plain(patient_id: str) -> str:
    squeezed = "".join(patient_id.split()).casefold()
    return _DIGITS.sub(lambda digits: digits.group().lstrip("0") or "0", squeezed)
