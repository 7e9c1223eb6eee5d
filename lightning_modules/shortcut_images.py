"""Images in which the lesion cannot be seen: what a network may learn without looking at it.

One pair of hands that outlines benign lesions smoothly, a marker beside every cancer, a scanner
that one clinic uses: a network that sees none of the lesion's grey levels may still tell the
outcome, and then the study's own network may do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from her2.cohort import decode_each, load_lesion
from her2.core.settings import BackboneSettings
from her2.core.types import Lesion, LesionImage
from lightning_modules.crops import grey_levels, lesion_box, lesion_crop

FRAME = 0.1  # of the height and width at each side: where frames, scales and marks stand
MARGIN = 0.1  # of a lesion's height and width, blanked around it: outlines are never exact
Picture = Callable[[LesionImage, BackboneSettings], NDArray[np.uint8]]


def outline(image: LesionImage, backbone: BackboneSettings) -> NDArray[np.uint8]:
    """Return the crop of the network with the mask in place of the image, (S, S) uint8."""
    mask = np.where(image.mask, np.uint8(255), np.uint8(0))
    return lesion_crop(
        replace(image, pixels=mask, enhanced=None), size=backbone.image_size,
        margin_px=backbone.margin_px, margin_mm=backbone.margin_mm, aspect=backbone.aspect,
    )  # fmt: skip


def surroundings(image: LesionImage, backbone: BackboneSettings) -> NDArray[np.uint8]:
    """Return the whole image without the lesion's bounding box and a margin, (S, S) uint8."""
    return _shrunk(_without_lesion(image), backbone.image_size)


def frame(image: LesionImage, backbone: BackboneSettings) -> NDArray[np.uint8]:
    """Return the outer tenth of the image at each side, without the lesion, (S, S) uint8."""
    grey = _without_lesion(image)
    rows, columns = (round(FRAME * n) for n in grey.shape)
    grey[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns] = 0
    return _shrunk(grey, backbone.image_size)


def control_images(
    lesions: Sequence[Lesion], picture: Picture, backbone: BackboneSettings, *, n_threads: int = 1
) -> NDArray[np.uint8]:
    """Return one of the pictures above of every lesion, (n, S, S) uint8."""
    return np.stack(
        decode_each(
            lambda lesion: picture(load_lesion(lesion), backbone), lesions, n_threads=n_threads
        )
    )


def _without_lesion(image: LesionImage) -> NDArray[np.uint8]:
    """Return the stored image, black where the lesion and its margin are; size and place stay."""
    found = lesion_box(image.mask, margin_px=0)
    margins = round(MARGIN * found.height), round(MARGIN * found.width)
    box = lesion_box(image.mask, margin_px=margins)
    grey = grey_levels(image.pixels).copy()
    grey[box.top : box.bottom, box.left : box.right] = 0
    return grey


def _shrunk(grey: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR))
