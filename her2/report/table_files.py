"""Tables as files: one CSV each, and one workbook of all.

In a workbook numbers are numbers, text never is a formula, and the same tables give the same
bytes.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from her2.core.errors import BadConfig
from her2.core.store import write_atomic

WORKBOOK = "tables.xlsx"
MAX_ROWS = 100_000  # of a sheet; a longer table is in its CSV alone
MAX_SHEET_NAME = 31
CONTENTS = "contents"
_RESERVED = "history"  # a spreadsheet program keeps this name for itself
_WIDTHS = (8, 48)  # characters of the narrowest and the widest column
_SAMPLE = 200  # rows that the width of a column is taken from
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MADE = datetime(1980, 1, 1)
_CHANGED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
GUARD = "'"
TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", GUARD)
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
T = TypeVar("T")


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each table as ``<name>.csv`` and all of them as ``tables.xlsx``; return the paths.

    The CSV files are UTF-8 with a header and without an index; text that a spreadsheet could
    take for a formula is guarded in both.
    """
    for name in tables:
        if not _NAME.fullmatch(name):
            raise BadConfig(
                f"expected a table name of letters, digits, _ and -, found {name!r}; rename it"
            )
    paths = []
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        text = _guarded(table).to_csv(index=False, lineterminator="\n")
        write_atomic(path, text.encode())
        paths.append(path)
    write_atomic(folder / WORKBOOK, workbook_bytes(tables))
    return [*paths, folder / WORKBOOK]


def _guarded(table: pd.DataFrame) -> pd.DataFrame:
    numeric = {name for name in table if pd.api.types.is_numeric_dtype(table[name].dtype)}
    columns = {
        guard(name): table[name] if name in numeric else table[name].astype(object).map(guard)
        for name in table
    }
    return pd.DataFrame(columns, index=table.index)


def guard(cell: T) -> T | str:
    """Cell that no spreadsheet takes for a formula: text that could be one gets a leading ``'``.

    Numbers, and text that is nothing but a number, stay as they are. `unguard` gives back the
    cell exactly, which is why text that starts with ``'`` gets one more.

    >>> guard("=1+1"), guard("-0.5"), guard(-0.5), guard("HER2+")
    ("'=1+1", '-0.5', -0.5, 'HER2+')

    References
    ----------
    .. [1] CWE-1236: Improper neutralization of formula elements in a CSV file.
       https://cwe.mitre.org/data/definitions/1236.html
    """
    if not isinstance(cell, str) or _PLAIN_NUMBER.fullmatch(cell):
        return cell
    is_risky = cell.startswith(TRIGGERS) or cell.lstrip().startswith(TRIGGERS)
    return GUARD + cell if is_risky else cell


def unguard(cell: T) -> T | str:
    """Cell as it was before `guard`.

    >>> unguard("'=1+1"), unguard(guard("'quoted'"))
    ('=1+1', "'quoted'")
    """
    if isinstance(cell, str) and cell.startswith(GUARD):
        return cell[len(GUARD) :]
    return cell


def workbook_bytes(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Workbook with a sheet of contents and a sheet for each table.

    >>> content = workbook_bytes({"areas": pd.DataFrame({"arm": ["=1+1"], "auc": [0.8]})})
    >>> content == workbook_bytes({"areas": pd.DataFrame({"arm": ["=1+1"], "auc": [0.8]})})
    True
    """
    book = Workbook(write_only=True)
    book.properties.created = _MADE
    names = sheet_names(tables)
    short = {name: table for name, table in tables.items() if len(table) <= MAX_ROWS}
    rows = [(names[n] if n in short else "", f"{n}.csv", len(t)) for n, t in tables.items()]
    _write(book, CONTENTS, pd.DataFrame(rows, columns=["sheet", "file", "n_rows"]))
    for name, table in short.items():
        _write(book, names[name], table)
    buffer = io.BytesIO()
    book.save(buffer)
    return _timeless(buffer.getvalue())


def sheet_names(names: Iterable[str]) -> dict[str, str]:
    """Name of the sheet of each table: at most 31 characters, unique whatever their case.

    >>> sheet_names(["auc", "AUC", "history"])
    {'auc': 'auc', 'AUC': 'AUC_2', 'history': 'history_2'}
    """
    taken = {CONTENTS, _RESERVED}
    found = {}
    for name in names:
        sheet, position = name[:MAX_SHEET_NAME], 2
        while sheet.lower() in taken:
            suffix = f"_{position}"
            sheet, position = name[: MAX_SHEET_NAME - len(suffix)] + suffix, position + 1
        taken.add(sheet.lower())
        found[name] = sheet
    return found


def _write(book: Workbook, title: str, table: pd.DataFrame) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    (narrow, wide), sample = _WIDTHS, table.head(_SAMPLE).astype(object)
    for position, name in enumerate(table.columns):
        lengths = [len(str(value)) for value in sample.iloc[:, position]]
        width = min(max([len(str(name)) + 2, narrow, *lengths]), wide)
        sheet.column_dimensions[get_column_letter(position + 1)].width = width
    sheet.append([_cell(sheet, str(name), is_bold=True) for name in table.columns])
    for row in table.astype(object).itertuples(index=False, name=None):
        sheet.append([_cell(sheet, value) for value in row])


def _cell(sheet: Any, value: Any, *, is_bold: bool = False) -> Any:
    plain = _plain(value)
    cell = WriteOnlyCell(sheet, value=plain)
    if isinstance(plain, str):
        cell.data_type = "s"  # also for what looks like a formula or an error
    if is_bold:
        cell.font = Font(bold=True)
    return cell


def _plain(value: Any) -> str | int | float | bool | date | None:
    """Value as a workbook can hold it: text guarded, an unknown one empty."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else guard(str(value))
    if isinstance(value, bool | int | float):
        return value
    return guard(ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", str(value)))


def _timeless(content: bytes) -> bytes:
    """Return the archive without the time at which it was written."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            payload = _CHANGED.sub(rb"\g<1>1980-01-01T00:00:00Z\g<2>", source.read(name))
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, payload)
    return buffer.getvalue()
