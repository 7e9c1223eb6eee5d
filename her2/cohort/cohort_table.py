"""The patient table as text: csv or xlsx, one row a lesion, nothing guessed.

Every cell stays text, so ``00123`` and ``1E5`` remain identifiers and an empty cell is no NaN.
The index is the row's number in the file, which is how messages name a row.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from her2.cohort.dates import refuse_dates_for_ids
from her2.cohort.outcome import listed
from her2.cohort.problems import Note, Stops, stop
from her2.cohort.table_layout import frame_of_rows, row_numbers
from her2.cohort.text_table import rows_of_text
from her2.cohort.workbook import check_bytes, rows_of_workbook
from her2.core.errors import BadConfig
from her2.core.store import check_regular
from her2.core.types import Problem

__all__ = ["clean_ids", "merge_repeated", "open_table", "read_table", "require_columns",
           "row_numbers"]  # fmt: skip
_FLOAT_LIKE = re.compile(r"\d+\.\d+|\d+(\.\d+)?[eE]\+?\d+")
_DIGITS = re.compile(r"\d+")
_OTHER_WORKBOOKS = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_OLE, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"


def read_table(path: Path) -> pd.DataFrame:
    """Table of a .csv, .tsv, .txt or .xlsx file, every cell text, index the row in the file."""
    return open_table(path)[0]


def open_table(
    path: Path, *, sheet: str | None = None, encoding: str | None = None
) -> tuple[pd.DataFrame, list[Note]]:
    """Table of a file, as of `read_table`, and what was noticed while reading it.

    `sheet` is the one of a workbook (`rows_of_workbook`), `encoding` that of a text file
    (`rows_of_text`).
    """
    check_bytes(check_regular(path, "a table", "name it by cohort.table=FILE"))
    ending = path.suffix.lower()
    if ending in _OTHER_WORKBOOKS:
        raise stop("C06", f"expected .csv or .xlsx, found {ending}; save the table as .csv")
    content = path.read_bytes()
    if content.startswith(_OLE):
        raise stop(
            "C06", "expected .csv or .xlsx, found an old or password-protected workbook; save it "
            "as .xlsx without a password",
        )  # fmt: skip
    is_workbook = ending == ".xlsx" or content.startswith(_ZIP)
    if sheet is not None and not is_workbook:
        raise BadConfig(
            f"expected an .xlsx workbook for cohort.sheet, found {path.name}; leave it out"
        )
    read = rows_of_workbook(content, sheet) if is_workbook else rows_of_text(content, encoding)
    frame, notes = frame_of_rows(read[0])
    return frame, [*read[1], *notes]


def require_columns(table: pd.DataFrame, names: Iterable[str], *, why: str) -> None:
    """Refuse a table that lacks one of the columns, with what may have been meant (C28)."""
    columns = [str(column) for column in table.columns]
    for name in names:
        if name in columns:
            continue
        folded = {c.casefold(): c for c in columns if c[:1].casefold() == name[0].casefold()}
        close = [folded[c] for c in difflib.get_close_matches(name.casefold(), folded, n=3)]
        found = f"{listed(close)} that it may be; rename" if close else f"{listed(columns)}; add"
        raise stop(
            "C28",
            f"expected the column {name!r} ({why}), found {found} the column or correct the "
            "setting",
        )


def clean_ids(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Note]]:
    """Table with `patient_id` and `lesion_id` ("1" if there is no such column), and notes.

    Outer blanks and compatibility forms (full-width digits) are unified; nothing else changes.
    """
    require_columns(table, ["patient_id"], why="whom the row is about")
    table = table.copy()
    if "lesion_id" not in table.columns:
        table["lesion_id"] = "1"
    stops = Stops()
    for column in ("patient_id", "lesion_id"):
        table[column] = [unicodedata.normalize("NFKC", cell).strip() for cell in table[column]]
        stops.attempt(partial(_refuse_empty, table[column]))
        stops.attempt(partial(refuse_dates_for_ids, table[column]))
    stops.attempt(partial(_refuse_confusable, table))
    stops.raise_all()
    changed = [bool(_FLOAT_LIKE.fullmatch(cell)) for cell in table["patient_id"]]
    if not any(changed):
        return table, []
    what = f"{sum(changed)} patient_id look like floating-point numbers; they are read as text"
    return table, [Note("C05", what, "check that no spreadsheet program has changed them")]


def merge_repeated(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, list[Note]]]:
    """Table with one row a lesion, and a note (C01) for each row that stood there repeatedly."""
    keys = ["patient_id", "lesion_id"]
    distinct = table[~table.duplicated()]
    conflicting = distinct.index[distinct.duplicated(keys, keep=False)]
    if len(conflicting):
        what, fix = "another row of this lesion disagrees", "correct the rows, or give lesion_id"
        lesions = zip(conflicting, distinct.loc[conflicting, keys].to_numpy(), strict=True)
        raise stop(
            "C02",
            "expected one row a lesion, found rows of one lesion that disagree "
            f"({row_numbers(list(conflicting))}); correct them, or tell "
            "lesions apart by lesion_id",
            [
                Problem("C02", "stop", patient, lesion, "", f"row {row}: {what}", fix)
                for row, (patient, lesion) in lesions
            ],
        )
    counts = table.groupby(keys)["patient_id"].transform("size")
    repeated = distinct.index[counts.loc[distinct.index] > 1]
    notes = {
        int(row): [
            Note("C01", f"the same row {counts[row]} times; used once", "delete the copies")
        ]
        for row in repeated
    }
    return distinct, notes


def _refuse_empty(ids: pd.Series) -> None:
    empty = list(ids.index[ids == ""])
    if empty:
        raise stop(
            "D50", f"expected {ids.name} in every row, found none in {row_numbers(empty)}; add it"
        )


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
