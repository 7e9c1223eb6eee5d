"""Cohorts: the patient table, images and masks, read once, verified, and nothing bad let in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from her2.cohort.breast_lesions_usg import check_positive, read_breast_lesions_usg
from her2.cohort.files import decode_each
from her2.cohort.folder import read_folder_cohort
from her2.cohort.lesions import load_lesion, load_reader2_mask
from her2.cohort.problems import CATALOGUE
from her2.cohort.quarantine import write_quarantine
from her2.core.errors import BadConfig
from her2.core.types import Cohort

COHORTS = ("folder", "breast_lesions_usg")

__all__ = [
    "CATALOGUE",
    "COHORTS",
    "decode_each",
    "load_lesion",
    "load_reader2_mask",
    "read_breast_lesions_usg",
    "read_cohort",
    "read_folder_cohort",
    "write_quarantine",
]


def read_cohort(
    name: str,
    *,
    root: str | Path | None = None,
    table: str | Path | None = None,
    positive: str | None = None,
    clinical: Sequence[str] | None = None,
    features: str | Path | None = None,
    frame: str | None = None,
    n_workers: int = 1,
) -> Cohort:
    """Return a verified cohort by the name of its reader, ``folder`` or ``breast_lesions_usg``.

    `clinical` None means the reader's own choice: no variable of a folder, age of the public
    data set. The other parameters are those of `read_folder_cohort`.

    Raises
    ------
    BadConfig
        For a name that is none of `COHORTS`, or a setting the reader does not have.
    MissingInput, BadCohort
        As the readers.
    """
    if name == "folder":
        return read_folder_cohort(
            root or "",
            table=table,
            positive=positive,
            clinical=clinical or (),
            features=features,
            frame=frame,
            n_workers=n_workers,
        )
    if name != "breast_lesions_usg":
        raise BadConfig(f"expected cohort to be one of {', '.join(COHORTS)}, found {name!r}")
    check_positive(positive)
    if table is not None:
        raise BadConfig("expected no cohort.table for breast_lesions_usg, found one; leave it out")
    if frame is not None:
        raise BadConfig("expected no cohort.frame for breast_lesions_usg, found one; leave it out")
    return read_breast_lesions_usg(
        root or "",
        clinical=("age",) if clinical is None else clinical,
        features=features,
        n_workers=n_workers,
    )
