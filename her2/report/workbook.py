"""Tables as one XLSX workbook: numbers are numbers, text never is a formula, same bytes twice."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from her2.report.cells import guard

MAX_ROWS = 100_000  # of a sheet; a longer table is in its CSV alone
MAX_SHEET_NAME = 31
CONTENTS = "contents"
_RESERVED = "history"  # a spreadsheet program keeps this name for itself
_WIDTHS = (8, 48)  # characters of the narrowest and the widest column
_SAMPLE = 200  # rows that the width of a column is taken from
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MADE = datetime(1980, 1, 1)
_CHANGED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


def workbook_bytes(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Workbook with a sheet of contents and a sheet for each table.

    Examples
    --------
    >>> content = workbook_bytes({"areas": pd.DataFrame({"arm": ["=1+1"], "auc": [0.8]})})
    >>> content == workbook_bytes({"areas": pd.DataFrame({"arm": ["=1+1"], "auc": [0.8]})})
    True
    """
    book = Workbook(write_only=True)
    book.properties.created = _MADE
    names = sheet_names(tables)
    _write(book, CONTENTS, _contents(tables, names))
    for name, table in tables.items():
        if len(table) <= MAX_ROWS:
            _write(book, names[name], table)
    buffer = io.BytesIO()
    book.save(buffer)
    return _timeless(buffer.getvalue())


def sheet_names(names: Iterable[str]) -> dict[str, str]:
    """Name of the sheet of each table: at most 31 characters, unique whatever their case.

    Examples
    --------
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


def _contents(tables: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> pd.DataFrame:
    rows = [
        (names[name] if len(table) <= MAX_ROWS else "", f"{name}.csv", len(table))
        for name, table in tables.items()
    ]
    return pd.DataFrame(rows, columns=["sheet", "file", "n_rows"])


def _write(book: Workbook, title: str, table: pd.DataFrame) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for position, width in enumerate(_column_widths(table), start=1):
        sheet.column_dimensions[get_column_letter(position)].width = width
    sheet.append([_cell(sheet, str(name), is_bold=True) for name in table.columns])
    for row in table.astype(object).itertuples(index=False, name=None):
        sheet.append([_cell(sheet, value) for value in row])


def _column_widths(table: pd.DataFrame) -> Iterator[int]:
    narrow, wide = _WIDTHS
    sample = table.head(_SAMPLE).astype(object)
    for position, name in enumerate(table.columns):
        lengths = [len(str(value)) for value in sample.iloc[:, position]]
        yield min(max([len(str(name)) + 2, narrow, *lengths]), wide)


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
