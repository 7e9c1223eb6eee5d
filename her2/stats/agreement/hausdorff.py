"""How far two readers' contours of a lesion lie apart, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.agreement.mask_checks import both_boxes, mask_pair
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class HausdorffDistance:
    """Distances between two contours in millimetres, each at least 0; 0 = the same contour.

    maximum_mm: the farthest that a contour pixel lies from the other contour;
    percentile_95_mm: the larger of the two directions' 95th percentiles;
    mean_surface_mm: mean over the contour pixels of both masks.
    """

    maximum_mm: float
    percentile_95_mm: float
    mean_surface_mm: float


def hausdorff_distance(
    first: ArrayLike, second: ArrayLike, *, spacing_mm: Sequence[float]
) -> HausdorffDistance:
    """Symmetric distances between the contours of two masks of one lesion.

    A contour is the pixels of a mask that share an edge with a pixel outside it (or outside the
    image); distances are between pixel centres.

    Parameters
    ----------
    first, second
        Boolean arrays of one shape (y, x) or (z, y, x), True = inside.
    spacing_mm
        Millimetres from one pixel to the next along each axis, positive.

    Returns
    -------
    HausdorffDistance
        The same when the masks change places.

    Raises
    ------
    NotEstimable
        If a mask is empty.
    BadArgument
        If the shapes differ, a mask is not boolean, or the spacing does not fit it.

    References
    ----------
    Huttenlocher, Klanderman & Rucklidge (1993), IEEE Trans. Pattern Anal. Mach. Intell. 15:850,
    doi:10.1109/34.232073. Taha & Hanbury (2015), BMC Med. Imaging 15:29,
    doi:10.1186/s12880-015-0068-x.

    Examples
    --------
    >>> first, second = np.zeros((2, 9, 9), dtype=bool)
    >>> first[2:5, 2:5] = second[2:5, 4:7] = True
    >>> hausdorff_distance(first, second, spacing_mm=(0.5, 0.25)).maximum_mm
    0.5
    """
    a, b = mask_pair(first, second)
    spacing = _checked_spacing(spacing_mm, a.ndim)
    if not (a.any() and b.any()):
        raise NotEstimable(
            "a distance between contours needs two masks, found an empty one; draw it or leave "
            "the lesion out"
        )
    one, two = (_contour(box) * spacing for box in both_boxes(a, b))
    there, back = KDTree(two).query(one)[0], KDTree(one).query(two)[0]
    return HausdorffDistance(
        maximum_mm=float(max(there.max(), back.max())),
        percentile_95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        mean_surface_mm=float((there.sum() + back.sum()) / (there.size + back.size)),
    )


def _contour(mask: BoolArray) -> FloatArray:
    """Return the indices (n, dimensions) of the pixels with a neighbour outside the mask."""
    return np.argwhere(mask & ~binary_erosion(mask)).astype(np.float64)


def _checked_spacing(spacing_mm: Sequence[float], n_axes: int) -> FloatArray:
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (n_axes,) or not (np.isfinite(spacing) & (spacing > 0.0)).all():
        raise BadArgument(
            f"spacing_mm must be {n_axes} positive lengths, one an axis of the masks, found "
            f"{spacing.tolist()}; give the millimetres from pixel to pixel"
        )
    return spacing
