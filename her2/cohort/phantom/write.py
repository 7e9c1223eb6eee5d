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

from her2.cohort.phantom.bmode import simulate_lesion
from her2.cohort.phantom.patient_table import her2_positive, simulate_table
from her2.core.errors import BadConfig

MARK = "SIMULATED"
SMALLEST_SIDE = 128
CENTIMETRE = 3  # PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
# what is the same for every patient
_USUAL: dict[str, Any] = {
    **dict.fromkeys(("StudyDate", "SeriesDate", "ContentDate"), "20000101"),
    **dict.fromkeys(("StudyTime", "SeriesTime", "ContentTime"), "000000"),
    **dict.fromkeys(
        ("InstitutionName", "StudyDescription", "SeriesDescription", "ImageComments"), MARK
    ),
    **dict.fromkeys(
        ("PatientBirthDate", "AccessionNumber", "ReferringPhysicianName", "StudyID"), ""
    ),
    "SpecificCharacterSet": "ISO_IR 192", "ImageType": ["DERIVED", "PRIMARY", "BREAST", "0001"],
    "DerivationDescription": f"{MARK}: computed, no patient was examined",
    "SOPClassUID": UltrasoundImageStorage, "Modality": "US", "PatientSex": "F",
    "ManufacturerModelName": f"{MARK} by the her2 phantom", "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": f"{MARK}: there is no identity", "BodyPartExamined": "BREAST",
    "BurnedInAnnotation": "NO", "LossyImageCompression": "00", "PatientOrientation": None,
    "SeriesNumber": 1, "InstanceNumber": 1,
}  # fmt: skip
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
    """Write a simulated cohort to a new or empty folder, and return the folder.

    The bytes depend on `n_patients` (>= 2), `seed` and `image_shape` (rows and columns, each at
    least 128) only. The folder appears when it is complete: a run that is stopped leaves no
    half-written cohort. `n_workers` threads simulate; `progress` is called with (patients done,
    patients in all) after each patient.
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
        n_positive = int(her2_positive(table).sum())
        readme = README.format(n_patients=len(table), n_positive=n_positive, seed=seed)
        (folder / "README.txt").write_text(readme, encoding="utf-8")
        folder.replace(target)  # an empty folder gives way
    return Path(root)


def _check(target: Path, image_shape: tuple[int, int], n_workers: int) -> None:
    if len(image_shape) != 2 or min(image_shape) < SMALLEST_SIDE:
        raise BadConfig(
            f"a simulated image needs at least {SMALLEST_SIDE} rows and columns, "
            f"found {tuple(image_shape)}: enlarge image_shape"
        )
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
    _write_nifti(folder / row.mask, lesion.reader1, lesion.spacing_mm)
    _write_nifti(folder / row.mask_reader2, lesion.reader2, lesion.spacing_mm)


def encode_dicom(
    pixels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    *,
    patient_id: str,
    manufacturer: str,
) -> bytes:
    """Return a DICOM ultrasound image (H, W), marked as simulated in every field that can say so.

    DICOM PS3.3 A.6 (US Image IOD) and C.8.5.5 (US Region Calibration).
    """
    dataset = Dataset()
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    for level in ("Study", "Series", "SOP"):
        uid = generate_uid(entropy_srcs=[level, patient_id, digest])
        setattr(dataset, f"{level}InstanceUID", uid)
    for name, value in _USUAL.items():
        setattr(dataset, name, value)
    dataset.Manufacturer = manufacturer
    dataset.PatientName = dataset.PatientID = patient_id
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


def _write_nifti(path: Path, mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> None:
    """Write a mask (H, W) as compressed NIfTI, uint8 0 or 1, in the image's geometry.

    Compressed here and not by SimpleITK, which would put the time into the header.
    """
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((spacing_mm[1], spacing_mm[0]))  # (x, y)
    raw = path.with_suffix("")
    sitk.WriteImage(image, str(raw))
    path.write_bytes(gzip.compress(raw.read_bytes(), mtime=0))
    raw.unlink()


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
