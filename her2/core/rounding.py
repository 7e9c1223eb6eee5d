"""How many decimals a number needs beside a limit."""

from __future__ import annotations

MOST_DIGITS = 9


def digits_beside(value: float, limit: float, digits: int = 3) -> int:
    """Return the decimals, at least `digits`, that show on which side of a limit a value lies.

    >>> digits_beside(0.6, 0.75), digits_beside(0.74996, 0.75), digits_beside(0.75, 0.75)
    (3, 5, 3)
    """
    while value != limit and digits < MOST_DIGITS:
        shown = round(value, digits)
        if shown != limit and (shown > limit) == (value > limit):
            break
        digits += 1
    return digits
