"""A number as it stands in print, every value that rounds to it, and what a check reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
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
_THOUSANDS = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?"  # a comma elsewhere is not understood
_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,17})?"
_NUMBER = re.compile(rf"(?P<bound>[<>]?)=?(?P<number>[-+]?(?:{_THOUSANDS}|{_PLAIN}))(?P<unit>%?)")


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
        """Read a printed number, such as ``.042``, ``76.7%``, ``< .001`` or ``1,561``.

        `decimals` is what it was rounded to, where the print has lost trailing zeros (``0.42`` in
        a table of three decimals); of the percentage, for a percentage.

        Examples
        --------
        >>> Printed.read("76.7%")
        Printed(value=0.767, decimals=3, bound='=', text='76.7%')
        >>> Printed.read("<.001").high, Printed.read("0.42", decimals=3).low
        (0.001, 0.4195)
        """
        found = _NUMBER.fullmatch(_SPACES.sub("", text).translate(_SIGNS))
        if found is None:
            raise BadArgument(
                f"expected one number such as 0.263, 76.7% or <.001, found {text!r}; type it as "
                "printed"
            )
        number = Decimal(found["number"].replace(",", ""))
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


class Rule(StrEnum):
    """Arithmetic that printed numbers must obey; the value is its name in reports."""

    COHORT_SIZE = "every statement of a group's size agrees"
    SUM_OF_PARTS = "parts add up to the whole"
    PERCENTAGE = "a percentage is that of its count"
    PROPORTION = "a proportion is a whole number of cases"
    PROPORTION_INTERVAL = "Wilson's interval is that of its count"
    CASE_NUMBERS = "one number of positives gives every sensitivity and specificity"
    MATRIX_TOTAL = "a confusion matrix has as many cases as its group"
    MATRIX_POSITIVES = "confusion matrices of a group have the same positives"
    MATRIX_METRIC = "a measure is that of its confusion matrix"
    ESTIMATE_IN_INTERVAL = "an estimate lies inside its interval"
    INTERVAL_SYMMETRY = "a Wald interval is symmetric about its estimate"
    INTERVAL_LEVEL = "interval and p-value agree at the named level"
    ODDS_RATIO_COUNTS = "an odds ratio is that of a table with its margins"
    NO_INTERCEPT = "an odds ratio is not the odds of one group"
    STATISTIC_P = "statistic, degrees of freedom and p-value agree"
    STATISTIC_RANGE = "a test statistic is not itself a p-value"
    ADJUSTED_P = "adjusted p-values follow from the unadjusted"
    AUC_POINT = "an AUC is possible given its operating point"
    AUC_INTERVAL_WIDTH = "an AUC interval is not wider than the cases allow"
    AUC_DIFFERENCE = "a difference of AUCs is that of the AUCs"
    BASELINE_TEST = "a p-value follows from the counts or means it compares"
    POOLED_SUMMARY = "mean and SD of the whole are those of its parts"
    FEATURE_TOTAL = "listed feature families give the total"
    FEATURE_FAMILY = "a family's count is its size times the image types"
    VARIANCE_SHARE = "variance shares are those of standardised features"
    BRIER_RANGE = "a Brier score is possible"
    DEFINITION = "a name means the same everywhere"


@dataclass(frozen=True)
class Contradiction:
    """Printed numbers that cannot all be right.

    Attributes
    ----------
    where
        Where they are printed.
    rule
        The rule that they break.
    found
        What is printed.
    expected
        What would fit.
    """

    where: str
    rule: Rule
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}, expected {self.expected} ({self.rule})"


def listed(places: Iterable[str], *, most: int = 3) -> str:
    """Places in one phrase, the first few by name: ``a; b; c and 2 more``."""
    names = list(dict.fromkeys(places))
    shown = "; ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
