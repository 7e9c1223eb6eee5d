"""A lesion's image and masks from its files; the study decodes them here and nowhere else.

An enhanced image is written whole or not at all, with a hash of its bytes. Only the pixels are
kept: mask and spacing stay those of the stored image. A pixel of these is a block of enhanced
pixels, so a mask is enlarged by nearest neighbour and nothing is resampled.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her2.cohort.dicom import DecodedImage
from her2.cohort.images import colour_notes, decode_image
from her2.cohort.masks import read_mask
from her2.cohort.pixel_spacing import SPACING_CODES, Spacing, size_notes, spacing_of
from her2.cohort.problems import LEFT_OUT, Note, refuse
from her2.core.store import content_key, write_atomic
from her2.core.types import Lesion, LesionImage

_DIGEST_BYTES = 32
_NAMES = ("image", "mask", "second reader's mask")
_IMAGE, _MASK, _READER2 = range(3)
_FAST = 1  # zlib's level: a frame is written once and read a few times
_AGAIN = "run the same command again: it is made anew"


def load_lesion(lesion: Lesion) -> LesionImage:
    """Grey image, mask and spacing of a lesion, or the `InputProblem` that verifying it has found.

    The table's spacing wins over the image's header; without either it is 1.0 and not known.
    """
    if lesion.image is None:
        raise refuse("C04", "the lesion has no image", "name its image in the table")
    image = decode_image(lesion.image, lesion.frame)
    pixels = image.pixels
    _refuse_changed(lesion, _IMAGE, pixels)
    shape = (pixels.shape[0], pixels.shape[1])
    choice = lesion.mask_choice
    mask, mask_notes = read_mask(lesion.masks, shape, lesion.frame, image=image, choice=choice)
    _refuse_changed(lesion, _MASK, mask)
    spacing, spacing_notes = lesion_spacing(lesion, image, mask)
    notes = [*image_notes(image), *mask_notes, *colour_notes(image, mask), *spacing_notes]
    _raise_first(notes)
    enhanced = read_enhanced(lesion.enhanced, shape) if lesion.enhanced else None
    return LesionImage(pixels, mask, spacing or (1.0, 1.0), spacing is not None, enhanced)


def load_reader2_mask(lesion: Lesion, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Second reader's mask, (H, W) bool, or None where there is none."""
    if not lesion.masks_reader2:
        return None
    image = decode_image(lesion.image, lesion.frame) if lesion.image else None
    choice = lesion.mask_choice
    mask, notes = read_mask(lesion.masks_reader2, shape, lesion.frame, image=image, choice=choice)
    _refuse_changed(lesion, _READER2, mask)
    _raise_first(notes)
    return mask


def image_notes(image: DecodedImage) -> list[Note]:
    """Return the notes of an image that are not about the size of its pixels."""
    return [note for note in image.notes if note.code not in SPACING_CODES]


def lesion_spacing(
    lesion: Lesion, image: DecodedImage, mask: NDArray[np.bool_] | None
) -> tuple[Spacing | None, list[Note]]:
    """(row, column) mm: the table's, or what the file says where the lesion is; and its notes."""
    spacing, notes = image.spacing_mm, [x for x in image.notes if x.code in SPACING_CODES]
    if lesion.spacing_mm is not None:
        spacing, notes = lesion.spacing_mm, []
    elif image.scale.regions and mask is not None:
        spacing, notes = spacing_of(image.scale, mask)
    if mask is not None:
        notes += size_notes(mask, spacing, image.scale.aspect)
    return spacing, notes


def _refuse_changed(lesion: Lesion, which: int, array: NDArray[np.generic]) -> None:
    """Refuse what differs from what was verified and is named by the run's `data_sha256`."""
    verified = lesion.verified_sha256[which : which + 1]
    if any(verified) and verified[0] != content_key([array]):
        what = f"the {_NAMES[which]} has changed since it was verified"
        raise refuse("D61", what, "leave the files alone while a command works, and run it again")


def _raise_first(notes: Iterable[Note]) -> None:
    for note in notes:
        if note.level in LEFT_OUT:
            raise refuse(note.code, note.what, note.fix)


def write_enhanced(path: Path, pixels: NDArray[np.generic]) -> None:
    """Write an image (H, W) of any numeric type."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(pixels), allow_pickle=False)
    payload = zlib.compress(buffer.getvalue(), _FAST)
    write_atomic(path, hashlib.sha256(payload).digest() + payload)


def is_whole(path: Path) -> bool:
    """Whether an enhanced image is there and undamaged."""
    return path.is_file() and _payload(path) is not None


def read_enhanced(path: Path, stored: tuple[int, int]) -> NDArray[np.generic]:
    """Read an enhanced image whose stored one has the shape `stored`, a whole multiple of it."""
    payload = _payload(path) if path.is_file() else None
    if payload is None:
        path.unlink(missing_ok=True)
        raise refuse("D02", "the enhanced image in the cache is gone or damaged", _AGAIN)
    pixels: NDArray[np.generic] = np.load(io.BytesIO(zlib.decompress(payload)), allow_pickle=False)
    times = pixels.shape[0] // stored[0]
    if times < 1 or pixels.shape != (times * stored[0], times * stored[1]):
        what = f"an enhanced image of {pixels.shape} pixels for a stored one of {stored}"
        raise refuse("D02", what, _AGAIN)
    return pixels


def in_blocks(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Return a mask whose every pixel is a block of `times` x `times`.

    >>> in_blocks(np.array([[True, False]]), 2).astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    return mask.repeat(times, axis=0).repeat(times, axis=1)


def _payload(path: Path) -> bytes | None:
    content = path.read_bytes()
    payload = content[_DIGEST_BYTES:]
    is_good = hashlib.sha256(payload).digest() == content[:_DIGEST_BYTES]
    return payload if is_good else None
