"""A lesion in its image: the smallest box around it, and its pixels in raster order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Box = tuple[slice, slice]


@dataclass(frozen=True)
class SliceLesion:
    """One slice and the lesion on it.

    Attributes
    ----------
    image
        (H, W) float64, finite.
    mask
        (H, W) bool, not empty.
    spacing_mm
        (row, column) millimetres per pixel; the slice is 1 mm thick.
    """

    image: FloatArray
    mask: BoolArray
    spacing_mm: tuple[float, float]

    @cached_property
    def box(self) -> Box:
        """Rows and columns of the smallest box that holds the mask."""
        rows, columns = (np.flatnonzero(self.mask.any(axis=axis)) for axis in (1, 0))
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    @cached_property
    def inside(self) -> BoolArray:
        """Mask within the box, (h, w)."""
        return np.ascontiguousarray(self.mask[self.box])

    @cached_property
    def values(self) -> FloatArray:
        """Grey levels of the lesion's pixels in raster order, (n_pixels,)."""
        return self.image[self.box][self.inside]

    def around(self, margin: int) -> tuple[Box, Box]:
        """Return the box grown by a margin as far as the image goes, and the box within that."""
        grown, within = [], []
        for extent, length in zip(self.box, self.image.shape, strict=True):
            start = max(extent.start - margin, 0)
            grown.append(slice(start, min(extent.stop + margin, length)))
            within.append(slice(extent.start - start, extent.stop - start))
        return (grown[0], grown[1]), (within[0], within[1])
