"""What the templates draw: sections of paragraphs, figures and tables, all of it plain text.

Nothing here is markup: the templates escape every string.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from string import ascii_lowercase
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text, detail
        What is shown, and what is smaller after it.
    value
        Number by which the cell is sorted.
    is_missing, is_code
        Whether the cell links to the notes, because nothing could be computed; whether line
        breaks are kept.
    status
        ``good``, ``bad``, ``open`` or nothing: its colour.
    """

    text: str
    detail: str = ""
    value: float | None = None
    is_missing: bool = False
    is_code: bool = False
    status: str = ""


@dataclass(frozen=True)
class Column:
    """A table column.

    Attributes
    ----------
    title, term
        Its header, and the key of its explanation in the glossary; empty for none.
    is_numeric
        Whether the cells are aligned to the right.
    """

    title: str
    is_numeric: bool = True
    term: str = ""


@dataclass(frozen=True)
class Row:
    """A table row; its first cell is the row's header.

    Attributes
    ----------
    cells
        One a column.
    starts_group
        There is a rule above; otherwise the header repeats the one above and is only shown once
        the table is sorted.
    is_muted
        The numbers must not be taken as results.
    """

    cells: tuple[Cell, ...]
    starts_group: bool = True
    is_muted: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes
    ----------
    blocks
        Rows that sorting moves together.
    note
        Stands below.
    label, series
        Its number (``1a``), or nothing; tables of one series share a number and get letters.
    is_stacked, is_folded
        Whether intervals stand below their estimates; whether only the summary is shown at first.
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
class PageImage:
    """An image of a size in CSS pixels.

    Attributes
    ----------
    uri
        A data URI without any of ``"&<>``: the one string that is not escaped.
    caption
        Text below, and for screen readers.
    arm
        Which it shows; empty if it shows none, or several.
    """

    uri: str
    caption: str
    width: int
    height: int
    label: str = ""
    arm: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, as far as there is room.

    Attributes
    ----------
    pictures
        In their order.
    """

    kind: ClassVar[str] = "gallery"
    pictures: tuple[PageImage, ...]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section.

    Attributes
    ----------
    title, term
        Its text, and the key of its explanation in the glossary; empty for none.
    """

    kind: ClassVar[str] = "heading"
    title: str
    term: str = ""


Block: TypeAlias = Table | Gallery | Heading


@dataclass(frozen=True)
class Section:
    """One part of the report with an entry in the navigation.

    Attributes
    ----------
    anchor, title
        Its id in the page, to which links lead, and its heading.
    paragraphs, items
        Text below the heading, and entries of a list below that.
    blocks
        Tables, galleries and headings, at the end.
    term
        Key of its explanation in the glossary; empty for none.
    """

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    items: tuple[str, ...] = ()
    term: str = ""


def numbered(sections: Sequence[Section]) -> list[Section]:
    """Return the sections with numbers for their figures and tables."""
    blocks = [block for section in sections for block in section.blocks]
    sizes = Counter(block.series for block in blocks if isinstance(block, Table) and block.series)
    figures, tables = count(1), count(1)
    started: dict[str, tuple[int, Iterator[str]]] = {}

    def label(block: Block) -> Block:
        if isinstance(block, Gallery):
            return Gallery(tuple(replace(p, label=str(next(figures))) for p in block.pictures))
        if not isinstance(block, Table) or not block.is_numbered:
            return block
        if sizes[block.series] < 2:
            return replace(block, label=str(next(tables)))
        if block.series not in started:
            started[block.series] = next(tables), iter(ascii_lowercase)
        number, letters = started[block.series]
        return replace(block, label=f"{number}{next(letters)}")

    return [replace(section, blocks=tuple(map(label, section.blocks))) for section in sections]
