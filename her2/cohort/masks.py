"""Lesion masks: one bool array of the image's shape, or a code that says why not.

A mask is never resized, never guessed and never filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from her2.cohort.files import cache_decoded, file_kind
from her2.cohort.images import VOLUME_KINDS, read_picture, read_stack, read_volume
from her2.cohort.problems import Note, refuse

MINIMUM_PIXELS = 64
_LOSSY_SHARE = 0.005  # intermediate values that JPEG compression may leave
_MOST = 0.6
_CONTOUR_RATIO = 2.0  # a filled lesion gains little by filling its holes
_DRAW_AGAIN = "draw the mask again on the analysed image"

Shape = tuple[int, int]
Mask = NDArray[np.bool_]


def read_mask(
    paths: Sequence[Path], shape: Shape | None, frame: int | None = None
) -> tuple[Mask, list[Note]]:
    """Union of the masks of one lesion, (H, W) bool, and what was changed or doubtful.

    `shape` (H, W) is the image's, None only where that could not be read; of masks that are stacks
    the slice `frame`, from 1, is read.
    """
    if not paths:
        raise refuse("M01", "the lesion has no mask", "name its mask in the table")
    merged: Mask | None = None
    notes: list[Note] = []
    for path in paths:
        mask, found = _read_one(path, frame)
        _check_shape(mask.shape, merged.shape if merged is not None and shape is None else shape)
        merged = mask if merged is None else merged | mask
        notes += found
    assert merged is not None
    return merged, [*notes, *_check_region(merged, n_files=len(paths))]


def largest_frame(paths: Sequence[Path]) -> int:
    """Return the number, from 1, of the slice with the largest lesion; the first of equals.

    `paths` are masks of one lesion, at least one of them a stack; a single slice belongs to all.
    """
    merged = _read_stack(paths[0])
    for path in paths[1:]:
        stack = _read_stack(path)
        if stack.shape[1:] != merged.shape[1:] or 1 < len(stack) != len(merged) > 1:
            sizes = " and ".join(" x ".join(map(str, s.shape)) for s in (merged, stack))
            raise refuse("M02", f"masks of one lesion have {sizes} values", _DRAW_AGAIN)
        merged = merged | stack
    areas = merged.sum(axis=(1, 2))
    if not areas.any():
        raise refuse("M06", "the mask is empty", _DRAW_AGAIN)
    return int(np.argmax(areas)) + 1


def _read_stack(path: Path) -> NDArray[np.bool_]:
    """Where a mask is not 0 in any of its slices, (n, H, W)."""
    values = read_stack(path)
    return np.asarray((values if values.ndim == 3 else values[..., 0]) != 0)


def dice(first: Mask, second: Mask) -> float:
    """Overlap of two masks of the same shape: 1 identical, 0 disjoint.

    >>> dice(np.array([[True, True]]), np.array([[True, False]]))
    0.6666666666666666
    """
    return float(2 * np.sum(first & second) / (np.sum(first) + np.sum(second)))


@cache_decoded
def _read_one(path: Path, frame: int | None = None) -> tuple[Mask, list[Note]]:
    kind = file_kind(path)
    notes: list[Note] = []
    if kind == "dicom":
        raise refuse("D02", "the mask is a DICOM file", "save the mask as PNG, NIfTI or NRRD")
    if kind in VOLUME_KINDS:
        values, _ = read_volume(path, several="M20", frame=frame)
    else:
        values, found = read_picture(path, several="M20", frame=frame, keep_indices=True)
        notes += found.notes
    if values.ndim == 3:
        values, colour_note = _one_channel(values)
        notes.append(colour_note)
    mask, label_notes = _to_labels(values, lossy=kind == "jpeg")
    return mask, [*notes, *label_notes]


def _one_channel(values: NDArray[np.generic]) -> tuple[NDArray[np.generic], Note]:
    """Channel R; alpha only where R is blank and alpha carries exactly the mask."""
    red = values[..., 0]
    if values.shape[2] == 4 and red.min() == red.max():
        alpha = values[..., 3]
        if np.array_equal(np.unique(alpha), [0, 255]):
            return alpha, Note("M10", "a mask drawn in alpha only; alpha is used", "nothing")
    return red, Note("M10", "a colour mask; channel R is used", "nothing")


def _to_labels(values: NDArray[np.generic], *, lossy: bool) -> tuple[Mask, list[Note]]:
    """Bool mask of an array that holds 0 and one other whole number."""
    levels, counts = _histogram(values)
    if lossy and (len(levels) > 2 or levels[0] != 0):
        return _from_jpeg(values)
    if len(levels) == 1 and levels[0] == 0:
        raise refuse("M06", "the mask is empty", _DRAW_AGAIN)
    if levels[0] != 0 and len(levels) == 1:
        raise refuse("M07", "the mask covers the whole image", _DRAW_AGAIN)
    if len(levels) > 2 or levels[0] != 0:
        listed = ", ".join(f"{v:g} ({n} pixels)" for v, n in zip(levels[:6], counts, strict=False))
        what = f"the mask holds {len(levels)} values, expected 0 and one other: {listed}"
        raise refuse("M08", what, "save the lesion as one label on 0")
    mask: Mask = np.asarray(values != 0)
    if levels[1] in (1, 255):
        return mask, []
    return mask, [Note("M08", f"the label {levels[1]:g} was read as 1", "nothing")]


def _histogram(values: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Levels of a mask and how many pixels have each."""
    if values.dtype == np.uint8:  # far faster than sorting
        counts = np.bincount(values.ravel(), minlength=256)
        return np.flatnonzero(counts), counts[counts > 0]
    numbers = values.astype(np.float64)
    whole = np.isfinite(numbers).all() and np.array_equal(numbers, np.floor(numbers))
    if not whole or numbers.min() < 0:
        raise refuse("M19", "the mask holds NaN, negative or fractional values", _DRAW_AGAIN)
    levels, counts = np.unique(numbers, return_counts=True)
    return levels.astype(np.int64), counts


def _from_jpeg(values: NDArray[np.generic]) -> tuple[Mask, list[Note]]:
    # JPEG ringing stays near the two levels; what is clearly between is a blurred contour.
    levels = values.astype(np.int64)
    between = float(np.mean((levels > 32) & (levels < 223)))
    what = f"{between:.2%} of a JPEG mask lies between black and white"
    if between > _LOSSY_SHARE:
        raise refuse("M09", what, "save the mask as PNG, NIfTI or NRRD")
    mask: Mask = np.asarray(levels > 127)
    if not mask.any():
        raise refuse("M06", "the mask is empty", _DRAW_AGAIN)
    return mask, [Note("M09", f"{what}; cut at 127", "nothing", severity="normalised")]


def _check_shape(found: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
    if expected is None or found == expected:
        return
    hint = "; the axes look swapped" if found == expected[::-1] else ""
    what = f"the mask is {found[0]} x {found[1]}, the image {expected[0]} x {expected[1]}{hint}"
    raise refuse("M02", what, "export the mask in the image's own grid; it is never resized")


def _check_region(mask: Mask, *, n_files: int) -> list[Note]:
    """Refuse what is no lesion; warn of what may not be one."""
    area = int(mask.sum())
    if mask.all():
        raise refuse("M07", "the mask covers the whole image", _DRAW_AGAIN)
    if area < MINIMUM_PIXELS or min(mask.any(axis=0).sum(), mask.any(axis=1).sum()) < 2:
        what = f"the lesion has {area} pixels, expected at least {MINIMUM_PIXELS} in several rows"
        raise refuse("M15", what, _DRAW_AGAIN)
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    if edge.mean() > 0.5:
        what = f"{edge.mean():.0%} of the image's border belongs to the mask"
        raise refuse("M17", what, "exchange lesion and background")
    notes = [*_hole_notes(mask, area)]
    if edge.any():
        notes.append(Note("M14", "the lesion touches the image's border", "is it truncated?"))
    if area > _MOST * mask.size:
        what = f"the lesion covers {area / mask.size:.0%} of the image"
        notes.append(Note("M16", what, "check that the mask is not inverted"))
    n_pieces = int(ndimage.label(_box(mask), np.ones((3, 3)))[1])
    if n_files == 1 and n_pieces > 1:
        what = f"the mask has {n_pieces} separate pieces"
        notes.append(Note("M12", what, "remove specks, or name one mask file a piece"))
    return notes


def _box(mask: Mask) -> Mask:
    """Bounding box of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _hole_notes(mask: Mask, area: int) -> list[Note]:
    labels, _ = ndimage.label(~np.pad(_box(mask), 1))
    filled = int(np.sum(labels[1:-1, 1:-1] != labels[0, 0]))  # all but what reaches the outside
    if filled > _CONTOUR_RATIO * area:
        raise refuse("M21", "the mask is a contour, not a filled lesion", "fill the contour")
    if filled > area:
        return [Note("M13", f"the mask has holes of {filled - area} pixels", "fill them?")]
    return []
