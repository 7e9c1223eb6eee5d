"""A lesion in its image: the box around it, its pixels in raster order, and their grey levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import InputProblem

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Box = tuple[slice, slice]

MAX_LEVELS = 2000  # a co-occurrence matrix of four directions takes 128 MB


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

    @cached_property
    def places(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row and column of each of these pixels, (n_pixels,) both."""
        rows, columns = np.nonzero(self.mask)
        return rows, columns

    def around(self, margin: int) -> tuple[Box, Box]:
        """Return the box grown by a margin as far as the image goes, and the box within that."""
        grown, within = [], []
        for extent, length in zip(self.box, self.image.shape, strict=True):
            start = max(extent.start - margin, 0)
            grown.append(slice(start, min(extent.stop + margin, length)))
            within.append(slice(extent.start - start, extent.stop - start))
        return (grown[0], grown[1]), (within[0], within[1])


@dataclass(frozen=True)
class GreyLevels:
    """A lesion in grey levels.

    Attributes
    ----------
    image
        (1, h, w), 0 outside the lesion.
    mask
        (1, h, w).
    levels
        (n_levels,), those that occur, ascending.
    counts
        (n_levels,), pixels of each.
    """

    image: NDArray[np.int32]
    mask: BoolArray
    levels: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def highest(self) -> int:
        """The highest grey level; lower ones may not occur."""
        return int(self.levels[-1])


def digitise(values: NDArray[np.floating], inside: BoolArray, bin_width: float) -> GreyLevels:
    """Return finite values (n_pixels,) of the pixels `inside` (h, w) as grey levels.

    Bins of fixed width are half open and start at a multiple of it, as pyradiomics cuts them;
    level 1 holds the smallest value. IBSI calls this fixed bin size (identifier Q3RU), but lets
    the first bin start at the smallest value.

    Examples
    --------
    >>> digitise(np.array([54.0, 60, 166]), np.ones((1, 3), bool), 25).image.tolist()
    [[[1, 1, 5]]]
    """
    binned = np.digitize(values, _edges(values, bin_width)).astype(np.int32)
    image = np.zeros((1, *inside.shape), dtype=np.int32)
    image[0, inside] = binned
    counts = np.bincount(binned)
    levels = np.flatnonzero(counts)
    return GreyLevels(image, inside[np.newaxis], levels, counts[levels])


def _edges(values: NDArray[np.floating], bin_width: float) -> NDArray[np.floating]:
    """Return the edges of the bins in the type of the values, which decides how they round."""
    lowest, highest = values.min(), values.max()
    if (float(highest) - float(lowest)) / bin_width > MAX_LEVELS:
        raise InputProblem(
            "D29",
            f"grey values of the lesion span {float(lowest):g} to {float(highest):g}, more than "
            f"{MAX_LEVELS} bins of {bin_width:g}",
            "export the image with 8 or 12 bits",
        )
    edges = np.arange(lowest - lowest % bin_width, highest + 2 * bin_width, bin_width)
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])
