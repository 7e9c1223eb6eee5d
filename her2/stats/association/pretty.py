"""Round numbers for an axis, the same ones as R's `pretty`."""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.validation import FloatArray

# R's defaults: how much a larger unit is preferred, how much 5 is preferred to 2, and by how much
# the cell of a range without width shrinks
_BIAS, _BIAS_5, _SHRINK = 1.5, 2.75, 0.75
_ROUNDING = 1e-10
_EPSILON = sys.float_info.epsilon


def pretty(values: ArrayLike, n: int = 5) -> FloatArray:
    """About n + 1 equally spaced round numbers that cover the range of the values.

    Parameters
    ----------
    values
        Shape (n,), at least one finite; others are ignored.
    n
        Intervals that are wanted, at least 1.

    Returns
    -------
    ndarray
        Ascending, 1, 2 or 5 times a power of ten apart.

    Raises
    ------
    BadArgument
        If no value is finite or n is below 1.

    References
    ----------
    Becker, Chambers & Wilks (1988), The New S Language: pretty; as in R 4.2, base::pretty.

    Examples
    --------
    >>> pretty([0.3, 9.2]).tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    x = validation.vector(values, "values")
    x = x[np.isfinite(x)]
    if not x.size or n < 1:
        raise BadArgument(f"a finite value and n >= 1 are needed, found {x.size} and n = {n}")
    low, high = float(x.min()), float(x.max())
    at_least = n // 3
    unit = _unit(low, high, n, at_least)
    first, last = _widen(low, high, unit, at_least)
    ticks = np.linspace(min(first * unit, low), max(last * unit, high), int(last - first) + 1)
    ticks[np.abs(ticks) < 1e-14 * unit] = 0.0
    return ticks


def _unit(low: float, high: float, n: int, at_least: int) -> float:
    """Distance of the ticks: 1, 2, 5 or 10 times the power of ten below an n-th of the range."""
    cell = _cell(low, high, n, at_least)
    base = 10.0 ** math.floor(math.log10(cell))
    unit = base
    for factor, bias in ((2.0, _BIAS), (5.0, _BIAS_5), (10.0, _BIAS)):
        if factor * base - cell >= bias * (cell - unit):
            break
        unit = factor * base
    return unit


def _cell(low: float, high: float, n: int, at_least: int) -> float:
    largest = max(abs(low), abs(high))
    no_width = (1.0 + 1.0 / (1.0 + _BIAS)) * n * _EPSILON * 3.0
    if largest > 0.0 and high - low >= largest * no_width:
        return (high - low) / n
    cell = largest if largest > 0.0 else 1.0
    if cell > 10.0:
        cell = 9.0 + cell / 10.0
    return cell * _SHRINK / max(at_least, 1)


def _widen(low: float, high: float, unit: float, at_least: int) -> tuple[float, float]:
    """First and last tick in units: they cover the range and are enough."""
    first = math.floor(low / unit + _ROUNDING)
    last = math.ceil(high / unit - _ROUNDING)
    while first * unit > low + _ROUNDING * unit:
        first -= 1
    while last * unit < high - _ROUNDING * unit:
        last += 1
    lacking = max(0, at_least - (last - first))
    if low == 0.0 and first == 0 and high != 0.0:
        return first, last + lacking
    if high == 0.0 and last == 0 and low != 0.0:
        return first - lacking, last
    less, more = lacking // 2, lacking - lacking // 2
    return (first - more, last + less) if first >= 0 else (first - less, last + more)
