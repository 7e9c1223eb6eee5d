"""A lesion made smaller and larger again, beside what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from her2.cohort import load_lesion
from her2.types import Lesion

FACTOR = 4
MARGIN = 4  # the cut is the lesion's box, wider by a quarter on each side
Preview: TypeAlias = dict[str, NDArray[np.generic]]
Enlarge = Callable[[NDArray[np.generic]], NDArray[np.generic]]


def quarter(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return an image of a quarter of the sides: means of 4 x 4 pixels, in the image's type.

    Sides that are no multiple of 4 are filled up with their last row and column.

    Examples
    --------
    >>> quarter(np.full((5, 8), 7, np.uint8)).tolist()
    [[7, 7], [7, 7]]
    """
    means = block_means(pixels)
    whole = np.issubdtype(pixels.dtype, np.integer)
    return (np.rint(means) if whole else means).astype(pixels.dtype)


def block_means(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the means of 4 x 4 pixels; missing rows and columns are those at the edge."""
    padded = np.pad(pixels, [(0, -length % FACTOR) for length in pixels.shape], mode="edge")
    rows, columns = (length // FACTOR for length in padded.shape)
    blocks = padded.reshape(rows, FACTOR, columns, FACTOR).astype(np.float64)
    return np.asarray(blocks.mean(axis=(1, 3)))


def restored(pixels: NDArray[np.generic], enlarge: Enlarge) -> NDArray[np.generic]:
    """Return an image made of its own quarter, of the same shape."""
    height, width = pixels.shape
    return enlarge(quarter(pixels))[:height, :width]


def lesion_preview(lesion: Lesion, enlarge: Enlarge) -> Preview:
    """Return cuts around a lesion by title: its quarter, bicubic, enlarged, and as it is.

    The cut leaves out the banner of an image, which often names a patient.
    """
    from lightning_modules.enlarging import bicubic_enlarger

    image = load_lesion(replace(lesion, enhanced=None))
    cut = around(image.mask)
    blocks = quarter(image.pixels).repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
    return {
        "Native / 4": blocks[cut],
        "Bicubic": restored(image.pixels, bicubic_enlarger())[cut],
        "Super-resolution": restored(image.pixels, enlarge)[cut],
        "Native": image.pixels[cut],
    }


def around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the lesion's bounding box, wider by a quarter on each side."""
    box = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = int(inside[0]), int(inside[-1])
        margin = (last - first + 1) // MARGIN
        box.append(slice(max(first - margin, 0), last + margin + 1))
    return box[0], box[1]
