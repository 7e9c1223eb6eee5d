"""A report as its reader sees it: tables by caption, cells by column title, sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

NUMBER = re.compile(r"[−-]?(?:\d+\.\d+|\.\d+|\d+)")
_PICTURE = re.compile(r'data:image[^"]*')
_LIMITS = re.compile(r"\((\S+) to (\S+)\)$")


def as_number(text: str) -> float:
    return float(text.replace("−", "-"))


@dataclass
class Cell:
    """Text of a cell, the number that it is sorted by, and the printed limits of its interval."""

    text: str = ""
    value: float | None = None

    @property
    def limits(self) -> tuple[str, str] | None:
        found = _LIMITS.search(self.text)
        return (found[1], found[2]) if found else None


@dataclass
class Table:
    """One table; every row has a cell for each title."""

    caption: str
    titles: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)

    def column(self, title: str) -> int:
        return self.titles.index(title)

    def key(self, row: list[Cell], titles: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(row[self.column(title)].text for title in titles)


class Page(HTMLParser):
    """Tables and paragraphs of a report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, Table] = {}
        self.paragraphs: dict[str, list[str]] = {}
        self._section, self._table, self._text, self._skipped = "", None, None, 0
        self._region = ""
        self.feed(_PICTURE.sub("", path.read_text(encoding="utf-8")))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("button", "svg", "script", "style"):
            self._skipped += 1
        elif tag == "section":
            self._section = given.get("id") or ""
        elif tag == "div" and given.get("role") == "region":
            self._region = given.get("aria-label") or ""
        elif tag == "table":
            self._table = Table(self._region)
            self.tables.setdefault(self._region, self._table)
        elif tag == "tr" and self._table is not None and self._table.titles:
            self._table.rows.append([])
        elif tag in ("th", "td", "p", "li"):
            self._text = []
            value = given.get("data-value")
            self._value = None if value is None else float(value)
            self._is_title = given.get("scope") == "col"
            self._is_drawing = given.get("class") == "drawing"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("button", "svg", "script", "style"):
            self._skipped -= 1
        elif tag == "table":
            self._table = None
        elif tag in ("th", "td", "p", "li") and self._text is not None:
            text, self._text = " ".join("".join(self._text).split()), None
            if tag in ("p", "li"):
                self.paragraphs.setdefault(self._section, []).append(text)
            elif self._table is not None and not self._is_drawing:
                self._cell(text)

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._skipped:
            self._text.append(data)

    def _cell(self, text: str) -> None:
        assert self._table is not None
        if self._is_title:
            n_before = self._table.titles.count(text)  # a second p is that of another estimate
            self._table.titles.append(f"{text} ({n_before + 1})" if n_before else text)
        else:
            self._table.rows[-1].append(Cell(text, self._value))
