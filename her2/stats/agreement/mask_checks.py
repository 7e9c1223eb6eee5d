"""The border of statistics on masks: what two masks must be, and the part that matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats.validation import BoolArray


def mask_pair(first: ArrayLike, second: ArrayLike) -> tuple[BoolArray, BoolArray]:
    """Two boolean masks of one shape.

    Raises
    ------
    BadArgument
        If the shapes differ or a mask is not boolean.

    Examples
    --------
    >>> [mask.tolist() for mask in mask_pair([True, False], [True, True])]
    [[True, False], [True, True]]
    """
    a, b = _mask(first), _mask(second)
    if a.shape != b.shape:
        raise BadArgument(
            f"masks must have one shape, found {a.shape} and {b.shape}; resample one"
        )
    return a, b


def both_boxes(first: BoolArray, second: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Both masks in the smallest box that holds them, grown by one pixel of background.

    At least one mask has a pixel. The box may reach over the image's border.

    Examples
    --------
    >>> far, near = np.array([[False, False, True]]), np.array([[False, False, True]])
    >>> both_boxes(far, near)[0].shape
    (3, 3)
    """
    box = tuple(_extent(first | second, axis) for axis in range(first.ndim))
    return np.pad(first[box], 1), np.pad(second[box], 1)


def _extent(mask: BoolArray, axis: int) -> slice:
    others = tuple(other for other in range(mask.ndim) if other != axis)
    found = np.flatnonzero(mask.any(axis=others))
    return slice(int(found[0]), int(found[-1]) + 1)


def _mask(values: ArrayLike) -> BoolArray:
    mask = np.asarray(values)
    if mask.dtype != np.bool_:
        raise BadArgument(f"a mask must be boolean, found {mask.dtype}; compare it with its label")
    return mask
