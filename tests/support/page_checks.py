"""What a table of a report should say, against what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from report_page import NUMBER, Cell, Table, as_number

SHOWN_ONCE = ("p", "p of interaction", "Missing", "SMD", "Statistical test")
TOLERANCE = 2e-5  # of coefficients, which two programs iterate to
Values = dict[str, Any]


class Near(float):
    """A number that two programs draw at random, each a little differently."""

    tolerance = 0.004


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
    """Whether a cell says this: a text, a number, one with limits, or that there is none."""
    if isinstance(value, str):
        return cell.text == value
    if value is None:
        return cell.value is None and not NUMBER.search(cell.text)
    number, *limits = value if isinstance(value, tuple) else (value,)
    if cell.value is not None and abs(cell.value - number) > _tolerance(number) * max(
        1, abs(number)
    ):
        return False
    if limits and (cell.limits is None or not _agree(cell.limits, number, limits)):
        return False
    return _printed(cell.text, number)


def _agree(printed: tuple[str, str], number: float, limits: list[float | None]) -> bool:
    """Whether limits are printed; those of a bootstrap (None) hold the number between them."""
    if limits == [None, None]:
        low, high = map(as_number, printed)
        return 0 <= low <= number + 5e-4 and number - 5e-4 <= high
    return all(map(_rounds_to, printed, limits))


def _printed(text: str, number: float) -> bool:
    plain = text.replace("\u202f", "").lstrip("+")
    if plain[:1] in "<>":
        return (number < 0.001) if plain.startswith("<") else (number >= 0.9995)
    first = NUMBER.match(plain)
    return first is not None and _rounds_to(first[0], number)


def _rounds_to(text: str, number: float) -> bool:
    text = text.strip("(),+")
    digits = len(text.partition(".")[2])
    return abs(as_number(text) - number) <= 0.5 * 10**-digits + _tolerance(number)


def _tolerance(number: float) -> float:
    return getattr(number, "tolerance", TOLERANCE)


def says(text: str, numbers: list[float]) -> bool:
    """Whether these are the numbers of a sentence, as far as it prints them."""
    found = NUMBER.findall(text.replace("\u202f", ""))
    return len(found) == len(numbers) and all(map(_rounds_to, found, numbers))
