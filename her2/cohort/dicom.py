"""One grey ultrasound frame from a DICOM file, with everything that bare pydicom lets pass.

pydicom neither inverts MONOCHROME1, nor applies a palette, nor refuses a cine loop, a program's
preamble or another modality, and reports damage by a dozen built-in errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedUSVolumeStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from her2.cohort.files import Kind, check_frame, check_size, decoding
from her2.cohort.geometry import Geometry, dicom_geometry
from her2.cohort.identity import NOBODY, Identity, identity_notes, read_identity
from her2.cohort.image_attributes import grey_levels, palette_colours, stored_range
from her2.cohort.pixel_spacing import (
    NO_SCALE,
    SPACING_CODES,
    Scale,
    Spacing,
    read_scale,
    spacing_of,
)  # fmt: skip
from her2.cohort.problems import Note, refuse, stop

_REQUIRED = {
    "Rows": "D09", "Columns": "D10", "BitsAllocated": "D11", "PhotometricInterpretation": "D12",
    "SamplesPerPixel": "D13", "PixelRepresentation": "D14",
}  # fmt: skip
_CHANNELS = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3,
    "YBR_FULL_422": 3, "YBR_ICT": 3, "YBR_RCT": 3,
}  # fmt: skip
_PROGRAM_STARTS = (b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")
_ULTRASOUND = (
    UltrasoundImageStorage, UltrasoundMultiFrameImageStorage, EnhancedUSVolumeStorage,
    "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3",  # retired, of 1993
)  # fmt: skip
_SCREENSHOT = "1.2.840.10008.5.1.4.1.1.7"  # secondary capture, and its kinds
_OTHER_MODALITIES = ("MG", "MR", "CT", "PT", "NM", "DX", "CR", "RF", "XA")
_ITEM = b"\xfe\xff\x00\xe0"
_BEHIND_PIXELS = {0xFFFAFFFA, 0xFFFCFFFC}  # digital signatures, padding
SIMULATED = "SIMULATED"  # what a simulated image says in ImageComments
_EXPORT_AGAIN = "export the image again from the scanner or archive"


@dataclass(frozen=True)
class DecodedImage:
    """An image from a file.

    Attributes
    ----------
    pixels
        (H, W) uint8 or uint16 as stored, inverted as the header says, float32 where the file
        stores another type; before `decode_image` is done also (H, W, channels).
    spacing_mm
        (row, column); None where the file does not say.
    notes
        What was changed or is doubtful.
    simulated
        Whether the file says that it was computed.
    vendor
        Of the scanner; None where the file does not say.
    kind
        Format of the file.
    coloured
        (H, W) bool, pixels whose channels differ clearly; None for a grey file.
    scale
        What the file says of the size of its pixels, by which the lesion's is found.
    identity
        Hashes of the patient and of the object that a DICOM header names.
    geometry
        Where the pixels lie; None of a picture.
    """

    pixels: NDArray[np.generic]
    spacing_mm: Spacing | None
    notes: tuple[Note, ...]
    simulated: bool = False
    vendor: str | None = None
    kind: Kind = "dicom"
    coloured: NDArray[np.bool_] | None = None
    scale: Scale = NO_SCALE
    identity: Identity = NOBODY
    geometry: Geometry | None = None


def n_dicom_frames(path: Path) -> int:
    """How many frames a DICOM image announces; 1 where it announces none, and of a mask."""
    damaged = decoding("D05", "the DICOM header is damaged or cut off", _EXPORT_AGAIN)
    with damaged, _shallow():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if "SegmentSequence" in header:  # its frames are segments: they say what they belong to
            return 1
        return max(int(header.get("NumberOfFrames") or 1), 1)


def read_dicom(path: Path, frame: int | None = None) -> DecodedImage:
    """Decode the single frame of a DICOM file, or of a cine loop that `frame`, from 1."""
    header = decoding("D05", "the DICOM header is damaged or cut off", _EXPORT_AGAIN)
    with header, _shallow(), disable_value_validation():
        check_preamble(path)
        dataset = pydicom.dcmread(path)
        notes = [*identity_notes(dataset), *_check_object(dataset)]
        frames, found = _check_header(dataset, frame)
        index = check_frame(frames, frame, code="D19")
        scale = read_scale(dataset, index)
        spacing, spacing_notes = spacing_of(scale)
        notes += [*found, *(note for note in spacing_notes if note.code in SPACING_CODES)]
        simulated = str(dataset.get("ImageComments", "")).startswith(SIMULATED)
        vendor = str(dataset.get("Manufacturer", "") or "").strip() or None
        identity = read_identity(dataset)
        geometry = dicom_geometry(dataset, spacing)
    data = decoding("D31", "the pixel data cannot be decoded", _EXPORT_AGAIN)
    with data, disable_value_validation():
        syntax = dataset.file_meta.TransferSyntaxUID
        check_pixel_data(dataset, path)
        if syntax.is_compressed and not (decoder := get_decoder(syntax)).is_available:
            raise stop(
                "D32", f"expected a decoder for {syntax.name}, found none; install one of "
                f"{', '.join(decoder.missing_dependencies)}",
            )  # fmt: skip
        pixels, found = _pixels(dataset, index)
    return DecodedImage(
        pixels, spacing, (*notes, *found), simulated, vendor, geometry=geometry, scale=scale,
        identity=identity,
    )  # fmt: skip


@contextmanager
def _shallow() -> Iterator[None]:
    """Refuse a header whose sequences are nested deeper than it can be read."""
    try:
        yield
    except RecursionError:
        raise refuse("D37", "sequences nested without end in the header", _EXPORT_AGAIN) from None


def check_preamble(path: Path) -> None:
    """Refuse a file that starts like a program (D04) or is deflated (D36)."""
    with path.open("rb") as stream:
        if stream.read(128).startswith(_PROGRAM_STARTS):
            raise refuse("D04", "the file starts like a program", "ask where it comes from")
    if read_file_meta_info(path).TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        raise refuse("D36", "the DICOM file is deflated", "store it uncompressed")


def _check_object(dataset: FileDataset) -> list[Note]:
    """Refuse reports, videos, unknown encodings and other modalities; note what is doubtful."""
    if dataset.file_meta.get("TransferSyntaxUID") is None:
        raise refuse("D05", "the DICOM header has no transfer syntax", _EXPORT_AGAIN)
    syntax = dataset.file_meta.TransferSyntaxUID
    if "MPEG" in syntax.name or "HEVC" in syntax.name:
        raise refuse("D33", f"a video ({syntax.name})", "export one frame as a still image")
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise refuse("D34", "the transfer syntax is unknown", "store it uncompressed")
    if "PixelData" not in dataset:
        kind = dataset.SOPClassUID.name if "SOPClassUID" in dataset else "Image Storage"
        if "Image Storage" not in kind:
            raise refuse("D08", f"not an image ({kind})", "name the image, not its report")
        raise refuse("D05", "the file ends before its pixel data", _EXPORT_AGAIN)
    if dataset.get("Modality") in _OTHER_MODALITIES:
        what = f"the modality is {dataset.Modality}, expected US"
        raise refuse("D52", what, "name the ultrasound image")
    notes = _class_notes(dataset)
    rows = dataset.get_item("Rows")  # as it was read, before it is looked at
    if getattr(rows, "is_implicit_VR", syntax.is_implicit_VR) != syntax.is_implicit_VR:
        what = f"the header is not written as its transfer syntax {syntax.name} says"
        notes.append(Note("D35", what, "nothing, if the image looks right"))
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        what = "the file says that text which identifies the patient is part of the picture"
        notes.append(Note("D59", what, "look whether it touches the lesion; blank it"))
    return notes


def _class_notes(dataset: FileDataset) -> list[Note]:
    """Note a SOP class that is not of ultrasound, and a header that contradicts its own start."""
    kind = dataset.get("SOPClassUID")
    fix = "name the image as the scanner stored it"
    if kind is not None and kind.startswith(_SCREENSHOT):
        return [Note("D47", f"a screenshot ({kind.name}), which may show calipers", fix)]
    if kind is not None and kind not in _ULTRASOUND:
        if dataset.get("Modality") != "US":
            raise refuse("D38", f"the object is {kind.name}, expected ultrasound", fix)
        return [Note("D38", f"of ultrasound by modality, {kind.name} by SOP class", fix,
                     severity="warning")]  # fmt: skip
    for name in ("SOPClassUID", "SOPInstanceUID"):
        announced = dataset.file_meta.get(f"MediaStorage{name}")
        if None not in (announced, dataset.get(name)) and announced != dataset.get(name):
            what = f"the file's start and its header give two values of {name}"
            return [Note("D38", what, "find out which object it is", severity="warning")]
    return []


def _check_header(dataset: Dataset, frame: int | None) -> tuple[int, list[Note]]:
    """Refuse a header that lacks or contradicts what decoding needs; return its frames."""
    for tag, code in _REQUIRED.items():
        if dataset.get(tag) is None:
            raise refuse(code, f"the DICOM header has no {tag}", _EXPORT_AGAIN)
    notes = []
    frames = int(1 if dataset.get("NumberOfFrames") is None else dataset.NumberOfFrames)
    if frames < 1:
        notes.append(Note("D18", f"NumberOfFrames is {frames}, and was read as 1", "nothing"))
        frames = dataset.NumberOfFrames = 1
    channels = int(dataset.SamplesPerPixel)
    _check_frames(dataset, frames)
    decoded = frames if frame is None else 1  # of a cine loop only the frame is decoded
    check_size((int(dataset.Rows), int(dataset.Columns), decoded, channels))
    colours = str(dataset.PhotometricInterpretation)
    if colours not in _CHANNELS:
        raise refuse("D27", f"unknown PhotometricInterpretation {colours!r}", _EXPORT_AGAIN)
    if channels != _CHANNELS[colours]:
        what = f"{colours} has {_CHANNELS[colours]} channels, SamplesPerPixel says {channels}"
        raise refuse("D28", what, _EXPORT_AGAIN)
    if int(dataset.BitsAllocated) not in (8, 16):
        what = f"BitsAllocated is {dataset.BitsAllocated}, expected 8 or 16"
        raise refuse("D30", what, _EXPORT_AGAIN)
    return frames, [*notes, *_plane_notes(dataset, channels)]


def _check_frames(dataset: Dataset, frames: int) -> None:
    """Refuse a header that announces more frames than its file can hold."""
    held = len(dataset.PixelData)  # a compressed frame has a byte at least
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        bits = int(dataset.BitsAllocated) * int(dataset.SamplesPerPixel)
        frame_bytes = int(dataset.Rows) * int(dataset.Columns) * bits // 8 // 2  # 4:2:2 at least
        held = held // max(frame_bytes, 1)
    if frames > max(held, 1):
        what = f"NumberOfFrames is {frames}, more than the file's pixel data can hold"
        raise refuse("D17", what, _EXPORT_AGAIN)


def _plane_notes(dataset: Dataset, channels: int) -> list[Note]:
    if channels == 1:
        return []
    if dataset.get("PlanarConfiguration") is None:
        raise refuse("D24", "a colour image without PlanarConfiguration", _EXPORT_AGAIN)
    if int(dataset.PlanarConfiguration) == 0:
        return []
    what = "colours stored plane by plane were put together"
    return [Note("D24", what, "nothing", severity="normalised")]


def check_pixel_data(dataset: FileDataset, path: Path) -> None:
    """Refuse pixel data that are shorter or longer than the header or their parts announce."""
    element = dataset["PixelData"]
    stop_of_pixels = int(element.file_tell or 0) + len(element.value)
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        _check_fragments(element.value)
        stop_of_pixels += 8  # the delimiter
    else:
        _check_length(dataset)
    tags = list(dataset.keys())  # in the order of the file
    later = tags[tags.index(element.tag) + 1 :]
    n_after = path.stat().st_size - stop_of_pixels
    if (n_after and not later) or not set(later) <= _BEHIND_PIXELS:
        what = f"{n_after} bytes behind the pixel data that belong to no image"
        raise refuse("D07", what, _EXPORT_AGAIN)


def _check_fragments(data: bytes) -> None:
    """Refuse compressed pixel data whose fragments do not follow on each other."""
    start = 0
    while start < len(data):
        is_item = data[start : start + 4] == _ITEM and start + 8 <= len(data)
        stop_of_item = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
        if not is_item or stop_of_item > len(data):
            raise refuse("D06", "the parts of the compressed pixel data do not fit", _EXPORT_AGAIN)
        start = stop_of_item


def _check_length(dataset: FileDataset) -> None:
    """Refuse uncompressed pixel data of another length than the header announces."""
    expected, found = get_expected_length(dataset), len(dataset.PixelData)
    what = f"{found} bytes of pixel data, the header announces {expected}"
    if found < expected:
        raise refuse("D06", what, _EXPORT_AGAIN)
    if "422" in str(dataset.PhotometricInterpretation) and 0 <= found - expected * 3 // 2 <= 1:
        what = "YBR_FULL_422 by its header, with pixel data of the length of YBR_FULL"
        raise refuse("D23", what, "correct PhotometricInterpretation to YBR_FULL")
    if found > expected + 1:
        raise refuse("D07", what, "Rows or Columns are wrong; export the image again")


def _pixels(dataset: FileDataset, index: int) -> tuple[NDArray[np.generic], list[Note]]:
    colours = str(dataset.PhotometricInterpretation)
    # correcting unused bits would wrap what is out of range
    dataset.pixel_array_options(index=index, correct_unused_bits=False)
    pixels: NDArray[np.generic] = dataset.pixel_array  # YBR arrives as RGB
    if colours == "PALETTE COLOR":
        coloured, note = palette_colours(dataset, pixels)
        return coloured, [note]
    if colours.startswith("YBR"):
        return pixels, [Note("D22", f"{colours} colours were converted to RGB", "nothing")]
    stored_range(dataset, pixels)
    if colours == "RGB":
        return pixels, []
    return grey_levels(dataset, pixels, index)
