"""Where labels go so that none lies on another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

POINTS_PER_INCH = 72
FONT = "DejaVu Sans"


def spread(wanted: ArrayLike, gap: float, *, low: float, high: float) -> NDArray[np.float64]:
    """Positions at least `gap` apart inside [low, high], as near to the wanted ones as can be.

    Parameters
    ----------
    wanted
        Positions asked for, shape (n,), in any order.
    gap
        Smallest distance; made smaller where the range is too short for it.
    low, high
        Ends of the range.

    Returns
    -------
    Positions, shape (n,), in the order of `wanted`: least squares under the distance, which is
    an isotonic regression of the positions less the room that the labels before them take.

    Examples
    --------
    >>> spread([0.5, 0.5, 0.9], 0.1, low=0.0, high=1.0).round(2).tolist()
    [0.45, 0.55, 0.9]
    """
    positions = np.asarray(wanted, dtype=np.float64)
    if positions.size < 2:
        return np.clip(positions, low, high)
    gap = min(gap, (high - low) / (positions.size - 1))
    order = np.argsort(positions, kind="stable")
    room = gap * np.arange(positions.size)
    fitted = isotonic_regression(positions[order] - room).x
    placed = np.empty_like(positions)
    placed[order] = np.clip(fitted, low, high - room[-1]) + room
    return placed


def text_width(text: str, size: float, *, weight: str = "normal") -> float:
    """Width of the widest line of a text of `size` points, in inches.

    Examples
    --------
    >>> round(text_width("0.50", 8), 2) < round(text_width("0.500", 8), 2) < 0.5
    True
    """
    font = FontProperties(family=FONT, size=size, weight=weight)
    widths = [
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]
        for line in text.split("\n")
    ]
    return float(max(widths)) / POINTS_PER_INCH


def levels(centres: Sequence[float], widths: Sequence[float], *, gap: float) -> list[int]:
    """Level (0, 1, ...) of every label of an axis: labels of one level keep `gap` apart.

    Parameters
    ----------
    centres, widths, gap
        In one unit of length, for example inches.

    Examples
    --------
    >>> levels([0.0, 0.2, 1.0], [0.3, 0.3, 0.3], gap=0.05)
    [0, 1, 0]
    """
    right_ends: list[float] = []
    chosen = [0] * len(centres)
    for index in np.argsort(np.asarray(centres, dtype=np.float64), kind="stable"):
        left = centres[index] - widths[index] / 2
        fits = [level for level, end in enumerate(right_ends) if end + gap <= left]
        level = fits[0] if fits else len(right_ends)
        if not fits:
            right_ends.append(0.0)
        right_ends[level] = centres[index] + widths[index] / 2
        chosen[index] = level
    return chosen
