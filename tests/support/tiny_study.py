"""Tiny cohorts in the true layout, and one finished study that many tests look at."""

import csv
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from finished import Finished
from PIL import Image
from scipy import ndimage

CANARY = "Wilhelmina"  # part of every patient's identifier: it must stay in the run folder
SIDE = 64  # pixels
N_PATIENTS = 40
TINY = (
    "classifier=lr",
    "evaluation.n_folds=3",
    "evaluation.n_inner_folds=3",
    "evaluation.n_repeats=1",
    "evaluation.n_permutations=40",
    "evaluation.n_stability=0",
    "evaluation.n_shuffles=0",
    "evaluation.learning_curve=[]",
)
REFITS = (
    "evaluation.n_repeats=2",
    "evaluation.n_stability=4",
    "evaluation.n_shuffles=2",
    "evaluation.learning_curve=[0.6]",
)


def patient_id(i: int) -> str:
    return f"{CANARY}{700 + i}"


def lesion_mask(i: int) -> np.ndarray:
    """Bool ellipse (SIDE, SIDE) of 250 to 500 pixels, another one for every patient."""
    rows, columns = np.indices((SIDE, SIDE)) - SIDE / 2
    rows, columns = rows + i % 7 - 3, columns + i // 7 - 3
    return (rows / (9 + i % 3)) ** 2 + (columns / (10 + i % 4)) ** 2 < 1


def lesion_image(i: int, outcome: int) -> np.ndarray:
    """Speckle uint8 (SIDE, SIDE), coarser in many positive lesions: no AUC of 0.5 or 1."""
    rng = np.random.default_rng(i)
    coarseness = 0.5 + 0.1 * outcome + rng.uniform(0, 0.3)
    speckle = ndimage.gaussian_filter(rng.rayleigh(60.0, (SIDE, SIDE)), coarseness)
    speckle *= np.where(lesion_mask(i), rng.uniform(0.5, 0.8), 1.0)
    return np.clip(speckle, 1, 250).astype(np.uint8)


def clinical_row(i: int, outcome: int) -> dict[str, Any]:
    rng = np.random.default_rng(1000 + i)
    age = "" if i % 11 == 5 else round(48 + 4 * outcome + rng.normal(0, 8))
    return {"age": age, "er": "positive" if rng.random() < 0.7 - 0.35 * outcome else "negative"}


def write_images(root: Path, i: int, outcome: int) -> dict[str, str]:
    """Write one image and its mask; some images are RGBA, some lesions have two masks."""
    image, pixels = f"images/i{i:03d}.png", lesion_image(i, outcome)
    if i % 5 == 0:
        opaque = np.full_like(pixels, 255)
        pixels = np.dstack([pixels, pixels, pixels, opaque])
    Image.fromarray(pixels).save(root / image)
    parts = {f"masks/m{i:03d}.png": lesion_mask(i)}
    if i % 4 == 0:
        left = np.arange(SIDE) < SIDE / 2
        parts = {
            f"masks/m{i:03d}a.png": lesion_mask(i) & left,
            f"masks/m{i:03d}b.png": lesion_mask(i) & ~left,
        }
    for name, mask in parts.items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / name)
    return {"image": image, "mask": ";".join(parts), "spacing_mm": "0.1"}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def changed(rows: list[dict[str, Any]], columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows with other columns: a function of the row's number, or None to leave one out."""
    kept = [
        {**row, **{name: make(i) for name, make in columns.items() if make}}
        for i, row in enumerate(rows)
    ]
    gone = {name for name, make in columns.items() if make is None}
    return [{name: cell for name, cell in row.items() if name not in gone} for row in kept]


@pytest.fixture(scope="session")
def make_cohort(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a cohort: ``make_cohort(n, images=True, columns={...})``.

    Outcomes 0, 1, 0, 1, ...; age and er; patients 0 and 2, and 1 and 3, are one group each.
    `columns` are functions of the row's number, None leaves a column out.
    """

    def make(
        n_patients: int = N_PATIENTS,
        *,
        images: bool = False,
        columns: dict[str, Any] | None = None,
    ) -> Path:
        root = tmp_path_factory.mktemp("cohort")
        for folder in ("images", "masks") if images else ():
            (root / folder).mkdir()
        rows = []
        for i in range(n_patients):
            files = write_images(root, i, i % 2) if images else {}
            group = f"{CANARY} family {i % 2}" if i < 4 else ""
            row = {"patient_id": patient_id(i), **files, "outcome": i % 2, "group": group}
            rows.append({**row, **clinical_row(i, i % 2)})
        write_rows(root / "cohort.csv", changed(rows, columns or {}))
        return root

    return make


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of this session that all its processes share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def made_once(path: Path) -> Iterator[bool]:
    """Hold `path` for this process; yields whether another one has made it before."""
    with path.with_name(f"{path.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield path.exists()


@pytest.fixture(scope="session")
def image_cohort(make_cohort: Callable[..., Path], shared_folder: Path) -> Path:
    """Cohort with images and masks; not to be changed."""
    root = shared_folder / "image_cohort"
    with made_once(root) as is_there:
        if not is_there:
            make_cohort(images=True).rename(root)
    return root


@pytest.fixture(scope="session")
def table_cohort(make_cohort: Callable[..., Path]) -> Path:
    """Cohort without images, and features.csv of a dozen numbers a patient; not to be changed."""
    root = make_cohort()
    rng = np.random.default_rng(5)
    outcome = np.arange(N_PATIENTS) % 2
    values = rng.normal(size=(N_PATIENTS, 12)) + outcome[:, None] * np.linspace(0, 1, 12)
    features = pd.DataFrame(values, columns=[f"texture_{j}" for j in range(12)])
    features.insert(0, "patient_id", [patient_id(i) for i in range(N_PATIENTS)])
    features.to_csv(root / "features.csv", index=False)
    return root


@pytest.fixture(scope="session")
def feature_cache(shared_folder: Path) -> Path:
    """Feature cache that the session's runs share."""
    return shared_folder / "cache"


@dataclass(frozen=True)
class FinishedStudy:
    """A study's command line, what it wrote, and its folder."""

    arguments: tuple[str, ...]
    run_dir: Path
    uri: str
    finished: Any

    @property
    def results(self) -> dict[str, Any]:
        return json.loads((self.run_dir / "results.json").read_text())

    @property
    def predictions(self) -> pd.DataFrame:
        return pd.read_parquet(self.run_dir / "predictions.parquet")


@pytest.fixture(scope="session")
def study(her2_command, image_cohort, new_store, shared_folder) -> FinishedStudy:
    """The study of the image cohort, two workers, an empty cache; one for all processes."""
    arguments = (
        "study", *TINY, *REFITS, "cohort=folder", f"cohort.root={image_cohort}",
        "cohort.clinical=[age,er]", "backbone.image_size=64", "backbone.n_explained=12",
        "selection.lasso_folds=3", f"cache={shared_folder / 'cache_of_the_study'}",
    )  # fmt: skip
    run_dir, told = shared_folder / "study", shared_folder / "study.json"
    with made_once(told) as is_there:
        if not is_there:
            uri = new_store()
            finished = her2_command(
                *arguments, f"run_dir={run_dir}", f"tracking.uri={uri}", "compute.n_workers=2"
            )
            assert finished.status == 0, finished.err
            told.write_text(json.dumps([uri, asdict(finished)]))
    uri, finished = json.loads(told.read_text())
    return FinishedStudy(arguments, run_dir, uri, Finished(**finished))


@pytest.fixture(scope="session")
def undrawn_command(her2_command) -> Callable[..., Any]:
    """`her2_command` without figures and workbook, which take most of a tiny study's time."""

    def call(*arguments: object) -> Any:
        with (
            mock.patch("her2.pipeline.write_outputs.figures", return_value=()),
            mock.patch("her2.report.table_files.workbook_bytes", return_value=b""),
        ):
            return her2_command(*arguments)

    return call


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides that make a study small, on one process and without MLflow."""
    return (*TINY, "compute.n_workers=1", "tracking=none")


@pytest.fixture(scope="session")
def canary() -> str:
    """Text that every patient's identifier holds."""
    return CANARY
