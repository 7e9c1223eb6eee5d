"""How large a pixel is: what a DICOM header says, and which ultrasound region holds the lesion.

A contradiction is a note and not an error, because the patient table may settle it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from her2.cohort.catalogue import Severity
from her2.cohort.image_attributes import frame_group, known_aspect
from her2.cohort.problems import Note

Spacing = tuple[float, float]

SPACING_CODES = ("D41", "D42", "D43", "D44", "D45", "D46")
_CENTIMETRES = 3  # PhysicalUnitsXDirection, DICOM PS3.3 C.8.5.5.1.15
_TOLERANCE = 0.01
_HELD = 0.95  # of a lesion lies in the region that holds it: outlines run along borders
_SMALLEST_MM, _LARGEST_MM = 0.5, 300.0  # no lesion that an image shows
_SMALLEST_PIXEL_MM, _LARGEST_PIXEL_MM = 1e-4, 100.0
_UNKNOWN = (1.0, 1.0)  # what writers put when they know none
_GIVE_IT = "give spacing_mm in the patient table"
_OTHER_SPACINGS = ("ImagerPixelSpacing", "NominalScannedPixelSpacing")


@dataclass(frozen=True)
class Region:
    """One of the regions of an ultrasound image.

    Attributes
    ----------
    box
        First and last row, first and last column; None where the header does not say.
    spacing_mm
        (row, column); None where it is not measured in centimetres.
    """

    box: tuple[int, int, int, int] | None
    spacing_mm: Spacing | None

    def holds(self, mask: NDArray[np.bool_]) -> bool:
        """Whether the lesion of a mask (H, W) lies in the region."""
        if self.box is None:
            return True
        top, bottom, left, right = self.box
        inside = np.count_nonzero(mask[top : bottom + 1, left : right + 1])
        return bool(inside >= _HELD * np.count_nonzero(mask))


@dataclass(frozen=True)
class Scale:
    """What a file says of the size of its pixels.

    Attributes
    ----------
    stated_mm
        PixelSpacing, (row, column); None where there is none or it says nothing.
    regions
        Ultrasound regions.
    aspect
        Height of a pixel by its width where the file says that they differ.
    doubt
        Why no spacing is known.
    """

    stated_mm: Spacing | None = None
    regions: tuple[Region, ...] = ()
    aspect: float | None = None
    doubt: Note | None = None


NO_SCALE = Scale()


def read_scale(dataset: Dataset, index: int = 0) -> Scale:
    """Return what a DICOM header says of the pixels of a frame, from 0."""
    regions = tuple(_region(item) for item in dataset.get("SequenceOfUltrasoundRegions") or [])
    down, across = _pair(dataset.get("PixelAspectRatio")) or (1.0, 1.0)
    aspect = known_aspect(down, across)
    header = frame_group(dataset, index, "PixelMeasuresSequence").get("PixelSpacing")
    doubt = None
    if header is None or (stated := _pair(header)) == _UNKNOWN:
        stated = None
        others = [name for name in _OTHER_SPACINGS if dataset.get(name) is not None]
        if others:
            what = f"only {others[0]}, which is not the size of a pixel of tissue"
            doubt = Note("D46", what, _GIVE_IT)
    elif stated is None or not all(0 < length < math.inf for length in stated):
        doubt, stated = Note("D45", f"PixelSpacing is {header} mm", _GIVE_IT), None
    return Scale(stated, regions, aspect, doubt)


def _pair(value: Any) -> Spacing | None:
    """Two numbers, or None where a header holds something else."""
    try:
        first, second = map(float, value)
    except (TypeError, ValueError):
        return None
    return first, second


def _region(item: Dataset) -> Region:
    units = (item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection"))
    rows, columns = (
        abs(float(item.get(name) or 0.0)) * 10.0 for name in ("PhysicalDeltaY", "PhysicalDeltaX")
    )
    measured = units == (_CENTIMETRES, _CENTIMETRES) and min(rows, columns) > 0
    is_usable = measured and max(rows, columns) < math.inf
    corners = [item.get(f"RegionLocation{name}") for name in ("MinY0", "MaxY1", "MinX0", "MaxX1")]
    box = None
    if all(corner is not None for corner in corners):
        top, bottom, left, right = (max(int(corner), 0) for corner in corners)
        box = (min(top, bottom), max(top, bottom), min(left, right), max(left, right))
    return Region(box, (rows, columns) if is_usable else None)


def spacing_of(
    scale: Scale, mask: NDArray[np.bool_] | None = None
) -> tuple[Spacing | None, list[Note]]:
    """(row, column) millimetres at the lesion of a mask; without one, on the whole image.

    Examples
    --------
    >>> left, right = Region((0, 3, 0, 3), (0.1, 0.1)), Region((0, 3, 4, 7), (0.2, 0.2))
    >>> mask = np.zeros((4, 8), bool); mask[1, 5] = True
    >>> spacing_of(Scale(regions=(left, right)), mask)[0]
    (0.2, 0.2)
    """
    holding = [r for r in scale.regions if mask is None or r.holds(mask)]
    measured = [r.spacing_mm for r in holding if r.spacing_mm is not None]
    if any(not _agree(measured[0], other) for other in measured):
        what = "several ultrasound regions of different pixel spacing"
        return None, [Note("D44", what, f"export one view, or {_GIVE_IT}")]
    if scale.doubt is not None and not (measured and scale.doubt.code == "D46"):
        return None, [scale.doubt]
    if scale.stated_mm is None and measured:
        return measured[0], [
            Note("D41", "pixel spacing taken from the ultrasound region", _GIVE_IT)
        ]
    if measured and scale.stated_mm and not _agree(measured[0], scale.stated_mm):
        what = f"PixelSpacing is {scale.stated_mm} mm, the ultrasound region says {measured[0]} mm"
        return None, [Note("D43", what, _GIVE_IT)]
    if not holding and any(r.spacing_mm for r in scale.regions):
        what = "the lesion lies in none of the calibrated ultrasound regions"
        severity: Severity | None = None if scale.stated_mm is None else "warning"
        return scale.stated_mm, [Note("D44", what, _GIVE_IT, severity=severity)]
    return scale.stated_mm, [] if scale.stated_mm else [unknown_spacing()]


def unknown_spacing() -> Note:
    """Note of a file that does not say how large a pixel is."""
    fix = f"{_GIVE_IT}; without it sizes are in pixels"
    return Note("D42", "the file does not say how large a pixel is", fix)


def size_notes(
    mask: NDArray[np.bool_], spacing: Spacing | None, aspect: float | None
) -> list[Note]:
    """Refuse pixels or a lesion of impossible size; warn of pixels that the file calls oblong."""
    if spacing is not None and not _is_possible(spacing):
        what = f"a pixel is {spacing[0]:g} x {spacing[1]:g} mm"
        return [Note("D45", what, "correct spacing_mm: millimetres a pixel, such as 0.1")]
    notes = []
    if aspect is not None and (
        spacing is None or not _agree((spacing[0] / spacing[1], 1.0), (aspect, 1.0))
    ):
        known = "is not known" if spacing is None else f"is {spacing[0]:g} x {spacing[1]:g} mm"
        what = f"a pixel is {aspect:.3g} times as high as wide by the file, its spacing {known}"
        notes.append(Note("D55", what, "give spacing_mm in the patient table, row by column"))
    diameter = None if spacing is None else diameter_mm(mask, spacing)
    if diameter is not None and not _SMALLEST_MM <= diameter <= _LARGEST_MM:
        what = f"a lesion of {diameter:.3g} mm by its pixel spacing"
        fix = (
            f"correct spacing_mm (in millimetres): expected {_SMALLEST_MM:g} to {_LARGEST_MM:g} mm"
        )
        notes.append(Note("D45", what, fix))
    return notes


def _is_possible(spacing: Spacing) -> bool:
    return all(_SMALLEST_PIXEL_MM <= length <= _LARGEST_PIXEL_MM for length in spacing)


def diameter_mm(mask: NDArray[np.bool_], spacing: Spacing) -> float:
    """Diameter of the circle with the mask's area."""
    return 2.0 * math.sqrt(float(mask.sum()) * spacing[0] * spacing[1] / math.pi)


def _agree(first: Spacing, second: Spacing) -> bool:
    return bool(np.allclose(first, second, rtol=_TOLERANCE, atol=0.0))
