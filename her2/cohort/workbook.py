"""Rows of a workbook (.xlsx): one sheet, the stored values, and what its layout hides or joins."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import openpyxl
from openpyxl.utils.cell import get_column_letter, range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from her2.cohort.files import DECODE_ERRORS, quiet_decoders
from her2.cohort.outcome import listed
from her2.cohort.problems import Note, stop
from her2.cohort.text_table import Rows
from her2.core.errors import Her2Error

MAX_ROWS = 100_000
MAX_COLUMNS = 16_384
MAX_TABLE_BYTES = 256 * 2**20
_LAST_ROW = 2**20  # of any sheet
_LOOK_AT = 50  # rows in which a header is looked for
_OUTCOMES = ("outcome", "her2_ihc")
Area = tuple[int, int, int, int]  # first column and row, last column and row, from 1


@dataclass
class _Layout:
    """What a sheet says beside its values.

    Attributes
    ----------
    last_row
        The last one with a value.
    hidden_rows, hidden_columns
        Numbers, from 1.
    without_value
        Cells that hold a formula and no value.
    merged
        Joined cells.
    """

    last_row: int = 0
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: list[int] = field(default_factory=list)
    without_value: list[str] = field(default_factory=list)
    merged: list[Area] = field(default_factory=list)


def rows_of_workbook(content: bytes, sheet: str | None = None) -> tuple[Rows, list[Note]]:
    """Return (row number, cells) of one sheet's rows up to the last with a value, and notes.

    Joined cells all get their value. Rows and columns that are hidden are read like the others.

    Parameters
    ----------
    content
        Of the file.
    sheet
        Its name; None: the only visible one with the column patient_id (and, of several, with an
        outcome), or the first one where none has it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_bytes(sum(member.file_size for member in archive.infolist()))
        with quiet_decoders(), closing(_opened(content)) as book:
            chosen, notes = _choose(book, sheet)
            layout = _layout(chosen)
            return _filled(_values(chosen, layout), layout), [*notes, *_layout_notes(layout)]
    except Her2Error:
        raise
    except (zipfile.BadZipFile, InvalidFileException, ElementTree.ParseError, *DECODE_ERRORS):
        raise stop(
            "C06", "expected an .xlsx workbook, found a damaged file; save it again"
        ) from None


def _opened(content: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)


def check_bytes(size: int) -> None:
    """Refuse a table whose content is too large."""
    if size > MAX_TABLE_BYTES:
        raise stop("C06", f"expected a table of at most {MAX_TABLE_BYTES} bytes, found {size}")


def _choose(book: Any, sheet: str | None) -> tuple[Any, list[Note]]:
    """Sheet of the table, and a note where other sheets are hidden."""
    hidden = [s.title for s in book.worksheets if s.sheet_state != "visible"]
    visible = [s for s in book.worksheets if s.sheet_state == "visible"]
    if sheet is not None:
        named = [s for s in book.worksheets if s.title == sheet]
        if not named:
            found = listed(s.title for s in book.worksheets)
            raise stop("C06", f"expected the sheet {sheet!r}, found {found}; correct cohort.sheet")
        return named[0], []
    if not visible:
        raise stop("C06", "expected a visible sheet, found none; unhide the sheet of the cohort")
    names = {s.title: _names(s) for s in visible}
    candidates = [s for s in visible if names[s.title]]
    with_outcome = [s for s in candidates if names[s.title] & set(_OUTCOMES)]
    candidates = with_outcome or candidates or visible[:1]
    if len(candidates) > 1:
        found = listed(s.title for s in candidates)
        raise stop(
            "C06", f"expected one sheet with the column patient_id, found {found}; name one: "
            "cohort.sheet=NAME",
        )  # fmt: skip
    notes = []
    if hidden:
        what = f"hidden sheets: {len(hidden)}, not read"
        notes.append(_note(what, "unhide them if the cohort is there"))
    return candidates[0], notes


def _names(sheet: Any) -> set[str]:
    """Texts of the first row with patient_id, as column names are compared; none without it."""
    for cells in sheet.iter_rows(max_row=_LOOK_AT, max_col=256, values_only=True):
        names = {str(cell).strip().casefold() for cell in cells if cell is not None}
        if "patient_id" in names:
            return names
    return set()


def _layout(sheet: Any) -> _Layout:
    """Read what openpyxl's read-only sheets leave out, in one pass over the sheet's XML."""
    layout, row, n_filled = _Layout(), 0, 0
    with sheet.parent._archive.open(sheet._worksheet_path) as stream:
        for _, element in ElementTree.iterparse(stream):
            tag = element.tag.rpartition("}")[2]
            if tag == "row":
                row = int(element.get("r", row + 1))
                has_value = _read_row(element, row, layout)
                n_filled += has_value
                layout.last_row = row if has_value else layout.last_row
                if row > _LAST_ROW or n_filled > MAX_ROWS + _LOOK_AT:
                    raise stop("C29", f"expected at most {MAX_ROWS} rows, found more; split it")
                element.clear()
            elif tag == "col" and _is_hidden(element, "width"):
                first, last = int(element.get("min", 1)), int(element.get("max", 1))
                layout.hidden_columns += range(first, min(last, MAX_COLUMNS) + 1)
            elif tag == "mergeCell":
                layout.merged.append(range_boundaries(element.get("ref", "")))
    layout.merged.sort(key=lambda area: (area[1], area[0]))
    return layout


def _read_row(row: ElementTree.Element, number: int, layout: _Layout) -> bool:
    """Add a row's formulas and whether it is hidden; return whether it has a value."""
    has_value = False
    for cell in row:
        parts = {part.tag.rpartition("}")[2]: part for part in cell}
        shown = parts.get("v", parts.get("is"))
        is_empty = shown is None or not "".join(shown.itertext())
        has_value |= not is_empty
        if "f" in parts and is_empty and cell.get("t") != "str":
            layout.without_value.append(cell.get("r", f"row {number}"))
    if has_value and _is_hidden(row, "ht"):
        layout.hidden_rows.append(number)
    return has_value


def _is_hidden(element: ElementTree.Element, size: str) -> bool:
    return element.get("hidden") in ("1", "true") or element.get(size) == "0"


def _values(sheet: Any, layout: _Layout) -> list[list[str]]:
    if layout.without_value:
        raise stop(
            "C26",
            f"expected values, found formulas without one ({_some(layout.without_value)}); open "
            "the workbook in a spreadsheet program and save it",
        )
    sheet.reset_dimensions()  # some programs write wrong ones
    found = [
        [cell_text(cell.value, cell.number_format) for cell in cells]
        for cells in sheet.iter_rows(max_row=layout.last_row or 1)
    ]
    width = max((len(cells) for cells in found), default=0)
    return [cells + [""] * (width - len(cells)) if any(cells) else [] for cells in found]


def _filled(values: list[list[str]], layout: _Layout) -> Rows:
    """Rows with the value of joined cells in each of them."""
    for left, top, right, bottom in layout.merged:
        text = "".join(values[top - 1][left - 1 : left]) if top <= len(values) else ""
        for cells in values[top - 1 : bottom] if text else ():
            end = min(right, len(cells))
            cells[left - 1 : end] = [text] * (end - left + 1)
    return list(enumerate(values, start=1))


def _layout_notes(layout: _Layout) -> list[Note]:
    notes = []
    if layout.hidden_rows:
        some = _some(layout.hidden_rows)
        what = f"hidden rows: {len(layout.hidden_rows)}, used like the others ({some})"
        notes.append(_note(what, "delete those that do not belong to the study"))
    if layout.hidden_columns:
        letters = [get_column_letter(column) for column in layout.hidden_columns]
        what = f"hidden columns: {len(letters)}, read like the others ({_some(letters)})"
        notes.append(_note(what, "check that they are meant"))
    if layout.merged:
        areas = [f"{get_column_letter(a)}{b}:{get_column_letter(c)}{d}"
                 for a, b, c, d in layout.merged]  # fmt: skip
        what = f"merged cells: {len(areas)}, each filled with their value ({_some(areas)})"
        notes.append(_note(what, "check that the value belongs to all of these rows or columns"))
    return notes


def _note(what: str, fix: str) -> Note:
    return Note("C26", what, fix, severity="warning")


def _some(values: Sequence[object]) -> str:
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(map(str, values[:10])) + more


def cell_text(value: object, number_format: str | None = None) -> str:
    """Text of a cell; whole numbers without ``.0``, so that identifiers survive.

    Leading zeros that a number format such as ``00000`` shows are part of the text.

    >>> cell_text(12.0), cell_text(123, "00000"), cell_text(True)
    ('12', '00123', '1')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        value = int(value) if whole else repr(value)
    if isinstance(value, int) and number_format and set(number_format) == {"0"}:
        return str(value).zfill(len(number_format))
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return str(value).strip()
