"""From the rows of a sheet to a table: where the header is, and where the table ends.

People write a title above the header, group headings over it, and a legend under the table. What
is not a row of the table is left out with a note that names its rows.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from her2.cohort.cells import listed, words
from her2.cohort.problems import Note, stop
from her2.cohort.text_table import Rows
from her2.cohort.workbook import MAX_ROWS

_KEY = "patient_id"
_LOOK_AT = 50  # rows in which the header is looked for
_PROSE = (" ", ":", "=", "*", "：", "＝")
_OF_LESIONS = ("image", "mask", "outcome", "her2_ihc")
_SUMS = frozenset(words(
    "total totals sum mean average summe gesamt gesamtsumme mittelwert durchschnitt somme "
    "moyenne totale promedio suma subtotal 合计 总计 总和 平均 平均值 均值"
))  # fmt: skip
_FEWEST = 3  # columns, with which a legend can be told from a row


@dataclass(frozen=True)
class _Header:
    """Names of the columns, and the first row under them (its place, from 0)."""

    names: list[str]
    top: int
    below: int


def frame_of_rows(rows: Rows) -> tuple[pd.DataFrame, list[Note]]:
    """Return the table, every cell text, index the row in the file, and notes.

    Parameters
    ----------
    rows
        (number in the file, cells) of all rows, blank ones included.
    """
    if not any(any(cells) for _, cells in rows):
        raise stop("C29", "expected a header and at least one row, found no row; fill the table")
    header = _header([cells for _, cells in rows])
    notes = _header_notes(rows, header)
    data = rows[header.below :]
    end = _end(data, header.names)
    under = [number for number, cells in data[end:] if any(cells)]
    repeated = [number for number, cells in data[:end] if cells == header.names]
    data = [row for row in data[:end] if any(row[1]) and row[1] != header.names]
    for numbers, what in ((under, "legend under the table"), (repeated, "header once more")):
        if numbers:
            notes.append(_note(f"{what}, not read as lesions", numbers))
    _check_number(len(data))
    names, data = _used_columns(header.names, data)
    names = [unicodedata.normalize("NFC", " ".join(name.split())) for name in names]
    _check_names(names)
    return _frame(names, data), notes


def row_numbers(rows: Sequence[object]) -> str:
    """Rows for a message: ``rows 3, 7``."""
    shown = ", ".join(str(row) for row in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}{more}"


def _header(rows: Sequence[list[str]]) -> _Header:
    """Header in one row, or in two: group headings above the names or the names' second part."""
    top = _header_row(rows)
    names = [*rows[top]]
    under = rows[top + 1] if top + 1 < len(rows) else []
    over = rows[top - 1] if top else []
    if _is_second(names, under):
        return _Header(_joined(names, under), top, top + 2)
    if len(set(filter(None, over))) > 1 and _ambiguous(names):
        return _Header(_joined(over, names), top - 1, top + 1)
    return _Header(names, top, top + 1)


def _header_row(rows: Sequence[list[str]]) -> int:
    """First row with patient_id; without one, the first of half as many names as any."""
    head = rows[:_LOOK_AT]
    for i, cells in enumerate(head):
        if _KEY in {cell.casefold() for cell in cells}:
            return i
    n_names = [len(set(filter(None, cells))) for cells in head]
    return next(i for i, n in enumerate(n_names) if 2 * n >= max(max(n_names), 1))


def _is_second(names: list[str], under: list[str]) -> bool:
    """Whether the row under some names is their second part.

    It says patient_id again (a cell joined over both), or nothing there, and tells apart names
    that are empty or repeated.
    """
    if not any(under) or _KEY not in {name.casefold() for name in names}:
        return False
    key = [name.casefold() for name in names].index(_KEY)
    below = under[key].casefold() if key < len(under) else ""
    wide = [*names, *[""] * len(under)][: max(_n_used(names), _n_used(under))]
    return below == _KEY or (below == "" and bool(_ambiguous([*wide, "end"])))


def _ambiguous(names: Sequence[str]) -> list[str]:
    """Names that are repeated or, before the last one, empty."""
    return [name for name, n in Counter(names[: _n_used(names)]).items() if n > 1 or not name]


def _n_used(cells: Sequence[str]) -> int:
    """Return the number of cells up to the last that is not empty."""
    return max((i for i, cell in enumerate(cells, start=1) if cell), default=0)


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """Names of two rows: the lower one, the upper where it is empty, both where it is repeated."""
    width = max(len(upper), len(lower))
    first = [*upper, *[""] * (width - len(upper))]
    second = [*lower, *[""] * (width - len(lower))]
    groups, group = [], ""
    for heading in first:
        group = heading or group
        groups.append(group)
    n_of = Counter(second)
    names = []
    for heading, group, name in zip(first, groups, second, strict=True):
        is_repeated = n_of[name] > 1 and group and group != name
        names.append(f"{group} {name}" if name and is_repeated else name or heading)
    return names


def _header_notes(rows: Rows, header: _Header) -> list[Note]:
    notes = []
    titles = [number for number, cells in rows[: header.top] if any(cells)]
    if titles:
        notes.append(_note("title above the header, not read as lesions", titles))
    if header.below - header.top > 1:
        numbers = [number for number, _ in rows[header.top : header.below]]
        what = f"two rows of headings; the columns are {listed(header.names)}"
        notes.append(_note(what, numbers))
    return notes


def _note(what: str, numbers: Sequence[int]) -> Note:
    return Note("C07", f"{row_numbers(numbers)}: {what}", "nothing", severity="normalised")


def _end(data: Rows, names: list[str]) -> int:
    """Place after the last row of the table; what stands below it is a legend.

    It begins after a blank row, with words or with totals, and none of its rows may be a lesion.
    """
    if sum(bool(name) for name in names) < _FEWEST:
        return len(data)
    is_blank = [not any(cells) for _, cells in data]
    first = len(data)
    while first and not _may_be_lesion(data[first - 1][1], names):
        first -= 1
    for i in range(first, len(data)):
        said = next((cell for cell in data[i][1] if cell), "")
        starts = (i > 0 and is_blank[i - 1]) or any(mark in said for mark in _PROSE)
        starts = starts or _is_sum(data[i][1], names)
        if said and starts:
            return i
    return len(data)


def _may_be_lesion(cells: list[str], names: list[str]) -> bool:
    """Whether a row has too much to be a legend.

    That is patient_id with two of image, mask and outcome, or more than half of the columns, and
    not one text in all of them, as joined cells have.
    """
    filled = [cell for cell in cells if cell]
    if len(set(filled)) < 2 or _is_sum(cells, names):
        return False
    named = {name.casefold() for name, cell in zip(names, cells, strict=False) if cell}
    is_identified = _KEY in named and len(named & set(_OF_LESIONS)) > 1
    return is_identified or 2 * len(filled) > sum(bool(name) for name in names)


def _is_sum(cells: list[str], names: list[str]) -> bool:
    """Whether a row holds totals or means: its first cell says so, and it names no file."""
    first = next((cell for cell in cells if cell), "")
    files = [cell for name, cell in zip(names, cells, strict=False)
             if name.casefold() in ("image", "mask") and cell]  # fmt: skip
    return first.casefold().rstrip(":. ") in _SUMS and not files


def _check_number(n_rows: int) -> None:
    if not n_rows:
        raise stop("C29", "expected a header and at least one row, found no row; fill the table")
    if n_rows > MAX_ROWS:
        raise stop("C29", f"expected at most {MAX_ROWS} rows, found {n_rows}; split it")


def _used_columns(names: list[str], data: Rows) -> tuple[list[str], Rows]:
    """Names and rows without columns that are empty throughout; refuse rows of another length."""
    n = max(_n_used(names), 1)
    ragged = [(line, len(cells)) for line, cells in data
              if len(cells) < n or any(cells[len(names) :])]  # fmt: skip
    if ragged:
        found = ", ".join(f"{cells} in line {line}" for line, cells in ragged[:10])
        more = f" and {len(ragged) - 10} more lines" if len(ragged) > 10 else ""
        raise stop(
            "C07",
            f"expected {n} cells as in the header, found {found}{more}; quote cells that "
            "contain the separator",
        )
    used = [i for i in range(len(names))
            if names[i] or any(any(cells[i : i + 1]) for _, cells in data)]  # fmt: skip
    padded = [(line, cells + [""] * (len(names) - len(cells))) for line, cells in data]
    return [names[i] for i in used], [(line, [cells[i] for i in used]) for line, cells in padded]


def _check_names(names: list[str]) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1 or not name]
    if repeated:
        raise stop(
            "C25",
            f"expected column names that differ, found {listed(repeated)} more than once or "
            "empty; rename or delete these columns",
        )


def _frame(names: list[str], data: Rows) -> pd.DataFrame:
    return pd.DataFrame(
        [cells for _, cells in data],
        columns=pd.Index(names, dtype=object),
        index=pd.Index([number for number, _ in data], name="row"),
        dtype=object,
    )
