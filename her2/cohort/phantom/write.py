"""Writes the simulated cohort in the layout in which a hospital would bring its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from her2.cohort.phantom.image_files import encode_dicom, encode_nifti
from her2.cohort.phantom.lesion_plan import check_image_shape, simulate_lesion
from her2.cohort.phantom.patient_table import her2_positive, simulate_table
from her2.core.errors import BadConfig

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
    table = simulate_table(n_patients, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        folder = Path(scratch) / "cohort"
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True)
        _write_lesions(folder, table, seed, image_shape, n_workers, progress)
        _with_paths(table).to_csv(folder / "cohort.csv", index=False, lineterminator="\n")
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


def _write_lesions(
    folder: Path,
    table: pd.DataFrame,
    seed: int,
    image_shape: tuple[int, int],
    n_workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    jobs = (
        delayed(_write_lesion)(
            folder, patient_id, outcome, calcification == "yes", vendor, seed, image_shape
        )
        for patient_id, outcome, calcification, vendor in zip(
            table["patient_id"],
            her2_positive(table).tolist(),
            table["calcification"],
            table["vendor"],
            strict=True,
        )
    )
    # Threads: the filters release the interpreter, and nothing has to be imported again.
    finished = Parallel(n_jobs=n_workers, prefer="threads", return_as="generator")(jobs)
    for n_done, _ in enumerate(finished, start=1):
        if progress is not None:
            progress(n_done, len(table))


def _write_lesion(
    folder: Path,
    patient_id: str,
    outcome: int,
    has_calcification: bool,
    vendor: str,
    seed: int,
    image_shape: tuple[int, int],
) -> None:
    lesion = simulate_lesion(
        patient_id,
        outcome=outcome,
        has_calcification=has_calcification,
        vendor=vendor,
        seed=seed,
        image_shape=image_shape,
    )
    image = encode_dicom(
        lesion.pixels, lesion.spacing_mm, patient_id=patient_id, manufacturer=vendor
    )
    (folder / _image_path(patient_id)).write_bytes(image)
    for reader, mask in ((1, lesion.reader1), (2, lesion.reader2)):
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            content = encode_nifti(mask, lesion.spacing_mm, folder=Path(scratch))
        (folder / _mask_path(patient_id, reader)).write_bytes(content)


def _image_path(patient_id: str) -> str:
    return f"images/{patient_id}.dcm"


def _mask_path(patient_id: str, reader: int) -> str:
    return f"masks/{patient_id}_reader{reader}.nii.gz"


def _with_paths(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the columns `image`, `mask` and `mask_reader2` after the ids."""
    patients = table["patient_id"].tolist()
    paths = pd.DataFrame(
        {
            "image": [_image_path(patient) for patient in patients],
            "mask": [_mask_path(patient, 1) for patient in patients],
            "mask_reader2": [_mask_path(patient, 2) for patient in patients],
        }
    )
    return pd.concat([table.iloc[:, :2], paths, table.iloc[:, 2:]], axis=1)


def _readme(table: pd.DataFrame, seed: int) -> str:
    n_positive = int(her2_positive(table).sum())
    return README.format(n_patients=len(table), n_positive=n_positive, seed=seed)
