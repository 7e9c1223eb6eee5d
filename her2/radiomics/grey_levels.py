"""Grey levels of a lesion in bins of fixed width, as pyradiomics cuts them.

Bins are half open and start at a multiple of the width; level 1 holds the smallest value. IBSI
calls this fixed bin size (identifier Q3RU), but lets the first bin start at the smallest value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import InputProblem
from her2.radiomics.roi import BoolArray

MAX_LEVELS = 2000  # a co-occurrence matrix of four directions takes 128 MB


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
    """Return the values of a lesion's pixels as grey levels.

    Parameters
    ----------
    values
        (n_pixels,) finite, in raster order.
    inside
        (h, w) bool with n_pixels true elements.
    bin_width
        In grey values, above 0.

    Raises
    ------
    InputProblem
        The values span more than `MAX_LEVELS` bins.

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
