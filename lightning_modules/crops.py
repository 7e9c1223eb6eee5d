"""Lesion crops: the bounding box of the mask with a margin, as one small grey image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from her2.core.errors import BadConfig, InputProblem
from her2.core.types import LesionImage

ASPECTS = ("squash", "keep")


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right` of an image, the ends excluded."""

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
    """Bounding box of a mask (H, W) and a margin around it, clipped to the image.

    margin_px: of rows and columns, or one for both.

    Raises
    ------
    InputProblem
        If the mask is empty (M06).
    """
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
    """Rows and columns of a margin in millimetres, rounded.

    Raises
    ------
    BadConfig
        If the image's spacing is not known.
    """
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
    top, bottom = _widen(box.top, box.bottom, side[0], shape[0])
    left, right = _widen(box.left, box.right, side[1], shape[1])
    return Box(top, left, bottom, right)


def _widen(start: int, stop: int, side: int, limit: int) -> tuple[int, int]:
    start -= (side - (stop - start)) // 2
    start = min(max(start, 0), max(limit - side, 0))
    return start, min(start + side, limit)


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
    if aspect not in ASPECTS:
        raise BadConfig(f"aspect must be squash or keep, found {aspect!r}; choose one of them")
    margin = margin_px if margin_mm is None else margin_in_pixels(image, margin_mm)
    box = lesion_box(image.mask, margin_px=margin)
    side = (box.height, box.width)
    if aspect == "keep":
        side = square_side(box, image.spacing_mm)
        box = widened(box, side, image.mask.shape)
    times = image.enlargement
    rows = slice(times * box.top, times * box.bottom)
    columns = slice(times * box.left, times * box.right)
    crop = _padded(grey_levels(image.grey)[rows, columns], (times * side[0], times * side[1]))
    resized = Image.fromarray(crop).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _padded(crop: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    missing = [whole - length for whole, length in zip(shape, crop.shape, strict=True)]
    return np.pad(crop, [(m // 2, m - m // 2) for m in missing])


def crop_tensor(
    images: Sequence[LesionImage],
    *,
    margin_px: int = 10,
    size: int = 224,
    aspect: str = "squash",
) -> Tensor:
    """Crops of many lesions as one tensor, (N, 1, size, size) uint8; see `lesion_crop`."""
    crops = np.zeros((len(images), 1, size, size), dtype=np.uint8)
    for crop, image in zip(crops, images, strict=True):
        crop[0] = lesion_crop(image, margin_px=margin_px, size=size, aspect=aspect)
    return torch.from_numpy(crops)
