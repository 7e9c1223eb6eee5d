"""Masks that are DICOM objects: segmentations (SEG) and contours (RT structure sets).

pydicom decodes both; what a library for segmentations would add is the writing of them. A frame or
a contour belongs to the image that it names by SOPInstanceUID, else to the one in whose plane it
lies.

References
----------
DICOM PS3.3, A.51 Segmentation IOD and A.19 RT Structure Set IOD.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileDataset

from her2.cohort.dicom import DecodedImage, check_pixel_data, check_preamble
from her2.cohort.files import check_size, decoding
from her2.cohort.geometry import Geometry, dicom_geometry
from her2.cohort.mask_regions import Region
from her2.cohort.problems import Note, refuse

_SAVE_AGAIN = "save the mask again, or as PNG, NIfTI or NRRD"
_OTHER_IMAGE = "name the mask of this image, or export it as PNG, NIfTI or NRRD"
_IN_PLANE = 0.01  # mm, where no thickness of a slice is known
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")

Read = tuple[list[Region], Geometry | None, list[Note]]


def read_dicom_mask(path: Path, image: DecodedImage | None, frame: int | None) -> Read:
    """Regions of a mask for an image, their grid (None without one) and notes."""
    damaged = decoding("D05", "the DICOM mask is damaged or cut off", _SAVE_AGAIN)
    with damaged, disable_value_validation():
        check_preamble(path)
        dataset = pydicom.dcmread(path)
        if "SegmentSequence" in dataset:
            check_pixel_data(dataset, path)
            return _segmentation(dataset, image, frame)
        if "ROIContourSequence" in dataset:
            return _contours(dataset, image, frame)
    what = "the mask is a DICOM file, expected a segmentation or an RT structure set"
    raise refuse("D02", what, "save the mask as PNG, NIfTI, NRRD or DICOM segmentation")


def _segmentation(dataset: FileDataset, image: DecodedImage | None, frame: int | None) -> Read:
    n_frames = max(int(dataset.get("NumberOfFrames") or 1), 1)
    check_size((n_frames, int(dataset.Rows), int(dataset.Columns)))
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    own = dataset.get("PerFrameFunctionalGroupsSequence") or [Dataset()] * n_frames
    items = [_Frame(dataset, item, shared) for item in own]
    kept = [i for i in _frames_of(items, image, frame) if i < n_frames]
    with decoding("D31", "the pixel data of the mask cannot be decoded", _SAVE_AGAIN):
        frames = dataset.pixel_array.reshape(n_frames, int(dataset.Rows), int(dataset.Columns))
    names = {int(s.SegmentNumber): str(s.get("SegmentLabel", "")) for s in dataset.SegmentSequence}
    planes: list[tuple[int, NDArray[np.bool_]]] = []
    notes = []
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        planes = [(number, frames[i] == number) for i in kept for number in names if number]
    else:
        half = int(dataset.get("MaximumFractionalValue") or 255) / 2 if kind == "FRACTIONAL" else 0
        planes = [(items[i].segment, frames[i] > half) for i in kept]
        what = "a fractional segmentation, cut at one half"
        notes = [Note("M19", what, "nothing", severity="normalised")] if half else []
    numbers = [number for number, _ in planes]
    repeated = [number for number in set(numbers) if numbers.count(number) > 1]
    if repeated:
        what = f"{numbers.count(repeated[0])} frames of one segment, expected one for the image"
        raise refuse("M20", what, "export the segmentation of the analysed image alone")
    regions = [_region(plane, number, names.get(number, "")) for number, plane in planes]
    return regions, items[kept[0]].geometry, notes


class _Frame:
    """What the functional groups say of one frame of a segmentation."""

    def __init__(self, dataset: Dataset, own: Dataset, shared: Dataset) -> None:
        position, turned, measures, identified, derived = (
            _first(own if name in own else shared, name)
            for name in (
                "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
                "SegmentIdentificationSequence", "DerivationImageSequence",
            )
        )  # fmt: skip
        self.segment = int(identified.get("ReferencedSegmentNumber", 1))
        sources = derived.get("SourceImageSequence") or _referenced(dataset)
        self.sources = [_reference(source) for source in sources]
        place = Dataset()
        place.update(position)
        place.update(turned)
        spacing = measures.get("PixelSpacing")
        size = None if spacing is None else (float(spacing[0]), float(spacing[1]))
        found = dicom_geometry(place, size)
        self.geometry = found if found.placed else None


def _frames_of(
    items: Sequence[_Frame], image: DecodedImage | None, frame: int | None
) -> list[int]:
    """Return indices of the frames that belong to an image."""
    geometry = image.geometry if image else None
    every = list(range(len(items)))
    if geometry is not None and geometry.uid and any(item.sources for item in items):
        kept = [i for i in every if _names(items[i].sources, geometry.uid, frame)]
    elif geometry is not None and geometry.placed:
        kept = [
            i for i in every
            if (of := items[i].geometry) is None or _is_in_plane(of.origin, geometry)
        ]  # fmt: skip
    else:
        kept = every
    if not kept:
        raise refuse("M05", "the segmentation was drawn on another image", _OTHER_IMAGE)
    return kept


def _contours(dataset: FileDataset, image: DecodedImage | None, frame: int | None) -> Read:
    on = image.geometry if image else None
    if image is None or on is None or not (on.pixel_known or on.placed):
        what = "contours in millimetres, and an image that does not say where it lies"
        raise refuse("M05", what, "use the DICOM image with its PixelSpacing, or export a mask")
    names = {
        int(roi.ROINumber): str(roi.get("ROIName", ""))
        for roi in dataset.get("StructureSetROISequence") or []
    }
    shape = (image.pixels.shape[0], image.pixels.shape[1])
    regions, n_used = [], 0
    for roi in dataset.ROIContourSequence:
        number, drawn = int(roi.ReferencedROINumber), np.zeros(shape, dtype=bool)
        for points in _points(roi, on, frame):
            n_used += 1
            drawn ^= fill((points - on.origin) @ np.linalg.pinv(on.steps).T, shape)
        regions.append(_region(drawn, number, names.get(number, "")))
    if not n_used:
        raise refuse("M05", "no closed contour was drawn on this image", _OTHER_IMAGE)
    if on.placed:
        return regions, on, []
    what = "the image says no position; the contours were read from its first pixel"
    fix = "look at the mask on the image"
    return regions, on, [Note("M05", what, fix, severity="warning")]


def _points(roi: Dataset, on: Geometry, frame: int | None) -> Iterator[NDArray[np.float64]]:
    """Yield the closed contours of a region on an image, each (n, 3) millimetres."""
    for contour in roi.get("ContourSequence") or []:
        if contour.get("ContourGeometricType", "CLOSED_PLANAR") not in _CLOSED:
            continue
        points = np.array([float(x) for x in contour.ContourData]).reshape(-1, 3)
        sources = [_reference(s) for s in contour.get("ContourImageSequence") or []]
        if on.uid and sources:
            belongs = _names(sources, on.uid, frame)
        else:
            belongs = not on.placed or _is_in_plane(points.mean(axis=0), on)
        if belongs:
            yield points


def fill(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (H, W) whose centre lies inside a polygon of (row, column), by the even-odd rule.

    >>> fill(np.array([[0.5, 0.5], [0.5, 2.5], [2.5, 2.5], [2.5, 0.5]]), (3, 4)).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0]])
    """
    inside = np.zeros(shape, dtype=bool)
    columns = np.arange(shape[1])
    for (row, column), (to_row, to_column) in zip(
        points, np.roll(points, -1, axis=0), strict=True
    ):
        top, bottom = sorted((row, to_row))
        rows = np.arange(max(int(np.ceil(top)), 0), min(int(np.ceil(bottom)), shape[0]))
        if not len(rows):
            continue
        crossed = column + (rows - row) * (to_column - column) / (to_row - row)
        inside[rows] ^= columns >= crossed[:, np.newaxis]
    return inside


def _region(mask: NDArray[np.bool_], number: int, name: str) -> Region:
    return Region(mask, 1, int(mask.sum()), label=number, segment=name)


def _first(dataset: Dataset, name: str) -> Dataset:
    """First item of a sequence; an empty one where there is none."""
    items = dataset.get(name)
    return items[0] if items else Dataset()


def _referenced(dataset: Dataset) -> list[Dataset]:
    """Images that the object as a whole refers to, where it is but one."""
    series = _first(dataset, "ReferencedSeriesSequence")
    images = list(series.get("ReferencedInstanceSequence") or [])
    return images if len(images) == 1 else []


def _reference(item: Dataset) -> tuple[str, list[int]]:
    """SOPInstanceUID of a referenced image, and its frames if they are named."""
    frames = item.get("ReferencedFrameNumber")
    numbers = [] if frames is None else np.atleast_1d(np.array(frames, dtype=int)).tolist()
    return str(item.get("ReferencedSOPInstanceUID", "")), numbers


def _names(sources: Sequence[tuple[str, list[int]]], uid: str, frame: int | None) -> bool:
    """Whether one of the references is to this image, and to this frame of a stack."""
    return any(
        found == uid and (frame is None or not frames or frame in frames)
        for found, frames in sources
    )


def _is_in_plane(point: NDArray[np.float64], on: Geometry) -> bool:
    normal = np.cross(on.directions[:, 1], on.directions[:, 0])
    thick = _IN_PLANE if on.through is None else float(np.linalg.norm(on.through)) / 2.0
    return abs(float((point - on.origin) @ normal)) <= thick
