"""What the templates draw: sections of paragraphs, figures and tables, all of it plain text.

Nothing here is markup: the templates escape every string.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller detail after it, and the number by which it is sorted.

    is_missing marks what could not be computed and links it to the notes; is_code keeps line
    breaks; status (``good``, ``bad``, ``open``, or nothing) colours it.
    """

    text: str
    detail: str = ""
    value: float | None = None
    is_missing: bool = False
    is_code: bool = False
    status: str = ""


@dataclass(frozen=True)
class Column:
    """A table column; numbers are aligned to the right; `term` is explained on demand."""

    title: str
    is_numeric: bool = True
    term: str = ""


@dataclass(frozen=True)
class Row:
    """A table row: its first cell is the row's header.

    starts_group draws a rule above; otherwise the header repeats the one above and is only
    shown once the table is sorted. is_muted is for numbers that must not be taken as results.
    """

    cells: tuple[Cell, ...]
    starts_group: bool = True
    is_muted: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption; `note` stands below.

    label is its number (``1a``), or nothing; blocks are the rows that sorting moves together;
    is_stacked puts intervals below their estimates; is_folded shows the summary alone, and the
    rows when it is opened.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    blocks: tuple[tuple[Row, ...], ...]
    note: str = ""
    label: str = ""
    series: str = ""
    is_numbered: bool = True
    is_stacked: bool = False
    is_folded: bool = False
    summary: str = ""

    @property
    def n_rows(self) -> int:
        """Rows of all blocks."""
        return sum(len(block) for block in self.blocks)

    @property
    def is_sortable(self) -> bool:
        """Whether an order of rows can tell something: unnumbered tables have their own."""
        return self.n_rows > 2 and (self.is_numbered or self.is_folded)


@dataclass(frozen=True)
class Picture:
    """An image, its caption, its text for screen readers, its size in CSS pixels.

    uri: a data URI without any of ``"&<>``; it is the one string that is not escaped.
    """

    uri: str
    caption: str
    alternative: str
    width: int
    height: int
    label: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, as far as there is room."""

    kind: ClassVar[str] = "gallery"
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section; `term` is explained on demand."""

    kind: ClassVar[str] = "heading"
    title: str
    term: str = ""


Block: TypeAlias = Table | Gallery | Heading


@dataclass(frozen=True)
class Section:
    """One part of the report with an entry in the navigation."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    items: tuple[str, ...] = ()
    term: str = ""
