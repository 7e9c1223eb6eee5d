"""One grey ultrasound frame from a DICOM file, with everything that bare pydicom lets pass.

pydicom neither inverts MONOCHROME1, nor applies a palette, nor refuses a cine loop, a program's
preamble or another modality, and reports damage by a dozen built-in errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import DeflatedExplicitVRLittleEndian

from her2.cohort.files import Kind, check_frame, check_size, decoding
from her2.cohort.geometry import Geometry, dicom_geometry
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
_OTHER_MODALITIES = ("MG", "MR", "CT", "PT", "NM", "DX", "CR", "RF", "XA")
SIMULATED = "SIMULATED"  # what a simulated image says in ImageComments
_CENTIMETRES = 3  # PhysicalUnitsXDirection, DICOM PS3.3 C.8.5.5.1.15
_SPACING_TOLERANCE = 0.01
_EXPORT_AGAIN = "export the image again from the scanner or archive"

Spacing = tuple[float, float]


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
    geometry: Geometry | None = None


def n_dicom_frames(path: Path) -> int:
    """How many frames a DICOM image announces; 1 where it announces none, and of a mask."""
    with decoding("D05", "the DICOM header is damaged or cut off", _EXPORT_AGAIN):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if "SegmentSequence" in header:  # its frames are segments: they say what they belong to
            return 1
        return max(int(header.get("NumberOfFrames") or 1), 1)


def read_dicom(path: Path, frame: int | None = None) -> DecodedImage:
    """Decode the single frame of a DICOM file, or of a cine loop that `frame`, from 1."""
    header = decoding("D05", "the DICOM header is damaged or cut off", _EXPORT_AGAIN)
    with header, disable_value_validation():
        check_preamble(path)
        dataset = pydicom.dcmread(path)
        _check_object(dataset)
        index = check_frame(_check_header(dataset, frame), frame, code="D19")
        spacing, spacing_notes = _spacing(dataset)
        simulated = str(dataset.get("ImageComments", "")).startswith(SIMULATED)
        vendor = str(dataset.get("Manufacturer", "") or "").strip() or None
        geometry = dicom_geometry(dataset, spacing)
    data = decoding("D31", "the pixel data cannot be decoded", _EXPORT_AGAIN)
    with data, disable_value_validation():
        syntax = dataset.file_meta.TransferSyntaxUID
        if not syntax.is_compressed:
            _check_length(dataset)
        elif not (decoder := get_decoder(syntax)).is_available:
            raise stop(
                "D32", f"expected a decoder for {syntax.name}, found none; install one of "
                f"{', '.join(decoder.missing_dependencies)}",
            )  # fmt: skip
        pixels, notes = _pixels(dataset, index)
    noted = (*spacing_notes, *notes)
    return DecodedImage(pixels, spacing, noted, simulated, vendor, geometry=geometry)


def check_preamble(path: Path) -> None:
    """Refuse a file that starts like a program (D04) or is deflated (D36)."""
    with path.open("rb") as stream:
        if stream.read(128).startswith(_PROGRAM_STARTS):
            raise refuse("D04", "the file starts like a program", "ask where it comes from")
    if read_file_meta_info(path).TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        raise refuse("D36", "the DICOM file is deflated", "store it uncompressed")


def _check_object(dataset: FileDataset) -> None:
    """Refuse reports, videos, unknown encodings and other modalities."""
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


def _check_header(dataset: Dataset, frame: int | None) -> int:
    """Refuse a header that lacks or contradicts what decoding needs; return its frames."""
    for tag, code in _REQUIRED.items():
        if dataset.get(tag) is None:
            raise refuse(code, f"the DICOM header has no {tag}", _EXPORT_AGAIN)
    frames = max(int(dataset.get("NumberOfFrames") or 1), 1)
    channels = int(dataset.SamplesPerPixel)
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
    return frames


def _check_length(dataset: FileDataset) -> None:
    """Refuse uncompressed pixel data of another length than the header announces."""
    expected, found = get_expected_length(dataset), len(dataset.PixelData)
    what = f"{found} bytes of pixel data, the header announces {expected}"
    if found < expected:
        raise refuse("D06", what, _EXPORT_AGAIN)
    if found > expected + 1:
        raise refuse("D07", what, "Rows or Columns are wrong; export the image again")


def _pixels(dataset: FileDataset, index: int) -> tuple[NDArray[np.generic], list[Note]]:
    colours = str(dataset.PhotometricInterpretation)
    # correcting unused bits would wrap what is out of range
    dataset.pixel_array_options(index=index, correct_unused_bits=False)
    pixels: NDArray[np.generic] = dataset.pixel_array  # YBR arrives as RGB
    if colours == "PALETTE COLOR":
        with decoding("D25", "the palette is missing or damaged", _EXPORT_AGAIN):
            coloured = apply_color_lut(pixels, dataset)[..., :3]
        return coloured, [Note("D25", "a palette image; its colours were looked up", "nothing")]
    if colours.startswith("YBR"):
        return pixels, [Note("D22", f"{colours} colours were converted to RGB", "nothing")]
    top = 2 ** int(dataset.get("BitsStored") or dataset.BitsAllocated) - 1
    if pixels.size and (int(pixels.min()) < 0 or int(pixels.max()) > top):
        what = f"grey levels {pixels.min()} to {pixels.max()}, the header announces 0 to {top}"
        raise refuse("D29", what, _EXPORT_AGAIN)
    pixels = pixels.astype(np.uint8 if int(dataset.BitsAllocated) == 8 else np.uint16)
    if colours == "MONOCHROME1":
        inverted = (top - pixels.astype(np.int64)).astype(pixels.dtype)
        return inverted, [Note("D26", "MONOCHROME1 grey levels were inverted", "nothing")]
    return pixels, []


def _spacing(dataset: Dataset) -> tuple[Spacing | None, list[Note]]:
    """(row, column) millimetres from PixelSpacing, checked against the ultrasound regions.

    A contradiction is a note and not an error, because the patient table may settle it.
    """
    regions = _region_spacings(dataset)
    fix = "give spacing_mm in the patient table"
    if any(not _agree(regions[0], other) for other in regions):
        what = "several ultrasound regions of different pixel spacing"
        return None, [Note("D44", what, "export one view, or " + fix)]
    header = dataset.get("PixelSpacing")
    if header is None and regions:
        return regions[0], [Note("D41", "pixel spacing taken from the ultrasound region", fix)]
    if header is None:
        return None, []
    spacing = (float(header[0]), float(header[1]))
    if not all(np.isfinite(spacing)) or min(spacing) <= 0:
        return None, [Note("D45", f"PixelSpacing is {spacing} mm", fix)]
    if regions and not _agree(regions[0], spacing):
        what = f"PixelSpacing is {spacing} mm, the ultrasound region says {regions[0]} mm"
        return None, [Note("D43", what, fix)]
    return spacing, []


def _region_spacings(dataset: Dataset) -> list[Spacing]:
    """(row, column) millimetres of every region that is measured in centimetres."""
    spacings = []
    for region in dataset.get("SequenceOfUltrasoundRegions") or []:
        units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
        rows = abs(float(region.get("PhysicalDeltaY") or 0.0)) * 10.0
        columns = abs(float(region.get("PhysicalDeltaX") or 0.0)) * 10.0
        if units == (_CENTIMETRES, _CENTIMETRES) and rows > 0 and columns > 0:
            spacings.append((rows, columns))
    return spacings


def _agree(first: Spacing, second: Spacing) -> bool:
    return bool(np.allclose(first, second, rtol=_SPACING_TOLERANCE, atol=0.0))
