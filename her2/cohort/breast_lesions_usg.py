"""The public data set BrEaST-Lesions-USG as it is published: benign or malignant.

References
----------
.. [1] Pawlowska A, et al. Curated benchmark dataset for ultrasound based breast lesion analysis.
   Sci Data 2024;11:148. doi:10.1038/s41597-024-02984-z. Data: doi:10.7937/9WKK-Q141, CC BY 4.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from her2.cohort.assemble import Source, assemble
from her2.cohort.cells import PLAIN_RULES, CellRules
from her2.cohort.cohort_table import read_table, require_columns
from her2.cohort.folder import beside, cohort_folder, existing_paths, parse_spacing
from her2.cohort.outcome import binary_outcome, listed
from her2.cohort.problems import Note, leaves_out, stop
from her2.cohort.variables import refuse_leaks
from her2.cohort.verify import Draft
from her2.core.errors import BadConfig, MissingInput
from her2.core.settings import VariableSettings
from her2.core.types import Cohort, Lesion

POSITIVE = "malignant"
CLINICAL = ("age", "tissue_composition", "signs", "symptoms")
LEAKS = ("birads", "interpretation", "diagnosis", "verification", "classification")
SIGNS = VariableSettings(kind="category")  # of more levels than a category has as a rule
_COLUMNS = (
    "Image_filename", "Mask_tumor_filename", "Pixel_size", "Classification", "Age",
    "Tissue_composition", "Signs", "Symptoms",
)  # fmt: skip
_NO_LESION = "normal"
_IMAGES = "images_and_masks"


def read_breast_lesions_usg(
    root: str | Path | None,
    *,
    positive: str | None = None,
    clinical: Sequence[str] | None = ("age",),
    features: str | Path | None = None,
    n_workers: int = 1,
    bin_width: float | None = None,
    cells: CellRules = PLAIN_RULES,
    **absent: object,
) -> Cohort:
    """Return the verified cohort: 252 lesions of 252 patients, 98 malignant; 4 normal excluded.

    `root` holds the published .xlsx and the folder ``images_and_masks``; `clinical` are any of
    `CLINICAL` ("not available" is missing), age if None; the rest as of `read_folder_cohort`.
    """
    _check_settings(positive, **absent)
    clinical = ("age",) if clinical is None else clinical
    folder = cohort_folder(root)
    refuse_leaks(clinical, LEAKS)
    path = _workbook(folder)
    rows = read_table(path)
    require_columns(rows, _COLUMNS, why="as published")
    unknown = [name for name in clinical if name not in CLINICAL]
    if unknown:
        raise stop(
            "C28", f"expected clinical variables among {listed(CLINICAL)}, found {listed(unknown)}"
            "; correct cohort.clinical",
        )  # fmt: skip
    source = Source(
        "breast_lesions_usg", folder, path.name, POSITIVE, tuple(_drafts(rows, folder)),
        rows.rename(columns=str.casefold),
        cells=replace(cells, variables={"signs": SIGNS, **cells.variables}),
    )  # fmt: skip
    brought = None if features is None else beside(folder, features)
    return assemble(
        source, clinical=clinical, features=brought, bin_width=bin_width, n_workers=n_workers
    )


def _check_settings(positive: str | None, **without: object) -> None:
    """Refuse another positive level than the data set's own, and settings that it has not."""
    if positive not in (None, POSITIVE):
        raise BadConfig(
            f"expected cohort.positive={POSITIVE} for this data set, found {positive!r}; "
            "leave it out"
        )
    for setting, value in without.items():
        if value is not None:
            name = "split.external or split.leave_out" if setting == "centre" else None
            raise BadConfig(
                f"expected no {name or f'cohort.{setting}'} for breast_lesions_usg, found one; "
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
    draft = Draft(row, Path(cells["Image_filename"]).stem, "1", None)
    if row not in outcomes:
        return draft.noted(Note("E01", "a normal breast, no lesion", "nothing"))
    outcome = outcomes[row]
    if outcome is None:
        fix = "use the published table"
        return draft.noted(Note("C15", "the classification is missing", fix))
    notes: list[Note] = []
    images, masks = (
        existing_paths([f"{_IMAGES}/{cells[column]}"], folder, notes, absent=absent)
        for column, absent in (("Image_filename", "C04"), ("Mask_tumor_filename", "M01"))
    )
    spacing = parse_spacing(cells["Pixel_size"], notes, scale=10.0)  # published in centimetres
    if not leaves_out(notes):
        lesion = Lesion(draft.patient_id, "1", outcome, images[0], masks, spacing_mm=spacing)
        draft = replace(draft, lesion=lesion)
    return draft.noted(*notes)
