"""What a table of a report should say, against what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from report_page import NUMBER, Cell, Table, as_number

SHOWN_ONCE = ("p", "p of interaction", "Missing", "SMD", "Statistical test")
TOLERANCE = 2e-5  # of coefficients, which two programs iterate to
Values = dict[str, Any]
Cells = dict[tuple[str, ...], Values]


@dataclass(frozen=True)
class Expected:
    """Cells of one table by what names a row; other columns are not checked."""

    keys: tuple[str, ...]
    cells: Cells


def differences(table: Table, expected: Expected) -> Iterator[str]:
    """Every cell that is not what its caption and its column promise, and rows of nobody."""
    found = {table.key(row, expected.keys): row for row in table.rows}
    if len(found) != len(table.rows):
        yield "two rows of one name"
    for key in found.keys() ^ expected.cells.keys():
        yield f"{key}: expected {key in expected.cells}, found {key in found}"
    blank = _blank_elsewhere(table, expected.keys)
    for key in found.keys() & expected.cells.keys():
        for title, value in expected.cells[key].items():
            cell = found[key][table.column(title)]
            if cell.text == "" and title in blank:
                continue
            if not agrees(cell, value):
                yield f"{key}, {title}: expected {value}, found {cell.text!r} ({cell.value})"


def _blank_elsewhere(table: Table, keys: tuple[str, ...]) -> set[str]:
    """Titles of columns that say a number once for several rows."""
    return {title for title in SHOWN_ONCE if title in table.titles} if len(keys) == 4 else set()


def agrees(cell: Cell, value: Any) -> bool:
    """Whether a cell says this: a text, a number, a number with limits, or that there is none."""
    if isinstance(value, str):
        return cell.text == value
    if value is None:
        return cell.value is None and not NUMBER.search(cell.text)
    number, *limits = value if isinstance(value, tuple) else (value,)
    if cell.value is not None and abs(cell.value - number) > TOLERANCE * max(1, abs(number)):
        return False
    if limits and (cell.limits is None or not all(map(_rounds_to, cell.limits, limits))):
        return False
    return _printed(cell.text, float(number))


def _printed(text: str, number: float) -> bool:
    plain = text.replace("\u202f", "").lstrip("+")
    if plain[:1] in "<>":
        return (number < 0.001) if plain.startswith("<") else (number >= 0.9995)
    first = NUMBER.match(plain)
    return first is not None and _rounds_to(first[0], number)


def _rounds_to(text: str, number: float) -> bool:
    text = text.strip("(),+")
    digits = len(text.partition(".")[2])
    return abs(as_number(text) - number) <= 0.5 * 10**-digits + TOLERANCE


def says(text: str, numbers: list[float]) -> bool:
    """Whether these are the numbers of a sentence, as far as it prints them."""
    found = NUMBER.findall(text.replace("\u202f", ""))
    return len(found) == len(numbers) and all(map(_rounds_to, found, numbers))
