"""What the templates draw: sections of paragraphs, figures and tables, all of it plain text.

Nothing here is markup: the templates escape every string.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A table column; numbers are aligned to the right."""

    title: str
    is_numeric: bool = True


@dataclass(frozen=True)
class Row:
    """A table row: its first cell is the row's header.

    starts_group draws a rule above; is_muted is for numbers that must not be taken as results.
    """

    cells: tuple[str, ...]
    starts_group: bool = False
    is_muted: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption; `note` stands below; unnumbered tables take no number."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    is_numbered: bool = True


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, its caption, its text for screen readers, its size in CSS pixels."""

    uri: str
    caption: str
    alternative: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """One part of the report with an entry in the navigation."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    items: tuple[str, ...] = ()


def columns(*titles: str, text: Iterable[str] = ()) -> tuple[Column, ...]:
    """Columns of these titles; those in `text` (and always the first) are aligned left."""
    words = {*text, titles[0]}
    return tuple(Column(title, is_numeric=title not in words) for title in titles)


def grouped(rows: Sequence[Sequence[str]], *, muted: Sequence[bool] = ()) -> tuple[Row, ...]:
    """Rows in which a first cell that repeats the one above is left blank."""
    result = []
    for position, cells in enumerate(rows):
        is_same = position > 0 and cells[0] == rows[position - 1][0]
        shown = ("", *cells[1:]) if is_same else tuple(cells)
        is_muted = bool(muted) and muted[position]
        result.append(Row(shown, starts_group=not is_same, is_muted=is_muted))
    return tuple(result)
