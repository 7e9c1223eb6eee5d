"""The patient table as text: csv or xlsx, one row a lesion, nothing guessed.

Every cell stays text, so ``00123`` and ``1E5`` remain identifiers and an empty cell is no NaN.
The index is the row's number in the file, which is how messages name a row.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import io
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from her2.cohort.files import DECODE_ERRORS
from her2.cohort.outcome import listed
from her2.cohort.problems import Note, stop
from her2.core.errors import Her2Error, MissingInput

MAX_ROWS = 100_000
MAX_TABLE_BYTES = 256 * 2**20
_FLOAT_LIKE = re.compile(r"\d+\.\d+|\d+(\.\d+)?[eE]\+?\d+")
_DIGITS = re.compile(r"\d+")
_DELIMITERS = (",", ";", "\t")
Rows = list[tuple[int, list[str]]]


def read_table(path: Path) -> pd.DataFrame:
    """Table of a .csv, .tsv, .txt or .xlsx file, every cell text, index the row in the file.

    Of a workbook the first visible sheet is read, values only.
    """
    if not path.is_file():
        raise MissingInput(f"expected a table, found no file {path}; name it by cohort.table=FILE")
    _check_bytes(path.stat().st_size)
    is_workbook = path.suffix.lower() == ".xlsx"
    if path.suffix.lower() in (".xls", ".xlsm", ".xlsb", ".ods"):
        raise stop("C06", f"expected .csv or .xlsx, found {path.suffix}; save the table as .csv")
    rows = _rows_of_workbook(path) if is_workbook else _rows_of_text(path.read_bytes())
    return _frame(rows)


def require_columns(table: pd.DataFrame, names: Iterable[str], *, why: str) -> None:
    """Refuse a table that lacks one of the columns, with what may have been meant (C28)."""
    columns = [str(column) for column in table.columns]
    for name in names:
        if name in columns:
            continue
        folded = {column.casefold(): column for column in columns}
        close = [folded[c] for c in difflib.get_close_matches(name.casefold(), folded, n=3)]
        found = f"{listed(close)} that it may be; rename" if close else f"{listed(columns)}; add"
        raise stop(
            "C28",
            f"expected the column {name!r} ({why}), found {found} the column or correct the "
            "setting",
        )


def row_numbers(rows: Sequence[object]) -> str:
    """Rows for a message: ``rows 3, 7``."""
    shown = ", ".join(str(row) for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}{more}"


def clean_ids(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Note]]:
    """Table with `patient_id` and `lesion_id` ("1" if there is no such column), and notes.

    Outer blanks and compatibility forms (full-width digits) are unified; nothing else changes.
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


def merge_repeated(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, list[Note]]]:
    """Table with one row a lesion, and a note (C01) for each row that stood there repeatedly."""
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
        int(row): [
            Note("C01", f"the same row {counts[row]} times; used once", "delete the copies")
        ]
        for row in repeated
    }
    return distinct, notes


def _check_bytes(size: int) -> None:
    if size > MAX_TABLE_BYTES:
        raise stop("C06", f"expected a table of at most {MAX_TABLE_BYTES} bytes, found {size}")


def _rows_of_text(payload: bytes) -> Rows:
    text = _decode(payload)
    delimiter = _delimiter(text.split("\n", 1)[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: Rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise stop(
            "C07", f"expected a csv table, found {error} in line {reader.line_num}; correct it"
        ) from None
    for line, cells in rows:
        if len(cells) != len(rows[0][1]):
            raise stop(
                "C07",
                f"expected {len(rows[0][1])} cells as in the header, found {len(cells)} in line "
                f"{line}; quote cells that contain {delimiter!r}",
            )
    return rows


def _decode(payload: bytes) -> str:
    """Text of UTF-8 with or without a byte order mark, or of UTF-16 with one."""
    encoding = "utf-16" if payload[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = payload.decode(encoding)
    except UnicodeDecodeError as error:
        line = payload.count(b"\n", 0, error.start) + 1
        raise stop(
            "C06", f"expected UTF-8, found another encoding in line {line}; save the csv as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise stop("C06", f"expected text, found a NUL byte in line {line}; save the csv again")
    return text


def _delimiter(header: str) -> str:
    """Return the declared delimiter that cuts the header into most names."""
    cuts = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: cuts[mark])


def _rows_of_workbook(path: Path) -> Rows:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_bytes(sum(member.file_size for member in archive.infolist()))
        # from memory, because openpyxl leaves a file open when it cannot read it
        content = path.read_bytes()
        values = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
        with closing(values), closing(formulas):
            return _rows_of_sheets(values, formulas)
    except Her2Error:
        raise
    except (zipfile.BadZipFile, InvalidFileException, *DECODE_ERRORS):
        raise stop(
            "C06", "expected an .xlsx workbook, found a damaged file; save it again"
        ) from None


def _rows_of_sheets(values: openpyxl.Workbook, formulas: openpyxl.Workbook) -> Rows:
    visible = [sheet.title for sheet in values.worksheets if sheet.sheet_state == "visible"]
    if not visible:
        raise stop("C06", "expected a visible sheet, found none; unhide the sheet of the cohort")
    rows: Rows = []
    both = zip(values[visible[0]].iter_rows(), formulas[visible[0]].iter_rows(), strict=True)
    for number, (shown, written) in enumerate(both, start=1):
        for cell, source in zip(shown, written, strict=True):
            if cell.value is None and source.value is not None:
                raise stop(
                    "C26",
                    f"expected values, found a formula without one in row {number}; open the "
                    "workbook in a spreadsheet program and save it",
                )
        cells = [_cell_text(cell.value) for cell in shown]
        if any(cells):
            rows.append((number, cells))
    return _same_length(rows)


def _cell_text(value: object) -> str:
    """Text of a workbook's cell; whole numbers without ``.0``, so that identifiers survive."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return str(value).strip()


def _same_length(rows: Rows) -> Rows:
    """Rows padded to one length, without columns that are empty throughout."""
    width = max((len(cells) for _, cells in rows), default=0)
    padded = [(number, cells + [""] * (width - len(cells))) for number, cells in rows]
    used = [i for i in range(width) if any(cells[i] for _, cells in padded)]
    return [(number, [cells[i] for i in used]) for number, cells in padded]


def _frame(rows: Rows) -> pd.DataFrame:
    if len(rows) < 2:
        raise stop("C29", "expected a header and at least one row, found no row; fill the table")
    if len(rows) - 1 > MAX_ROWS:
        raise stop("C29", f"expected at most {MAX_ROWS} rows, found {len(rows) - 1}; split it")
    names = [name.strip() for name in rows[0][1]]
    repeated = [name for name, n in Counter(names).items() if n > 1 or not name]
    if repeated:
        raise stop(
            "C25",
            f"expected column names that differ, found {listed(repeated)} more than once or "
            "empty; rename or delete these columns",
        )
    return pd.DataFrame(
        [[cell.strip() for cell in cells] for _, cells in rows[1:]],
        columns=pd.Index(names, dtype=object),
        index=pd.Index([number for number, _ in rows[1:]], name="row"),
        dtype=object,
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
