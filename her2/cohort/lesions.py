"""A lesion's image and masks from its files; the study decodes them here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from her2.cohort.enhanced_images import read_enhanced
from her2.cohort.images import SPACING_CODES, DecodedImage, colour_notes, decode_image
from her2.cohort.masks import read_mask
from her2.cohort.problems import LEFT_OUT, Note, refuse
from her2.core.types import Lesion, LesionImage


def load_lesion(lesion: Lesion) -> LesionImage:
    """Grey image, mask and spacing of a lesion.

    The table's spacing wins over the image's header; without either it is 1.0 and not known. An
    enhanced image comes along where the lesion has one.

    Raises
    ------
    InputProblem
        If a file must not be used: the same decision as when the cohort was verified.
    """
    if lesion.image is None:
        raise refuse("C04", "the lesion has no image", "name its image in the table")
    image = decode_image(lesion.image, lesion.frame)
    pixels = image.pixels
    shape = (pixels.shape[0], pixels.shape[1])
    mask, mask_notes = read_mask(lesion.masks, shape, lesion.frame)
    _raise_first([*image_notes(lesion, image), *mask_notes, *colour_notes(image, mask)])
    spacing = lesion.spacing_mm or image.spacing_mm
    enhanced = read_enhanced(lesion.enhanced, shape) if lesion.enhanced else None
    return LesionImage(pixels, mask, spacing or (1.0, 1.0), spacing is not None, enhanced)


def load_reader2_mask(lesion: Lesion, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Second reader's mask, (H, W) bool, or None where there is none.

    Raises
    ------
    InputProblem
        As `read_mask`.
    """
    if not lesion.masks_reader2:
        return None
    mask, notes = read_mask(lesion.masks_reader2, shape, lesion.frame)
    _raise_first(notes)
    return mask


def image_notes(lesion: Lesion, image: DecodedImage) -> list[Note]:
    """Return the notes of an image; those on spacing do not matter where the table gives it."""
    given = lesion.spacing_mm is not None
    return [note for note in image.notes if not (given and note.code in SPACING_CODES)]


def _raise_first(notes: Iterable[Note]) -> None:
    for note in notes:
        if note.level in LEFT_OUT:
            raise refuse(note.code, note.what, note.fix)
