"""A number as it stands in print, and every value that could have been rounded to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import product
from math import inf, isfinite
from typing import Literal, TypeAlias

from her2.core.errors import BadArgument

Bound = Literal["<", "=", ">"]
Interval: TypeAlias = tuple[float, float]

_SLACK = 1e-9  # of floating point, far below any printed digit
_SIGNS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "≤": "<", "≥": ">"})
_SPACES = re.compile(r"[\s\u00a0\u2009\u202f]+")
_NUMBER = re.compile(
    r"(?P<bound>[<>]?)=?(?P<number>[-+]?[0-9.,]+(?:[eE][-+]?[0-9]+)?)(?P<unit>%?)"
)


@dataclass(frozen=True)
class Printed:
    """A printed number.

    A percentage is kept as a proportion with two more decimals: ``76.7%`` is 0.767 to three.

    Attributes
    ----------
    value
        The number.
    decimals
        Decimals that it is printed with.
    bound
        ``<`` or ``>`` if it is printed before the number, else ``=``.
    text
        The number as it is printed; empty if it was not read. Ignored by comparisons.
    """

    value: float
    decimals: int
    bound: Bound = "="
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isfinite(self.value):
            raise BadArgument(
                f"a printed number must be finite, found {self.value}; leave out what is not known"
            )

    @classmethod
    def read(cls, text: str, *, decimals: int | None = None) -> Printed:
        """Read a printed number; a text that is not one is a `BadArgument`.

        Parameters
        ----------
        text
            Such as ``0.263``, ``.042``, ``76.7%``, ``< .001`` or ``1,561``.
        decimals
            Decimals it was rounded to, where the print has lost trailing zeros (``0.42`` in a
            table of three decimals); of the percentage, for a percentage.

        Examples
        --------
        >>> Printed.read("76.7%")
        Printed(value=0.767, decimals=3, bound='=', text='76.7%')
        >>> Printed.read("<.001").high, Printed.read("0.42", decimals=3).low
        (0.001, 0.4195)
        """
        found = _NUMBER.fullmatch(_SPACES.sub("", text).translate(_SIGNS))
        if found is None:
            raise _no_number(text)
        number = _decimal(found["number"], text)
        written = max(0, -int(number.as_tuple().exponent))
        is_percent = found["unit"] == "%"
        shown = written if decimals is None else decimals
        value = number.scaleb(-2) if is_percent else number
        bound: Bound = "<" if found["bound"] == "<" else ">" if found["bound"] == ">" else "="
        return cls(float(value), shown + 2 * is_percent, bound, text.strip())

    def __str__(self) -> str:
        sign = "" if self.bound == "=" else self.bound
        return self.text or f"{sign}{self.value:.{max(self.decimals, 0)}f}"

    @cached_property
    def low(self) -> float:
        """Smallest value that can have been printed so."""
        return {"<": -inf, "=": self._moved(-1), ">": self.value}[self.bound]

    @cached_property
    def high(self) -> float:
        """Largest value that can have been printed so."""
        return {"<": self.value, "=": self._moved(1), ">": inf}[self.bound]

    def _moved(self, sign: int) -> float:
        half = Decimal(5).scaleb(-self.decimals - 1)
        return float(Decimal(repr(self.value)) + sign * half)

    def admits(self, value: float) -> bool:
        """Whether a value can have been printed so, whichever way halves are rounded."""
        return self.meets((value, value))

    def meets(self, interval: Interval) -> bool:
        """Whether some value between two limits can have been printed so."""
        return overlap((self.low, self.high), interval)

    def within(self, low: float, high: float) -> Interval:
        """Values that can have been printed so and that lie in a range."""
        return float(min(max(self.low, low), high)), float(max(min(self.high, high), low))


def overlap(first: Interval, second: Interval) -> bool:
    """Whether two closed intervals share a value, up to floating point."""
    return first[0] <= second[1] + _slack(second[1]) and second[0] <= first[1] + _slack(first[1])


def distance(first: Printed, second: Printed) -> Interval:
    """Smallest and largest distance between two numbers that can have been printed so."""
    return absolute((first.low - second.high, first.high - second.low))


def absolute(interval: Interval) -> Interval:
    """Smallest and largest absolute value in an interval."""
    low, high = interval
    nearest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return nearest, max(abs(low), abs(high))


def corners(function: Callable[..., float], *intervals: Interval) -> Interval:
    """Extremes of a function over a box, taken at its corners: exact if it is monotone in each."""
    values = [function(*corner) for corner in product(*intervals)]
    return min(values), max(values)


def _slack(value: float) -> float:
    return _SLACK * max(1.0, abs(value)) if isfinite(value) else 0.0


def _decimal(number: str, text: str) -> Decimal:
    """Take out commas that part thousands; any other comma is not understood."""
    if "," in number and not re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", number):
        raise _no_number(text)
    try:
        return Decimal(number.replace(",", ""))
    except InvalidOperation as error:
        raise _no_number(text) from error


def _no_number(text: str) -> BadArgument:
    return BadArgument(
        f"expected one number such as 0.263, 76.7% or <.001, found {text!r}; type it as printed"
    )
