"""Lesions as another reader, another gain or another frame would have given them.

Every change is a pure function of the image, the size of the change and a generator, so that the
same lesion is changed in the same way in any run, on any number of workers.

References
----------
Zwanenburg A et al. Assessing robustness of radiomic features by image perturbation. Sci Rep
2019;9:614. doi:10.1038/s41598-018-36938-4
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from her2.core.errors import BadConfig
from her2.core.seeds import generator
from her2.core.types import LesionImage
from her2.radiomics.region import Length

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

# 0.5 mm is about 15 % of the area of a lesion of 12 mm, the change of volume in the reference
MASK_SIZE = Length(0.5)
_SHARES = {"gain": 0.04, "noise": 0.05}  # of the range of grey levels: .04 is 2.4 dB of 60 dB
MASK_KINDS = ("erosion", "dilation", "shift", "contour")
IMAGE_KINDS = ("gain", "noise")
KINDS = (*MASK_KINDS, *IMAGE_KINDS)
_CORRELATED_OVER = 2.0  # sizes of the change: how far a wavy contour keeps its side


@dataclass(frozen=True)
class Perturbation:
    """A change of a lesion's mask or image.

    Attributes
    ----------
    kind
        Of the mask: ``erosion``, ``dilation``, ``shift`` (in a random direction), ``contour`` (a
        wavy one). Of the image: ``gain`` (brighter or darker, at random), ``noise`` (speckle).
    size
        How far a mask's edge moves; for ``contour`` the standard deviation of the move.
    share
        For images: change of the grey levels as a share of their range; None takes .04 for gain
        (2.4 dB of 60 dB) and .05 for noise.
    number
        Tells repeats of a kind apart.
    seed
        Root of the random numbers; each lesion has its own.

    Raises
    ------
    BadConfig
        The kind is unknown, or a size is not positive.

    Examples
    --------
    >>> mask = np.zeros((5, 5), bool)
    >>> mask[1:4, 1:4] = True
    >>> image = LesionImage(np.zeros((5, 5), np.uint8), mask)
    >>> int(Perturbation("erosion", Length(1.0, px=1)).of(image, "P1/1").mask.sum())
    1
    """

    kind: str
    size: Length = MASK_SIZE
    share: float | None = None
    number: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadConfig(
                f"expected a perturbation among {', '.join(KINDS)}, found {self.kind!r}"
            )
        for value in (self.size.mm, self.size.px, self.share):
            if value is not None and not value > 0:
                raise BadConfig(
                    f"expected a perturbation of a positive size, found {value:g} for {self.kind}"
                )

    def of(self, image: LesionImage, name: str) -> LesionImage:
        """Return the changed lesion; its mask may be empty. `Lesion.key` is its `name`."""
        rng = generator(self.seed, "perturbation", self.kind, self.number, name)
        if self.kind in IMAGE_KINDS:
            changed = _brighten(image.grey, self.kind, self.share, rng)
            if image.enhanced is None:
                return replace(image, pixels=changed)
            return replace(image, enhanced=changed)
        size, spacing = self.size.on(image)
        mask = _MASK_CHANGES[self.kind](image.mask, size, spacing, rng)
        return replace(image, mask=mask)


def erode(mask: BoolArray, size: float, spacing: tuple[float, float]) -> BoolArray:
    """Return the pixels of a mask that are farther than `size` (or a pixel) from the outside.

    The border of the image is no edge of the lesion.
    """
    if mask.all():
        return mask
    distance = ndimage.distance_transform_edt(mask, sampling=spacing)
    return np.asarray(distance > max(size, min(spacing)) * (1 + 1e-9))


def dilate(mask: BoolArray, size: float, spacing: tuple[float, float]) -> BoolArray:
    """Return a mask and everything within `size` (or a pixel) of it, holes included."""
    if not mask.any():
        return mask
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray(distance <= max(size, min(spacing)) * (1 + 1e-9))


def shift_mask(mask: BoolArray, rows: int, columns: int) -> BoolArray:
    """Return a mask moved by whole pixels; what leaves the image is cut off.

    Examples
    --------
    >>> shift_mask(np.array([[True, False, False]]), 0, 1).tolist()
    [[False, True, False]]
    """
    moved = np.zeros_like(mask)
    if abs(rows) >= mask.shape[0] or abs(columns) >= mask.shape[1]:
        return moved
    bottom, right = mask.shape[0] - max(rows, 0), mask.shape[1] - max(columns, 0)
    source = mask[max(-rows, 0) : bottom, max(-columns, 0) : right]
    top, left = max(rows, 0), max(columns, 0)
    moved[top : top + source.shape[0], left : left + source.shape[1]] = source
    return moved


def wave_contour(
    mask: BoolArray, size: float, spacing: tuple[float, float], rng: np.random.Generator
) -> BoolArray:
    """Return a mask whose edge has moved in and out by a smooth random field of sd `size`."""
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    half_a_pixel = 0.5 * min(spacing)  # the edge runs between the centres
    depth = np.where(mask, inside - half_a_pixel, half_a_pixel - outside)  # negative outside
    sigma = [_CORRELATED_OVER * size / side for side in spacing]
    field = ndimage.gaussian_filter(rng.standard_normal(mask.shape), sigma, mode="reflect")
    return np.asarray(depth + size * field / field.std() > 0)


def _shift_at_random(
    mask: BoolArray, size: float, spacing: tuple[float, float], rng: np.random.Generator
) -> BoolArray:
    angle = rng.uniform(0, 2 * pi)
    rows, columns = round(size * sin(angle) / spacing[0]), round(size * cos(angle) / spacing[1])
    if rows == columns == 0:  # less than half a pixel: the smallest move there is
        columns = 1
    return shift_mask(mask, rows, columns)


def _brighten(
    pixels: NDArray[np.generic], kind: str, share: float | None, rng: np.random.Generator
) -> NDArray[np.generic]:
    """Return an image with another gain or with speckle, in its type and within its limits.

    Gain multiplies the echo, as speckle does, so both add to log-compressed grey levels. The
    range of 8-bit images is the type's, else what the image uses.
    """
    low, high = (0, 255) if pixels.dtype == np.uint8 else (pixels.min(), pixels.max())
    size = (share or _SHARES[kind]) * (float(high) - float(low))
    change = rng.choice([-1.0, 1.0]) if kind == "gain" else rng.standard_normal(pixels.shape)
    clipped = np.clip(pixels.astype(np.float64) + size * change, float(low), float(high))
    whole = np.issubdtype(pixels.dtype, np.integer)
    return (np.rint(clipped) if whole else clipped).astype(pixels.dtype)


_MASK_CHANGES: dict[str, Callable[..., BoolArray]] = {
    "erosion": lambda mask, size, spacing, rng: erode(mask, size, spacing),
    "dilation": lambda mask, size, spacing, rng: dilate(mask, size, spacing),
    "shift": _shift_at_random,
    "contour": wave_contour,
}
