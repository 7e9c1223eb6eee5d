"""Writes the simulated cohort in the layout of a hospital's folder.

Bytes of a file depend on its content alone.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from joblib import Parallel, delayed
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from her2.cohort.phantom.lesion_plan import check_image_shape, simulate_lesion
from her2.cohort.phantom.patient_table import her2_positive, simulate_table
from her2.core.errors import BadConfig

MARK = "SIMULATED"
DATE, TIME = "20000101", "000000"
CENTIMETRE = 3  # PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
README = """\
SIMULATED cohort of breast ultrasound: no patient was examined
==============================================================

{n_patients} simulated patients, {n_positive} of them HER2-positive, seed {seed}. Every image, mask
and clinical value was computed. Shape and texture of the lesions depend on HER2 by assumption;
a result obtained here says whether a study's protocol works and nothing about HER2.

cohort.csv                      one row a lesion; paths are relative to this folder
images/PATIENT.dcm              DICOM ultrasound image, 8 bit
masks/PATIENT_reader1.nii.gz    the lesion as the first reader draws it (column mask)
masks/PATIENT_reader2.nii.gz    the same lesion, second reader (column mask_reader2)

HER2 is positive for immunohistochemistry 3+, or 2+ with a positive FISH; FISH is empty where
it was not needed. An empty cell in a tumour marker is a missing value.

To read it:

    her2 check cohort=folder cohort.root=DIR
    her2 study cohort=folder cohort.root=DIR "cohort.clinical=[age,pr,er,calcification]"
"""


def write_phantom(
    root: Path,
    *,
    n_patients: int = 210,
    seed: int = 0,
    image_shape: tuple[int, int] = (400, 500),
    n_workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a simulated cohort and return its folder.

    The bytes depend on `n_patients`, `seed` and `image_shape` only. The folder appears when it
    is complete: a run that is stopped leaves no half-written cohort.

    Parameters
    ----------
    root
        Folder to make; it may exist if it is empty.
    n_patients
        Number of patients, >= 2.
    seed
        Root seed, >= 0.
    image_shape
        Rows and columns of every image, each at least 128.
    n_workers
        Threads that simulate, >= 1.
    progress
        Called with (patients done, patients in all) after each patient.

    Raises
    ------
    BadConfig
        If `root` is not an empty or new folder, or a number is out of range.
    """
    target = Path(root).expanduser().resolve()
    _check(target, image_shape, n_workers)
    table = _with_paths(simulate_table(n_patients, seed))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        folder = Path(scratch) / "cohort"
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True)
        rows = table.assign(outcome=her2_positive(table)).itertuples()
        jobs = (delayed(_write_lesion)(folder, row, seed, image_shape) for row in rows)
        # threads: the filters release the interpreter, and nothing has to be imported again
        written = Parallel(n_jobs=n_workers, prefer="threads", return_as="generator")(jobs)
        for n_done, _ in enumerate(written, start=1):
            if progress is not None:
                progress(n_done, n_patients)
        table.to_csv(folder / "cohort.csv", index=False, lineterminator="\n")
        (folder / "README.txt").write_text(_readme(table, seed), encoding="utf-8")
        folder.replace(target)  # an empty folder gives way
    return Path(root)


def _check(target: Path, image_shape: tuple[int, int], n_workers: int) -> None:
    check_image_shape(image_shape)
    if n_workers < 1:
        raise BadConfig(f"n_workers must be 1 or more, found {n_workers}: set 1 for one thread")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadConfig(
            f"the simulated cohort needs a new or empty folder, but {target} is not: "
            "name another folder or remove it"
        )


def _with_paths(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the columns `image`, `mask` and `mask_reader2` after the ids."""
    patients = table["patient_id"]
    paths = pd.DataFrame({
        "image": "images/" + patients + ".dcm",
        "mask": "masks/" + patients + "_reader1.nii.gz",
        "mask_reader2": "masks/" + patients + "_reader2.nii.gz",
    })  # fmt: skip
    return pd.concat([table.iloc[:, :2], paths, table.iloc[:, 2:]], axis=1)


def _write_lesion(folder: Path, row: Any, seed: int, image_shape: tuple[int, int]) -> None:
    """Write the image and the masks of a row of the table."""
    lesion = simulate_lesion(
        row.patient_id, outcome=row.outcome, has_calcification=row.calcification == "yes",
        vendor=row.vendor, seed=seed, image_shape=image_shape,
    )  # fmt: skip
    image = encode_dicom(
        lesion.pixels, lesion.spacing_mm, patient_id=row.patient_id, manufacturer=row.vendor
    )
    (folder / row.image).write_bytes(image)
    for path, mask in ((row.mask, lesion.reader1), (row.mask_reader2, lesion.reader2)):
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            content = encode_nifti(mask, lesion.spacing_mm, folder=Path(scratch))
        (folder / path).write_bytes(content)


def _readme(table: pd.DataFrame, seed: int) -> str:
    n_positive = int(her2_positive(table).sum())
    return README.format(n_patients=len(table), n_positive=n_positive, seed=seed)


def encode_dicom(
    pixels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    *,
    patient_id: str,
    manufacturer: str,
) -> bytes:
    """Return a DICOM ultrasound image (H, W), marked as simulated in every field that can say so.

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
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
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
