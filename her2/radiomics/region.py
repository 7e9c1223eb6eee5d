"""Where features are read: the lesion, the ring of tissue around it, or both.

References
----------
Wang J et al. Eur J Med Res 2025;31:172. doi:10.1186/s40001-025-03698-7: HER2 status from
ultrasound with rings of 1, 3 and 5 mm; 3 mm was the best and was validated externally.
Wang J et al. Discov Oncol 2025. doi:10.1007/s12672-025-02752-4: low expression of HER2 with 3, 5
and 8 mm; 5 mm was the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from her2.core.errors import BadArgument, BadConfig
from her2.core.types import LesionImage

BoolArray = NDArray[np.bool_]
Spacing = tuple[float, float]

REGIONS = ("lesion", "ring", "both")
RING_MM = 3.0
_ROUNDING = 1e-9  # 30 pixels of 0.1 mm are 3 mm


@dataclass(frozen=True)
class Length:
    """A length.

    Attributes
    ----------
    mm
        In millimetres; without a meaning where `px` is given.
    px
        In pixels, the same on every image.

    Examples
    --------
    >>> image = LesionImage(np.zeros((2, 2)), np.ones((2, 2), bool), (0.1, 0.2), True)
    >>> Length(3.0).on(image), Length(3.0, px=30).on(image)
    ((3.0, (0.1, 0.2)), (30.0, (1.0, 1.0)))
    """

    mm: float
    px: float | None = None

    def is_known_on(self, image: LesionImage) -> bool:
        """Whether the length has a meaning on an image: a pixel size, or pixels."""
        return self.px is not None or image.spacing_known

    def on(self, image: LesionImage) -> tuple[float, Spacing]:
        """Return the length and the (row, column) size of a pixel in its unit."""
        if self.px is not None:
            return float(self.px), (1.0, 1.0)
        if not image.spacing_known:
            raise BadArgument(
                f"expected a known pixel spacing for a length of {self.mm:g} mm, found an image "
                "without; give the spacing, or the length in pixels"
            )
        return self.mm, image.spacing_mm


RING = Length(RING_MM)


def peritumoural_ring(mask: BoolArray, *, spacing_mm: Spacing, width_mm: float) -> BoolArray:
    """Return the pixels outside a lesion (H, W) and at most `width_mm` from it, (H, W) bool.

    The distance is the exact Euclidean one between centres of pixels, to the nearest pixel of the
    lesion. Holes of the lesion are no surroundings. What is beyond the image is cut off: see
    `share_cut_off`. With a (row, column) spacing of (1, 1) the width is in pixels.

    References
    ----------
    Maurer CR et al. IEEE Trans Pattern Anal Mach Intell 2003;25:265 (the distance transform).
    doi:10.1109/TPAMI.2003.1177156

    Examples
    --------
    >>> mask = np.zeros((3, 5), bool)
    >>> mask[1, 2] = True
    >>> peritumoural_ring(mask, spacing_mm=(2.0, 1.0), width_mm=2.0).astype(int).tolist()
    [[0, 0, 1, 0, 0], [1, 1, 0, 1, 1], [0, 0, 1, 0, 0]]
    """
    ring, top, left = _unbounded_ring(mask, spacing_mm, width_mm)
    inside = np.zeros_like(mask, dtype=bool)
    rows, columns = np.nonzero(ring)
    rows, columns = rows + top, columns + left
    is_in = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    inside[rows[is_in], columns[is_in]] = True
    return inside


def share_cut_off(mask: BoolArray, *, spacing_mm: Spacing, width_mm: float) -> float:
    """Return the share of a lesion's ring that is beyond the image, 0 to 1.

    Examples
    --------
    >>> corner = np.zeros((9, 9), bool)
    >>> corner[0, 0] = True
    >>> share_cut_off(corner, spacing_mm=(1.0, 1.0), width_mm=1.0)
    0.5
    """
    ring, _, _ = _unbounded_ring(mask, spacing_mm, width_mm)
    inside = peritumoural_ring(mask, spacing_mm=spacing_mm, width_mm=width_mm)
    return 1.0 - float(inside.sum()) / float(ring.sum())


def check_region(region: str, ring: Length) -> None:
    """Refuse a region or a ring that does not exist."""
    if region not in REGIONS:
        raise BadConfig(
            f"expected radiomics.region to be one of {', '.join(REGIONS)}, found {region!r}"
        )
    width = ring.mm if ring.px is None else ring.px
    if region != "lesion" and not width > 0:
        raise BadConfig(
            f"expected a ring of a positive width, found {width:g}; radiomics.ring_mm={RING_MM:g} "
            "is usual"
        )


def _unbounded_ring(
    mask: BoolArray, spacing_mm: Spacing, width_mm: float
) -> tuple[BoolArray, int, int]:
    """Return the ring on a plane without borders, and (row, column) of the image's corner there.

    The array ends where the ring does, so that the transform never sees the whole image.
    """
    _check(mask, spacing_mm, width_mm)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    down, across = (ceil(width_mm / side) for side in spacing_mm)
    lesion = ndimage.binary_fill_holes(np.pad(box, ((down, down), (across, across))))
    distance = ndimage.distance_transform_edt(~lesion, sampling=spacing_mm)
    ring = (distance > 0) & (distance <= width_mm * (1 + _ROUNDING))
    return ring, int(rows[0]) - down, int(columns[0]) - across


def _check(mask: BoolArray, spacing_mm: Spacing, width_mm: float) -> None:
    if mask.ndim != 2 or not mask.any():
        raise BadArgument(
            f"expected a mask of shape (H, W) that is not empty, found {mask.shape} with "
            f"{int(mask.sum())} pixels; draw the lesion"
        )
    if not min(spacing_mm) > 0:
        raise BadArgument(f"expected a positive pixel spacing, found {spacing_mm}")
    if not min(spacing_mm) <= width_mm * (1 + _ROUNDING) < float("inf"):
        raise BadArgument(
            f"expected a ring at least as wide as a pixel ({min(spacing_mm):g}), found a width of "
            f"{width_mm:g}; {RING_MM:g} mm is usual"
        )
