"""Grey images from PNG, JPEG, TIFF, BMP, DICOM, NIfTI, NRRD and MetaImage, decoded once and alike.

Colour files are read by channel R, without alpha: blending alpha would change grey levels.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from her2.cohort.catalogue import Severity
from her2.cohort.dicom import DecodedImage, n_dicom_frames, read_dicom
from her2.cohort.files import (
    MAX_STACK_VALUES,
    MAX_VALUES,
    Kind,
    alone,
    cache_decoded,
    check_frame,
    check_size,
    decoding,
    file_kind,
    within_memory,
)
from her2.cohort.geometry import Geometry, volume_geometry
from her2.cohort.image_attributes import Picture, picture_attributes, tiff_levels, upright
from her2.cohort.mask_regions import Segment
from her2.cohort.pixel_spacing import SPACING_CODES, Scale, Spacing, unknown_spacing
from her2.cohort.problems import Note, refuse

VOLUME_KINDS: tuple[Kind, ...] = ("nifti", "nrrd", "metaimage")
_PICTURES = ("PNG", "JPEG", "TIFF", "BMP")
# Displays tint grey by up to 28 levels of 255 (breast_lesions_usg); drawn marks differ by more.
_COLOUR_LEVELS = 32
_COLOUR_SHARE = 0.001  # of the lesion: caliper marks
_DOPPLER_SHARE = 0.2  # of the lesion: the tissue under the colour is not known
_SATURATED_SHARE = 0.5
_MOST_GREY = 2.0**32  # sums of squares of more are no longer exact, or overflow
_EXPORT_AGAIN = "export the image again"
_SEGMENT_NAME = re.compile(r"Segment\d+_Name")


@within_memory
@cache_decoded
def decode_image(path: Path, frame: int | None = None) -> DecodedImage:
    """Return the grey image of a file; of a stack, that with the number `frame`, from 1.

    A file of one image is read whatever `frame` says.
    """
    stored = _read_stored(path, file_kind(path), frame)
    notes = list(stored.notes)
    pixels, coloured = _to_grey(stored.pixels)
    _check_grey(pixels)
    if coloured is not None:
        what = f"a colour file ({int(coloured.sum())} coloured pixels); channel R is used"
        notes.append(Note("D20", what, "nothing"))
    if stored.spacing_mm is None and not any(note.code in SPACING_CODES for note in notes):
        notes.append(unknown_spacing())
    return replace(stored, pixels=pixels, notes=tuple(notes), coloured=coloured)


def colour_notes(image: DecodedImage, mask: NDArray[np.bool_]) -> list[Note]:
    """Colour inside the lesion: marks on a picture warn, Doppler colour refuses the case.

    The grey level under a colour is unknown. A DICOM file is refused above 0.1 % of the lesion;
    an exported picture, on which readers draw caliper marks, above 20 %.
    """
    if image.coloured is None or not mask.any():
        return []
    share = float(image.coloured[mask].mean())
    if share <= _COLOUR_SHARE:
        return []
    limit = _COLOUR_SHARE if image.kind == "dicom" else _DOPPLER_SHARE
    severity: Severity = "quarantined" if share > limit else "warning"
    what = f"{share:.1%} of the lesion is coloured"
    return [Note("D21", what, "export the B-mode image without marks", severity=severity)]


@dataclass(frozen=True)
class Slice:
    """One slice of a volume.

    Attributes
    ----------
    values
        (H, W), or (H, W, layers) of a file with several values a pixel.
    spacing_mm
        (row, column); None where the file holds the 1 mm that writers put when they know none.
    geometry
        Where it lies.
    segments
        Table of a segmentation of 3D Slicer; empty of other files.
    """

    values: NDArray[np.generic]
    spacing_mm: Spacing | None
    geometry: Geometry
    segments: tuple[Segment, ...]


def read_volume(path: Path, *, several: str, frame: int | None = None) -> Slice:
    """One slice of a NIfTI, NRRD or MetaImage.

    `several` is the code for a file of more than one slice of which `frame` names none.
    """
    with decoding("D02", "the file cannot be decoded", _EXPORT_AGAIN, mute=True):
        reader = _announced(path)
        index = check_frame(_n_slices(reader), frame, code=several)
        array = _decoded_volume(reader, MAX_VALUES if frame is None else MAX_STACK_VALUES)[index]
        geometry = volume_geometry(reader, index)
        column, row = (float(length) for length in reader.GetSpacing()[:2])
    known = row > 0 and column > 0 and (row, column) != (1.0, 1.0)
    return Slice(array.copy(), (row, column) if known else None, geometry, _segments(reader))


def _segments(reader: sitk.ImageFileReader) -> tuple[Segment, ...]:
    """Segments that 3D Slicer lists in a .seg.nrrd."""
    with decoding("D02", "the table of segments is damaged", "save the segmentation again"):
        texts = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
        names = [key[: -len("_Name")] for key in texts if _SEGMENT_NAME.fullmatch(key)]
        return tuple(
            Segment(
                int(texts.get(f"{name}_Layer", "0")),
                int(texts.get(f"{name}_LabelValue", "1")),
                texts[f"{name}_Name"],
            )
            for name in names
        )


def _announced(path: Path) -> sitk.ImageFileReader:
    """Reader of a volume that has read what the header says."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(alone(path)))
    reader.ReadImageInformation()
    return reader


def _n_slices(reader: sitk.ImageFileReader) -> int:
    return math.prod(int(length) for length in reader.GetSize()[2:])


def _decoded_volume(reader: sitk.ImageFileReader, limit: int) -> NDArray[np.generic]:
    """All slices, (n, H, W) or (n, H, W, channels)."""
    size = tuple(int(length) for length in reader.GetSize())
    check_size((*size, int(reader.GetNumberOfComponents())), limit=limit)
    array = sitk.GetArrayFromImage(reader.Execute())
    return np.asarray(array.reshape(-1, size[1], size[0], *array.shape[len(size) :]))


def read_stack(path: Path) -> tuple[NDArray[np.generic], tuple[Segment, ...]]:
    """All slices of a volume or pages of a picture, (n, H, W) or (n, H, W, channels).

    With them the table of a segmentation, as of `Slice`.
    """
    with decoding("D02", "the file cannot be decoded", _EXPORT_AGAIN, mute=True):
        if file_kind(path) in VOLUME_KINDS:
            reader = _announced(path)
            return _decoded_volume(reader, MAX_STACK_VALUES), _segments(reader)
        pages = range(1, n_stacked(path) + 1)
        read = (read_picture(path, several="M20", frame=n, keep_indices=True)[0] for n in pages)
        return np.stack(list(read)), ()


def n_stacked(path: Path) -> int:
    """Slices of a volume, frames of a cine loop or pages of a picture; 1 for a single image."""
    kind = file_kind(path)
    if kind == "dicom":
        return n_dicom_frames(path)
    with decoding("D02", "the file cannot be decoded", _EXPORT_AGAIN, mute=True):
        if kind in VOLUME_KINDS:
            return _n_slices(_announced(path))
        with Image.open(path, formats=_PICTURES) as picture:
            return int(getattr(picture, "n_frames", 1))


def _read_stored(path: Path, kind: Kind, frame: int | None) -> DecodedImage:
    """Array as stored, with spacing and notes, whatever the format."""
    if kind == "dicom":
        return read_dicom(path, frame)
    if kind in VOLUME_KINDS:
        part = read_volume(path, several="D19", frame=frame)
        return DecodedImage(part.values, part.spacing_mm, (), kind=kind, geometry=part.geometry)
    stored, found = read_picture(path, several="D19", frame=frame)
    return DecodedImage(stored, None, found.notes, kind=kind, scale=Scale(aspect=found.aspect))


def read_picture(
    path: Path, *, several: str, frame: int | None = None, keep_indices: bool = False
) -> tuple[NDArray[np.generic], Picture]:
    """Array (H, W) or (H, W, channels) of a PNG, JPEG, TIFF or BMP, upright, and its attributes.

    `several` is the code for a file of more than one page of which `frame` names none.
    """
    is_tiff = path.suffix.lower() in (".tif", ".tiff")  # libtiff writes to stderr
    damaged = decoding("D02", "the picture cannot be decoded", _EXPORT_AGAIN, mute=is_tiff)
    # of a path, Pillow 13 maps an uncompressed TIFF whose orientation is 5 to 8 by the wrong width
    with damaged, path.open("rb") as stream, Image.open(stream, formats=_PICTURES) as picture:
        index = check_frame(int(getattr(picture, "n_frames", 1)), frame, code=several)
        if index:
            picture.seek(index)
        check_size((picture.height, picture.width, len(picture.getbands())))
        found = picture_attributes(picture, keep_indices=keep_indices)
        with decoding("D06", "the pixel data are damaged or cut off", _EXPORT_AGAIN):
            array, found = tiff_levels(picture, _picture_array(picture, keep_indices), found)
        return upright(picture, array, found)


def _picture_array(picture: Image.Image, keep_indices: bool) -> NDArray[np.generic]:
    picture.load()
    if picture.mode in ("P", "PA") and not keep_indices:
        return np.asarray(picture.convert("RGB"))
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    if picture.mode == "LA" and keep_indices:  # a mask may be drawn in alpha alone
        return np.asarray(picture.convert("RGBA"))
    if picture.mode in ("LA", "La"):
        return np.asarray(picture)[..., 0]
    if picture.mode not in ("L", "P", "RGB", "RGBA", "I", "F", "I;16", "I;16B", "I;16L"):
        what = f"unsupported colour model {picture.mode}"
        raise refuse("D27", what, "save the image in grey or RGB")
    array = np.asarray(picture)
    return array.astype(array.dtype.newbyteorder("="))


def _to_grey(stored: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Channel R of a colour array, and where its channels differ clearly."""
    if stored.ndim == 2:
        return _as_grey_type(stored), None
    if stored.ndim != 3 or stored.shape[2] not in (3, 4):
        what = f"an array of shape {stored.shape}, expected (rows, columns) or 3 or 4 channels"
        raise refuse("D27", what, "save the image in grey or RGB")
    red, green, blue = (stored[..., channel] for channel in range(3))
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    scale = 257 if stored.dtype == np.uint16 else 1
    return _as_grey_type(red), highest - lowest > _COLOUR_LEVELS * scale


def _as_grey_type(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """uint8 and uint16 as they are, whole 32-bit levels as uint16 if they fit, else float32."""
    if pixels.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(pixels)
    if not np.isfinite(pixels).all() or np.abs(pixels).max() > _MOST_GREY:
        what = f"grey levels that are not finite numbers, or above {_MOST_GREY:g}"
        raise refuse("D29", what, _EXPORT_AGAIN)
    whole = np.issubdtype(pixels.dtype, np.integer)
    if whole and pixels.min() >= 0 and pixels.max() <= np.iinfo(np.uint16).max:
        return np.ascontiguousarray(pixels, dtype=np.uint16)
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _check_grey(pixels: NDArray[np.generic]) -> None:
    low, high = pixels.min(), pixels.max()
    if low == high:
        raise refuse("D48", f"every pixel has the grey level {low}", _EXPORT_AGAIN)
    saturated = float(np.mean(pixels == high))
    if saturated > _SATURATED_SHARE:
        what = f"{saturated:.0%} of the pixels have the highest grey level {high}"
        raise refuse("D48", what, "export the image without a white background")
