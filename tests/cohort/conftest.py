"""A small valid cohort in a folder, and the means to break it."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

SHAPE = (64, 60)


def textured_image(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Speckled uint8 image (H, W) with a darker disc in the middle."""
    rng = np.random.default_rng(seed)
    speckle = rng.rayleigh(40.0, shape)
    return np.clip(np.where(disc_mask(shape=shape), 0.5, 1.0) * speckle, 0, 250).astype(np.uint8)


def disc_mask(
    shape: tuple[int, int] = SHAPE, radius: float = 11.5, shift: float = 0.0
) -> np.ndarray:
    """Bool disc (H, W) in the middle of the image, `shift` pixels to the right."""
    rows, columns = np.indices(shape)
    centre = (shape[0] / 2, shape[1] / 2 + shift)
    return np.hypot(rows - centre[0], columns - centre[1]) < radius


def write_mask(path: Path, mask: np.ndarray, label: int = 255) -> None:
    """Write a mask as PNG, or as NIfTI or NRRD by the ending."""
    values = mask.astype(np.uint8) * label
    if path.suffix == ".png":
        Image.fromarray(values).save(path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(values), str(path))


def dicom_dataset(pixels: np.ndarray, **tags: Any) -> Dataset:
    """Ultrasound dataset; a tag given as None is left out."""
    dataset = Dataset()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    uid = tags.get("SOPInstanceUID") or generate_uid(entropy_srcs=[str(pixels.tobytes())])
    meta.MediaStorageSOPInstanceUID = uid
    dataset.file_meta = meta
    usual = {
        "SOPClassUID": UltrasoundImageStorage, "SOPInstanceUID": uid,
        "Modality": "US", "Rows": pixels.shape[0], "Columns": pixels.shape[1],
        "BitsAllocated": 8 * pixels.itemsize, "BitsStored": 8 * pixels.itemsize,
        "HighBit": 8 * pixels.itemsize - 1, "PixelRepresentation": 0,
        "SamplesPerPixel": 3 if pixels.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if pixels.ndim == 3 else "MONOCHROME2",
        "PlanarConfiguration": 0 if pixels.ndim == 3 else None,
        "PixelSpacing": [0.1, 0.1], "PixelData": pixels.tobytes(),
    }  # fmt: skip
    for name, value in {**usual, **tags}.items():
        if value is not None:
            setattr(dataset, name, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if pixels.itemsize == 2 else "OB"
    return dataset


def us_region(delta_cm: float, units: int = 3) -> Dataset:
    """Item of SequenceOfUltrasoundRegions."""
    region = Dataset()
    region.PhysicalDeltaX = region.PhysicalDeltaY = delta_cm
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = units
    return region


def save_dicom(path: Path, dataset: Dataset) -> None:
    """Write a dataset as a DICOM file with preamble."""
    dataset.save_as(path, enforce_file_format=True)


def patient_id(i: int) -> str:
    """Identifier that no message may contain."""
    return f"SECRET{700 + i}"


def edit_table(root: Path, **columns: Any) -> None:
    """Change columns of ``cohort.csv``: a list for all rows, a dict by row, None to delete."""
    with (root / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for name, values in columns.items():
        for i, row in enumerate(rows):
            if values is None:
                row.pop(name, None)
            elif isinstance(values, dict):
                row[name] = values.get(i, row.get(name, ""))
            else:
                row[name] = values[i] if isinstance(values, list) else values
    with (root / "cohort.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a valid cohort: ``make_folder(n_patients=8, **columns)``.

    PNG images and masks of 64 x 60 pixels, outcomes 0, 1, 0, 1, ..., spacing in the table, one
    clinical column `age`; further columns as in `edit_table`.
    """

    def make(n_patients: int = 8, *, name: str = "cohort", **columns: Any) -> Path:
        root = tmp_path / name
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True)
        lines = ["patient_id,image,mask,outcome,spacing_mm,age"]
        for i in range(n_patients):
            image, mask = f"images/i{i:03d}.png", f"masks/m{i:03d}.png"
            Image.fromarray(textured_image(i)).save(root / image)
            write_mask(root / mask, disc_mask(radius=10 + i % 5, shift=i // 5))
            lines.append(f"{patient_id(i)},{image},{mask},{i % 2},0.1,{40 + i}")
        (root / "cohort.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if columns:
            edit_table(root, **columns)
        return root

    return make


@pytest.fixture
def kit() -> SimpleNamespace:
    """Return the functions of this file."""
    return SimpleNamespace(
        textured_image=textured_image,
        disc_mask=disc_mask,
        write_mask=write_mask,
        dicom_dataset=dicom_dataset,
        us_region=us_region,
        save_dicom=save_dicom,
        patient_id=patient_id,
        edit_table=edit_table,
        shape=SHAPE,
    )
