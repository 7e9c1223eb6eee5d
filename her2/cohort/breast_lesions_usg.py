"""The public data set BrEaST-Lesions-USG as it is published: benign or malignant.

References
----------
.. [1] Pawlowska A, et al. Curated benchmark dataset for ultrasound based breast lesion analysis.
   Sci Data 2024;11:148. doi:10.1038/s41597-024-02984-z. Data: doi:10.7937/9WKK-Q141, CC BY 4.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from her2.cohort.assemble import Source, assemble
from her2.cohort.clinical_columns import refuse_leaks
from her2.cohort.cohort_table import read_table, require_columns
from her2.cohort.folder import beside, cohort_folder, existing_paths, parse_spacing
from her2.cohort.outcome import binary_outcome, listed
from her2.cohort.problems import Note, leaves_out, stop
from her2.cohort.verify import Draft
from her2.core.errors import BadConfig, MissingInput
from her2.core.types import Cohort, Lesion

POSITIVE = "malignant"
CLINICAL = ("age", "tissue_composition", "signs", "symptoms")
LEAKS = ("birads", "interpretation", "diagnosis", "verification", "classification")
_COLUMNS = (
    "Image_filename", "Mask_tumor_filename", "Pixel_size", "Classification", "Age",
    "Tissue_composition", "Signs", "Symptoms",
)  # fmt: skip
_NO_LESION = "normal"
_IMAGES = "images_and_masks"


def read_breast_lesions_usg(
    root: str | Path,
    *,
    clinical: Sequence[str] = ("age",),
    features: str | Path | None = None,
    n_workers: int = 1,
) -> Cohort:
    """Return the verified cohort: 252 lesions of 252 patients, 98 malignant; 4 normal excluded.

    Parameters
    ----------
    root
        Folder that holds the published .xlsx and the folder ``images_and_masks``.
    clinical
        Any of `CLINICAL`; "not available" is missing.
    features
        Features by `patient_id` (``case001``), as in `read_folder_cohort`.
    n_workers
        Processes that decode.

    Raises
    ------
    MissingInput
        If the folder or its table is not there.
    BadCohort
        C22 for a variable that states or leads to the diagnosis, C28 for one that is not there.
    """
    folder = cohort_folder(root)
    refuse_leaks(clinical, LEAKS)
    path = _workbook(folder)
    table = read_table(path)
    require_columns(table, _COLUMNS, why="as published")
    unknown = [name for name in clinical if name not in CLINICAL]
    if unknown:
        raise stop(
            "C28", f"expected clinical variables among {listed(CLINICAL)}, found {listed(unknown)}"
            "; correct cohort.clinical",
        )  # fmt: skip
    drafts = tuple(_drafts(table, folder))
    variables = table.rename(columns=str.casefold)
    source = Source("breast_lesions_usg", folder, path.name, POSITIVE, drafts, variables)
    brought = None if features is None else beside(folder, features)
    return assemble(source, clinical=clinical, features=brought, n_workers=n_workers)


def check_positive(positive: str | None) -> None:
    """Refuse another positive level than the data set's own."""
    if positive not in (None, POSITIVE):
        raise BadConfig(
            f"expected cohort.positive={POSITIVE} for this data set, found {positive!r}; "
            "leave it out"
        )


def _workbook(folder: Path) -> Path:
    found = sorted(folder.glob("*.xlsx"))
    if len(found) != 1 or not (folder / _IMAGES).is_dir():
        raise MissingInput(
            f"expected one .xlsx and the folder {_IMAGES} in {folder}, found {len(found)} .xlsx "
            f"and {listed(p.name for p in sorted(folder.iterdir())[:5]) or 'nothing'}; set "
            "cohort.root to the folder of the unpacked data set"
        )
    return found[0]


def _drafts(table: pd.DataFrame, folder: Path) -> list[Draft]:
    has_lesion = table["Classification"] != _NO_LESION
    rows = table.index[has_lesion]
    cells = list(table.loc[has_lesion, "Classification"])
    outcomes = dict(zip(rows, binary_outcome(cells, POSITIVE), strict=True))
    return [_draft(int(row), table.loc[row], outcomes, folder) for row in table.index]


def _draft(row: int, cells: pd.Series, outcomes: dict[int, int | None], folder: Path) -> Draft:
    patient_id = Path(cells["Image_filename"]).stem
    if row not in outcomes:
        note = Note("E01", "a normal breast, no lesion", "nothing")
        return Draft(row, patient_id, "1", None, (note,))
    outcome = outcomes[row]
    if outcome is None:
        note = Note("C15", "the classification is missing", "use the published table")
        return Draft(row, patient_id, "1", None, (note,))
    notes: list[Note] = []
    images, masks = (
        existing_paths([f"{_IMAGES}/{cells[column]}"], folder, notes, absent=absent)
        for column, absent in (("Image_filename", "C04"), ("Mask_tumor_filename", "M01"))
    )
    spacing = parse_spacing(cells["Pixel_size"], notes, scale=10.0)  # published in centimetres
    if leaves_out(notes):
        return Draft(row, patient_id, "1", None, tuple(notes))
    lesion = Lesion(patient_id, "1", outcome, images[0], masks, spacing_mm=spacing)
    return Draft(row, patient_id, "1", lesion, tuple(notes))
