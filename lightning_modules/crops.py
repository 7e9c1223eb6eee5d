"""Lesion crops: the bounding box of the mask with a margin, as one small grey image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from her2.cohort import decode_each, load_lesion
from her2.core.errors import BadConfig, InputProblem
from her2.core.settings import BackboneSettings
from her2.core.types import Lesion, LesionImage

ASPECTS = ("squash", "keep")


@dataclass(frozen=True)
class Box:
    """A rectangle of an image.

    Attributes
    ----------
    top, bottom
        First row, and the row after the last.
    left, right
        First column, and the column after the last.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows in the box."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns in the box."""
        return self.right - self.left


def lesion_box(mask: NDArray[np.bool_], *, margin_px: int | tuple[int, int]) -> Box:
    """Bounding box of a mask (H, W) and a margin of rows and columns, clipped to the image."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise InputProblem("M06", "the mask is empty", "outline the lesion")
    height, width = mask.shape
    above, beside = (margin_px, margin_px) if isinstance(margin_px, int) else margin_px
    return Box(
        top=max(int(rows[0]) - above, 0),
        left=max(int(columns[0]) - beside, 0),
        bottom=min(int(rows[-1]) + 1 + above, height),
        right=min(int(columns[-1]) + 1 + beside, width),
    )


def margin_in_pixels(image: LesionImage, margin_mm: float) -> tuple[int, int]:
    """Rows and columns of a margin in millimetres, rounded."""
    if not image.spacing_known:
        raise BadConfig(
            "backbone.margin_mm needs images whose spacing is known, found one without; give "
            "backbone.margin_px, or the column spacing_mm in the table"
        )
    rows, columns = (round(margin_mm / spacing) for spacing in image.spacing_mm)
    return rows, columns


def square_side(box: Box, spacing_mm: tuple[float, float] = (1.0, 1.0)) -> tuple[int, int]:
    """Rows and columns of the smallest square around a box; in millimetres it is one.

    >>> square_side(Box(0, 0, 40, 40), (0.1, 0.2))
    (80, 40)
    """
    row, column = spacing_mm
    longest = max(box.height * row, box.width * column)
    return max(box.height, round(longest / row)), max(box.width, round(longest / column))


def widened(box: Box, side: tuple[int, int], shape: tuple[int, ...]) -> Box:
    """Box of `side` rows and columns around another, as far as an image of `shape` reaches."""
    starts = [
        min(max(start - (wanted - length) // 2, 0), max(limit - wanted, 0))
        for start, length, wanted, limit in zip(
            (box.top, box.left), (box.height, box.width), side, shape, strict=True
        )
    ]
    stops = [min(a + n, limit) for a, n, limit in zip(starts, side, shape, strict=True)]
    return Box(*starts, *stops)


@dataclass(frozen=True)
class CropPlace:
    """The part of an image that a crop shows.

    Attributes
    ----------
    box
        Rows and columns of the image.
    side
        (height, width) of the crop with its padding, in pixels of the image.
    offset
        (rows, columns) of the box in the padding.
    shape
        (H, W) of the image.
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
    """Place of the crop that `lesion_crop` makes of an image, with the same errors.

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


def grey_levels(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey levels 0 to 255: uint8 as it is, others from the image's own minimum and maximum."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, dtype=np.uint8)
    levels = pixels.astype(np.float64)
    low, high = levels.min(), levels.max()
    if high == low:
        return np.zeros(pixels.shape, dtype=np.uint8)
    scaled: NDArray[np.uint8] = np.rint(255 * (levels - low) / (high - low)).astype(np.uint8)
    return scaled


def lesion_crop(
    image: LesionImage,
    *,
    margin_px: int = 10,
    margin_mm: float | None = None,
    size: int = 224,
    aspect: str = "squash",
) -> NDArray[np.uint8]:
    """Crop a lesion to its bounding box and margin: (size, size) uint8.

    Parameters
    ----------
    image
        Grey image and mask of the lesion; an enhanced image shows the same tissue, finer.
    margin_px
        Pixels of the stored image around the bounding box; what is outside the image is left out.
    margin_mm
        The margin in millimetres, in place of `margin_px`.
    size
        Side of the crop, resized bilinearly with antialiasing.
    aspect
        ``"squash"`` stretches the box to a square, as the paper does; ``"keep"`` widens the box
        to a square first, with black where the image ends; in millimetres, where they are known.

    Raises
    ------
    InputProblem
        If the mask is empty (M06).
    BadConfig
        If `aspect` is unknown, or `margin_mm` is given and the image's spacing is not known.
    """
    place = crop_place(image, margin_px=margin_px, margin_mm=margin_mm, aspect=aspect)
    times, box = image.enlargement, place.box
    rows = slice(times * box.top, times * box.bottom)
    columns = slice(times * box.left, times * box.right)
    crop = grey_levels(image.grey)[rows, columns]
    missing = [times * side - n for side, n in zip(place.side, crop.shape, strict=True)]
    padded = np.pad(crop, [(m // 2, m - m // 2) for m in missing])
    resized = Image.fromarray(padded).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def place_settings(backbone: BackboneSettings) -> dict[str, Any]:
    """Arguments of `crop_place` and `lesion_crop` that a network's crops are made with."""
    return {name: getattr(backbone, name) for name in ("margin_px", "margin_mm", "aspect")}


def cohort_crops(
    lesions: Sequence[Lesion], backbone: BackboneSettings, *, n_threads: int = 1
) -> NDArray[np.uint8]:
    """Return the crop of every lesion, (n_lesions, size, size) uint8; see `lesion_crop`."""
    given = {"size": backbone.image_size, **place_settings(backbone)}
    crops = decode_each(
        lambda lesion: lesion_crop(load_lesion(lesion), **given), lesions, n_threads=n_threads
    )
    return np.stack(crops)
