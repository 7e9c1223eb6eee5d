"""Where a crop lies in its image: masks as crops, and maps of a crop back on the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from her2.core.errors import BadConfig
from her2.core.types import LesionImage
from lightning_modules.crops import (
    ASPECTS,
    Box,
    lesion_box,
    margin_in_pixels,
    square_side,
    widened,
)


@dataclass(frozen=True)
class CropPlace:
    """The part of an image that a crop shows.

    box: rows and columns of the image; side: padded rows and columns, (height, width) in pixels
    of the image; offset: of the box in the padding; shape: (H, W) of the image.
    """

    box: Box
    side: tuple[int, int]
    offset: tuple[int, int]
    shape: tuple[int, int]

    @property
    def _inside(self) -> tuple[slice, slice]:
        top, left = self.offset
        return slice(top, top + self.box.height), slice(left, left + self.box.width)

    @property
    def _in_image(self) -> tuple[slice, slice]:
        return slice(self.box.top, self.box.bottom), slice(self.box.left, self.box.right)

    def crop_mask(self, mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
        """Mask (H, W) of the image as the crop shows it, (size, size), by nearest neighbour."""
        padded = np.zeros(self.side, dtype=np.uint8)
        padded[self._inside] = mask[self._in_image]
        resized = Image.fromarray(padded).resize((size, size), Image.Resampling.NEAREST)
        return np.asarray(resized).astype(bool)

    def to_image(self, saliency: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map (S, S) of the crop on the image, (H, W); 0 outside the crop."""
        height, width = self.side
        crop = Image.fromarray(saliency.astype(np.float32))
        resized = np.asarray(crop.resize((width, height), Image.Resampling.BILINEAR))
        image = np.zeros(self.shape, dtype=np.float32)
        image[self._in_image] = resized[self._inside]
        return image


def crop_place(
    image: LesionImage,
    *,
    margin_px: int = 10,
    margin_mm: float | None = None,
    aspect: str = "squash",
) -> CropPlace:
    """Return the place of the crop that `lesion_crop` makes of an image.

    Raises
    ------
    InputProblem
        If the mask is empty (M06).
    BadConfig
        If `aspect` is unknown, or `margin_mm` is given and the image's spacing is not known.

    Examples
    --------
    >>> mask = np.zeros((50, 80), dtype=bool)
    >>> mask[20:30, 40:70] = True
    >>> place = crop_place(LesionImage(np.zeros((50, 80), dtype=np.uint8), mask))
    >>> place.box, place.side
    (Box(top=10, left=30, bottom=40, right=80), (30, 50))
    """
    if aspect not in ASPECTS:
        raise BadConfig(f"aspect must be squash or keep, found {aspect!r}; choose one of them")
    height, width = image.mask.shape
    margin = margin_px if margin_mm is None else margin_in_pixels(image, margin_mm)
    box = lesion_box(image.mask, margin_px=margin)
    if aspect == "squash":
        return CropPlace(box, (box.height, box.width), (0, 0), (height, width))
    side = square_side(box, image.spacing_mm)
    box = widened(box, side, (height, width))
    offset = ((side[0] - box.height) // 2, (side[1] - box.width) // 2)
    return CropPlace(box, side, offset, (height, width))
