"""Lesion masks: one bool array of the image's shape, or a code that says why not.

A mask is never resized, never guessed and never filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from her2.cohort.dicom import DecodedImage
from her2.cohort.dicom_masks import read_dicom_mask
from her2.cohort.files import Kind, cache_decoded, file_kind, within_memory
from her2.cohort.geometry import Geometry, place
from her2.cohort.images import VOLUME_KINDS, read_picture, read_stack, read_volume
from her2.cohort.mask_regions import (
    Region,
    Segment,
    choose,
    colour_regions,
    from_jpeg,
    label_regions,
    layer_regions,
)
from her2.cohort.outline import outline_notes
from her2.cohort.problems import Note, refuse
from her2.core.types import ANY_REGION, MaskChoice

MINIMUM_PIXELS = 64
_MOST = 0.6
_CONTOUR_RATIO = 2.0  # a filled lesion gains little by filling its holes
_DRAW_AGAIN = "draw the mask again on the analysed image"

Shape = tuple[int, int]
Mask = NDArray[np.bool_]


@within_memory
def read_mask(
    paths: Sequence[Path],
    shape: Shape | None,
    frame: int | None = None,
    *,
    image: DecodedImage | None = None,
    choice: MaskChoice = ANY_REGION,
) -> tuple[Mask, list[Note]]:
    """Union of the masks of one lesion, (H, W) bool, and what was changed or doubtful.

    `shape` (H, W) is that of the `image` they belong to; both are None only where that could not
    be read. Of masks that are stacks the slice `frame`, from 1, is read; of masks with several
    regions the one of the `choice`.
    """
    if not paths:
        raise refuse("M01", "the lesion has no mask", "name its mask in the table")
    merged: Mask | None = None
    notes: list[Note] = []
    for path in paths:
        mask, found = _read_one(path, shape, frame, image=image, choice=choice)
        _check_shape(mask.shape, merged.shape if merged is not None and shape is None else shape)
        merged = mask if merged is None else merged | mask
        notes += found
    assert merged is not None
    return merged, [*notes, *_check_region(merged, n_files=len(paths))]


def _read_one(
    path: Path,
    shape: Shape | None,
    frame: int | None,
    *,
    image: DecodedImage | None,
    choice: MaskChoice,
) -> tuple[Mask, list[Note]]:
    """One mask on the image's grid, as far as headers place it there."""
    if file_kind(path) == "dicom":
        regions, geometry, notes = read_dicom_mask(path, image, frame)
    else:
        stored = _read_stored(path, frame)
        regions, notes = _regions(stored.values, stored.kind, stored.segments)
        geometry, notes = stored.geometry, [*stored.notes, *notes]
    mask, chosen = choose(regions, choice)
    notes += chosen
    if shape is None:
        return mask, notes
    times = _enlargement(mask, shape)
    if times > 1:
        mask, geometry = _reduced(mask, geometry, times, choice.scale)
        what = f"the mask was drawn on an image {times} times as large, and was reduced"
        notes.append(Note("M23", what, "nothing", severity="normalised"))
    placed = place(mask, geometry, image.geometry if image else None, shape, reduced=times > 1)
    notes += placed.notes
    if image is not None and placed.doubtful and placed.mask.shape == shape:
        notes += outline_notes(image.pixels, placed.mask)
    return placed.mask, notes


def _enlargement(mask: Mask, shape: Shape) -> int:
    """How many times as large as the image a mask is, a whole number; 1 where it is not."""
    times = mask.shape[0] // shape[0]
    return times if times > 1 and mask.shape == (times * shape[0], times * shape[1]) else 1


def _reduced(
    mask: Mask, geometry: Geometry | None, times: int, allowed: int | None
) -> tuple[Mask, Geometry | None]:
    """Return a mask whose pixels are blocks of `times` x `times`, of which half are drawn."""
    if times != allowed:
        what = f"the mask is {times} times as large as the image"
        fix = f"export it on the image itself, or set cohort.mask_scale={times}"
        raise refuse("M23", what, fix)
    height, width = (length // times for length in mask.shape)
    reduced = mask.reshape(height, times, width, times).mean(axis=(1, 3)) >= 0.5
    if geometry is not None:
        beside = geometry.steps.sum(axis=1) * (times - 1) / 2
        steps = geometry.steps * (times if geometry.pixel_known else 1)
        geometry = replace(geometry, origin=geometry.origin + beside, steps=steps)
    return reduced, geometry


@within_memory
def largest_frame(paths: Sequence[Path], choice: MaskChoice = ANY_REGION) -> int:
    """Return the number, from 1, of the slice with the largest lesion; the first of equals.

    `paths` are masks of one lesion, at least one of them a stack; a single slice belongs to all.
    """
    merged = _read_stack(paths[0], choice)
    for path in paths[1:]:
        stack = _read_stack(path, choice)
        if stack.shape[1:] != merged.shape[1:] or 1 < len(stack) != len(merged) > 1:
            sizes = " and ".join(" x ".join(map(str, s.shape)) for s in (merged, stack))
            raise refuse("M02", f"masks of one lesion have {sizes} values", _DRAW_AGAIN)
        merged = merged | stack
    areas = merged.sum(axis=(1, 2))
    if not areas.any():
        raise refuse("M06", "the mask is empty", _DRAW_AGAIN)
    return int(np.argmax(areas)) + 1


def _read_stack(path: Path, choice: MaskChoice) -> NDArray[np.bool_]:
    """Where the lesion is in all slices of a mask, (n, H, W)."""
    values, segments = read_stack(path)
    regions, _ = _regions(values, file_kind(path), segments, n_axes=3)
    return choose(regions, choice)[0]


def dice(first: Mask, second: Mask) -> float:
    """Overlap of two masks of the same shape: 1 identical, 0 disjoint.

    >>> dice(np.array([[True, True]]), np.array([[True, False]]))
    0.6666666666666666
    """
    return float(2 * np.sum(first & second) / (np.sum(first) + np.sum(second)))


@dataclass(frozen=True)
class _Stored:
    """Content of a mask file that is no DICOM object."""

    values: NDArray[np.generic]
    kind: Kind
    geometry: Geometry | None = None
    segments: tuple[Segment, ...] = ()
    notes: tuple[Note, ...] = ()


@cache_decoded
def _read_stored(path: Path, frame: int | None = None) -> _Stored:
    kind = file_kind(path)
    if kind in VOLUME_KINDS:
        part = read_volume(path, several="M20", frame=frame)
        return _Stored(part.values, kind, part.geometry, part.segments)
    values, found = read_picture(path, several="M20", frame=frame, keep_indices=True)
    return _Stored(values, kind, notes=found.notes)


def _regions(
    values: NDArray[np.generic], kind: Kind, segments: Sequence[Segment], *, n_axes: int = 2
) -> tuple[list[Region], list[Note]]:
    """Regions of a stored mask; of `n_axes` axes one more is of colours or layers."""
    notes: list[Note] = []
    if kind == "jpeg":
        values, notes = from_jpeg(values)
    if values.ndim == n_axes:
        return label_regions(values, {s.label: s.name for s in segments}), notes
    if kind in VOLUME_KINDS:
        return layer_regions(values, segments), notes
    regions, colour_note = colour_regions(values)
    return regions, [colour_note, *notes]


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
