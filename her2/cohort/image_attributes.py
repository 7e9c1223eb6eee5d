"""Attributes of a file that change what its stored pixels mean: the one list, and what each does.

Stored numbers become grey levels here: white is high, the first row is the top one, and what a
header converts (sign, slope, table) is converted. What only changes how an image is displayed is
not applied, because texture is measured on grey levels; it is noted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from her2.cohort.files import DECODE_ERRORS, decoding
from her2.cohort.problems import Note, refuse

Array = NDArray[Any]
Range = tuple[float, float]


class Attribute(NamedTuple):
    """What is done with an attribute, and the code that says so (empty: none is needed)."""

    name: str
    files: str
    done: str
    code: str


ATTRIBUTES = (
    Attribute("orientation: EXIF, TIFF 274, XMP", "PNG, JPEG, TIFF; masks too", "applied", "D54"),
    Attribute("PhotometricInterpretation", "TIFF of 1 to 16 bits; masks too", "applied", ""),
    Attribute("PhotometricInterpretation", "DICOM", "applied", "D26"),
    Attribute("PresentationLUTShape", "DICOM", "must agree with the former", "D27"),
    Attribute("SampleFormat, PixelRepresentation: signed", "TIFF, DICOM", "applied", "D56"),
    Attribute("colours of 16 bits", "PNG, TIFF", "read with 8 bits, noted", "D56"),
    Attribute("RescaleSlope, RescaleIntercept", "DICOM", "applied", "D56"),
    Attribute("ModalityLUTSequence", "DICOM", "applied", "D56"),
    Attribute("scl_slope, scl_inter", "NIfTI", "applied", ""),
    Attribute("palette", "PNG, TIFF, BMP, DICOM", "applied, with 8 bits", "D25"),
    Attribute("VOI window and table", "DICOM", "noted", "D58"),
    Attribute("presentation table, rotation, flip", "DICOM", "noted", "D58"),
    Attribute("PixelAspectRatio, density", "DICOM, PNG, JPEG, TIFF", "compared", "D55"),
    Attribute("SequenceOfUltrasoundRegions", "DICOM", "applied by the lesion", "D41"),
    Attribute("BurnedInAnnotation", "DICOM", "noted", "D59"),
)

_UPRIGHT = 1
_TURNED = range(5, 9)  # orientations that exchange rows and columns
_METADATA = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
_ASPECT_TOLERANCE = 0.01
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT, _TIFF_ORIENTATION = 258, 262, 339, 274
_WHITE_IS_ZERO = 0
_UNSIGNED, _SIGNED = 1, 2
_INVERSE = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
_DISPLAY = (
    "VOILUTSequence", "PresentationLUTSequence", "ImageRotation", "ImageHorizontalFlip",
)  # fmt: skip
_EXPORT_AGAIN = "export the image again from the scanner or archive"


class Picture(NamedTuple):
    """What the attributes of an opened picture say, before its pixels are read."""

    tags: dict[int, Any]
    aspect: float | None
    notes: tuple[Note, ...]


def picture_attributes(picture: Image.Image, *, keep_indices: bool) -> Picture:
    """Return the attributes of a picture that has been opened and not loaded."""
    tags = dict(picture.tag_v2) if hasattr(picture, "tag_v2") else {}
    notes = []
    if picture.mode in ("P", "PA") and keep_indices:
        notes.append(Note("M11", "a palette mask; indices, not colours, are used", "check it"))
    elif picture.mode in ("P", "PA"):
        notes.append(Note("D25", "a palette image; its colours were looked up", "nothing"))
    if picture.mode in ("RGB", "RGBA", "LA") and not keep_indices and ";16" in _raw_mode(picture):
        what, fix = "a colour picture of 16 bits, read with 8", "export it in grey"
        notes.append(Note("D56", what, fix, severity="warning"))
    return Picture(tags, _aspect(picture.info, picture.size), tuple(notes))


def _raw_mode(picture: Image.Image) -> str:
    tiles = picture.tile if isinstance(picture, ImageFile.ImageFile) else []
    args = tiles[0][3] if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _aspect(info: dict[Any, Any], size: tuple[int, int]) -> float | None:
    """Height of a pixel by its width; None where it is 1, or not known.

    Some writers put the size of the picture where the density belongs.
    """
    across, down = next(
        (info[k] for k in ("aspect", "jfif_density", "dpi", "resolution") if k in info), (1, 1)
    )
    if (across, down) == size:
        return None
    return known_aspect(float(across or 0), float(down or 0))


def known_aspect(height: float, width: float) -> float | None:
    """Height by width where both are positive and differ.

    >>> known_aspect(2, 1), known_aspect(1, 1), known_aspect(0, 1)
    (2.0, None, None)
    """
    if not (0 < height < np.inf and 0 < width < np.inf):
        return None
    aspect = float(height / width)
    return None if abs(aspect - 1) <= _ASPECT_TOLERANCE else aspect


def upright(picture: Image.Image, array: Array, found: Picture) -> tuple[Array, Picture]:
    """Return a loaded picture's array (H, W, ...) as every viewer turns it."""
    note: Note | None
    orientation: object
    if found.tags:  # Pillow turns these while loading
        orientation, note = found.tags.get(_TIFF_ORIENTATION, _UPRIGHT), None
    else:
        orientation, note = _exif_orientation(picture)
        array = turned(array, orientation)
    if orientation not in range(1, 9):
        what = f"the orientation is {orientation!r}, expected 1 to 8; the picture is not turned"
        note = Note("D54", what, "compare image and mask in a viewer", severity="warning")
    elif orientation != _UPRIGHT:
        note = Note("D54", f"turned as its orientation {orientation} says", "nothing")
    aspect = found.aspect
    if aspect is not None and orientation in _TURNED:
        aspect = 1 / aspect
    return array, Picture(found.tags, aspect, (*found.notes, *([note] if note else ())))


def turned(array: Array, orientation: object) -> Array:
    """Array (H, W, ...) whose first row and column are as an EXIF orientation of 1 to 8 says.

    >>> turned(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    turns: dict[object, Array] = {
        2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1], 5: array.swapaxes(0, 1),
        6: np.rot90(array, -1), 7: array[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(array, 1),
    }  # fmt: skip
    return np.ascontiguousarray(turns[orientation]) if orientation in turns else array


def _exif_orientation(picture: Image.Image) -> tuple[object, Note | None]:
    """Orientation that the metadata of an opened picture hold, 1 where they hold none."""
    if not _METADATA & set(picture.info):
        return _UPRIGHT, None
    try:
        exif = picture.getexif()
        is_damaged = bool(picture.info.get("exif")) and not len(exif)
        orientation = exif.get(ExifTags.Base.Orientation, _UPRIGHT)
    except DECODE_ERRORS:
        is_damaged, orientation = True, _UPRIGHT
    if not is_damaged:
        return orientation, None
    what = "the EXIF data are damaged, so that the orientation is not known"
    fix = "compare image and mask in a viewer"
    return orientation, Note("D54", what, fix, severity="warning")


def tiff_levels(picture: Image.Image, array: Array, found: Picture) -> tuple[Array, Picture]:
    """Return the grey levels of a TIFF, of which Pillow ignores some signs and inversions."""
    sample = found.tags.get(_TIFF_SAMPLE_FORMAT, (_UNSIGNED,))[0]
    if picture.mode == "L" and sample == _SIGNED:
        array = array.view(np.int8)
    if picture.mode == "I" and sample == _UNSIGNED:
        array = array.view(np.uint32)
    notes = found.notes
    if sample == _SIGNED and array.size and array.min() < 0:
        notes = (*notes, Note("D56", "the samples are signed, and were read so", "nothing"))
    if found.tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO and picture.mode == "F":
        raise refuse("D27", "WhiteIsZero of fractional grey levels", "store it as BlackIsZero")
    if found.tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO and picture.mode.startswith("I;16"):
        top = np.uint16(2 ** int(found.tags[_TIFF_BITS][0]) - 1)
        array = (top - array).astype(np.uint16)
    return array, Picture(found.tags, found.aspect, notes)


def palette_colours(dataset: Dataset, indices: Array) -> tuple[Array, Note]:
    """RGB (H, W, 3) uint8 of a DICOM palette image; tables of 16 bits keep their high byte.

    That is the grey level under both customs, values times 256 and times 257. Tables of 16 bits
    that hold no more than 255 hold bytes.
    """
    with decoding("D25", "the palette is missing or damaged", _EXPORT_AGAIN):
        colours = apply_color_lut(indices, dataset)[..., :3]
        what = "a palette image; its colours were looked up"
        if colours.dtype == np.uint8:
            return colours, Note("D25", what, "nothing")
        n_entries, first = (int(x) for x in dataset.RedPaletteColorLookupTableDescriptor[:2])
        entries = np.arange(first, first + (n_entries or 2**16), dtype=np.int32)
        table = apply_color_lut(entries[np.newaxis], dataset)[..., :3]
    if table.max() > np.iinfo(np.uint8).max:
        colours, what = colours >> 8, f"{what}, and their 16 bits scaled to 8"
    return colours.astype(np.uint8), Note("D25", what, "nothing")


def grey_levels(dataset: Dataset, stored: Array, index: int) -> tuple[Array, list[Note]]:
    """Grey levels of a DICOM frame: declared range, modality transformation, polarity, display.

    References
    ----------
    DICOM PS3.3, C.11.1 (modality table), C.7.6.3.1.2 (polarity), C.11.6 (presentation table).
    """
    colours = str(dataset.PhotometricInterpretation)
    shape = str(dataset.get("PresentationLUTShape") or _INVERSE[colours])
    if shape != _INVERSE[colours]:
        what = f"PhotometricInterpretation {colours} contradicts PresentationLUTShape {shape}"
        raise refuse("D27", what, "find out whether white is high, and export the image again")
    low, high = stored_range(dataset, stored)
    levels: Array = stored.astype(np.int64)
    notes = []
    if stored.size and stored.min() < 0:
        notes.append(Note("D56", "the samples are signed", "nothing"))
    levels, (low, high), found = _modality(dataset, index, levels, (low, high))
    notes += found
    if colours == "MONOCHROME1":
        levels = low + high - levels
        notes.append(Note("D26", "MONOCHROME1 grey levels were inverted", "nothing"))
    notes += _display_notes(dataset, index, levels)
    return _narrow(levels, int(dataset.BitsAllocated)), notes


def frame_group(dataset: Dataset, index: int, name: str) -> Dataset:
    """Item of a functional group of a frame, from 0; the dataset itself where it has none."""
    own = (dataset.get("PerFrameFunctionalGroupsSequence") or [])[index : index + 1]
    for groups in (*own, *(dataset.get("SharedFunctionalGroupsSequence") or [])):
        for item in groups.get(name) or []:
            return item
    return dataset


def stored_range(dataset: Dataset, stored: Array) -> Range:
    """Lowest and highest level that BitsStored and PixelRepresentation allow."""
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    low = -(2 ** (bits - 1)) if int(dataset.PixelRepresentation) else 0
    high = low + 2**bits - 1
    if stored.size and (int(stored.min()) < low or int(stored.max()) > high):
        what = (
            f"grey levels {stored.min()} to {stored.max()}, the header announces {low} to {high}"
        )
        raise refuse("D29", what, _EXPORT_AGAIN)
    return low, high


def _modality(
    dataset: Dataset, index: int, levels: Array, limits: Range
) -> tuple[Array, Range, list[Note]]:
    """Levels after the modality table, or slope and intercept, with the range they can have."""
    own = frame_group(dataset, index, "PixelValueTransformationSequence")
    with decoding("D57", "the modality table or rescaling is damaged", _EXPORT_AGAIN):
        if dataset.get("ModalityLUTSequence"):
            table, first, top = _table(dataset.ModalityLUTSequence[0], dataset)
            levels = table[np.clip(levels - first, 0, len(table) - 1)]
            return levels, (0, top), [Note("D56", "a modality table was applied", "nothing")]
        slope, intercept = (
            default if own.get(name) is None else float(own[name].value)
            for name, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
        )
    if (slope, intercept) == (1.0, 0.0):
        return levels, limits, []
    ends = sorted(slope * limit + intercept for limit in limits)
    with np.errstate(over="ignore"):
        is_finite = bool(np.isfinite(np.asarray(ends, np.float32)).all())
    what = f"grey levels times {slope:g} plus {intercept:g}"
    if slope == 0 or not is_finite:
        raise refuse("D57", f"the header asks for {what}", _EXPORT_AGAIN)
    return levels * slope + intercept, (ends[0], ends[1]), [Note("D56", what, "nothing")]


def _table(item: Dataset, dataset: Dataset) -> tuple[Array, int, int]:
    """Entries of a table, stored level of the first, and highest level that it can give."""
    n, first, bits = (int(number) for number in item.LUTDescriptor)
    n, data = n or 2**16, item.LUTData
    if isinstance(data, bytes):
        order = ">" if dataset.original_encoding[1] is False else "<"
        data = np.frombuffer(data, np.uint8 if len(data) < 2 * n else f"{order}u2")
    table = np.asarray(data, np.int64).reshape(-1)[:n]
    if len(table) < n or not 0 < bits <= 16 or table.max() >= 2**bits:
        raise ValueError("the table is shorter than its descriptor says, or holds higher levels")
    return table, first, int(2**bits - 1)


def _narrow(levels: Array, bits: int) -> Array:
    """uint8 or uint16 where whole levels of an image of 8 or 16 bits fit, else float32."""
    is_whole = np.issubdtype(levels.dtype, np.integer) or np.array_equal(levels, np.rint(levels))
    is_unsigned = is_whole and levels.min() >= 0
    if is_unsigned and bits == 8 and levels.max() <= np.iinfo(np.uint8).max:
        return levels.astype(np.uint8)
    if is_unsigned and levels.max() <= np.iinfo(np.uint16).max:
        return levels.astype(np.uint16)
    return levels.astype(np.float32)


def _display_notes(dataset: Dataset, index: int, levels: Array) -> list[Note]:
    """Note settings that would show other grey levels than those that are measured."""
    found = [name for name in _DISPLAY if dataset.get(name) not in (None, "", "N", 0, [])]
    if dataset.get("PixelPresentation") in ("COLOR", "MIXED"):
        found.append("PixelPresentation")
    if _cuts(frame_group(dataset, index, "FrameVOILUTSequence"), levels):
        found.append("WindowCenter")
    what = f"{', '.join(found)}: a display setting, not applied to the grey levels"
    return [Note("D58", what, "compare image and mask in a viewer")] if found else []


def _cuts(window: Dataset, levels: Array) -> bool:
    """Whether a window bends or cuts the grey levels of the image, or cannot be read."""
    try:
        centre, width = (_first(window.get(name)) for name in ("WindowCenter", "WindowWidth"))
    except (TypeError, ValueError):
        return True
    if centre is None or width is None:
        return False
    is_linear = window.get("VOILUTFunction") in (None, "", "LINEAR", "LINEAR_EXACT")
    low, high = centre - width / 2, centre + width / 2
    return not (is_linear and low <= levels.min() + 1 and high >= levels.max() - 1)


def _first(value: Any) -> float | None:
    """First of one or several numbers."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float | str) else value[0])
