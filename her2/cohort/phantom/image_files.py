"""One simulated image and mask as files whose bytes depend on their content alone."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

MARK = "SIMULATED"
DATE, TIME = "20000101", "000000"
CENTIMETRE = 3  # PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15


def encode_dicom(
    pixels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    *,
    patient_id: str,
    manufacturer: str,
) -> bytes:
    """Return a DICOM ultrasound image, marked as simulated in every field that can say so.

    Parameters
    ----------
    pixels
        Grey levels, shape (H, W).
    spacing_mm
        (row, column) millimetres per pixel.
    patient_id
        Also the patient's name.
    manufacturer
        Name of the simulated vendor.

    References
    ----------
    DICOM PS3.3 A.6 (US Image IOD) and C.8.5.5 (US Region Calibration).
    """
    dataset = Dataset()
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    for level in ("Study", "Series", "SOP"):
        uid = generate_uid(entropy_srcs=[level, patient_id, digest])
        setattr(dataset, f"{level}InstanceUID", uid)
    _describe(dataset, patient_id, manufacturer)
    dataset.PixelSpacing = [f"{spacing:.6g}" for spacing in spacing_mm]
    dataset.SequenceOfUltrasoundRegions = [_region(pixels.shape, spacing_mm)]
    dataset.set_pixel_data(pixels, "MONOCHROME2", 8, generate_instance_uid=False)
    dataset.file_meta = _file_meta(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def encode_nifti(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float], *, folder: Path
) -> bytes:
    """Return a mask (H, W) as compressed NIfTI, uint8 0 or 1, in the image's geometry.

    Compressed here and not by the writer, which would put the time into the header. SimpleITK
    writes to files only: `folder` holds one for a moment.
    """
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((spacing_mm[1], spacing_mm[0]))  # (x, y)
    path = folder / "mask.nii"
    sitk.WriteImage(image, str(path))
    raw = path.read_bytes()
    path.unlink()
    return gzip.compress(raw, mtime=0)


def _describe(dataset: Dataset, patient_id: str, manufacturer: str) -> None:
    """Fill in the fields that are the same for every patient but for name and vendor."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "PRIMARY", "BREAST", "0001"]
    dataset.DerivationDescription = f"{MARK}: computed, no patient was examined"
    dataset.SOPClassUID = UltrasoundImageStorage
    for name in ("StudyDate", "SeriesDate", "ContentDate"):
        setattr(dataset, name, DATE)
    for name in ("StudyTime", "SeriesTime", "ContentTime"):
        setattr(dataset, name, TIME)
    dataset.Modality = "US"
    dataset.Manufacturer = manufacturer
    dataset.ManufacturerModelName = f"{MARK} by the her2 phantom"
    dataset.InstitutionName = MARK
    dataset.StudyDescription = dataset.SeriesDescription = MARK
    dataset.ImageComments = MARK
    dataset.PatientName = dataset.PatientID = patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "F"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"{MARK}: there is no identity"
    dataset.BodyPartExamined = "BREAST"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.StudyID = ""
    dataset.PatientOrientation = None
    dataset.SeriesNumber = dataset.InstanceNumber = 1


def _region(shape: tuple[int, ...], spacing_mm: tuple[float, float]) -> Dataset:
    """Return the one calibrated region, which is the whole image."""
    region = Dataset()
    region.RegionSpatialFormat = 1  # two-dimensional
    region.RegionDataType = 1  # tissue
    region.RegionFlags = 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = shape[1] - 1, shape[0] - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = CENTIMETRE
    region.PhysicalDeltaX, region.PhysicalDeltaY = spacing_mm[1] / 10, spacing_mm[0] / 10
    return region


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta
