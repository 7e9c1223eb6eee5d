"""Cohorts: the patient table, images and masks, read once, verified, and nothing bad let in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from her2.cohort.breast_lesions_usg import check_positive, read_breast_lesions_usg
from her2.cohort.files import decode_each
from her2.cohort.folder import read_folder_cohort
from her2.cohort.lesions import load_lesion, load_reader2_mask
from her2.cohort.problems import CATALOGUE, write_quarantine
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


class ReadSettings(TypedDict, total=False):
    """Settings of `read_cohort`: those of `read_folder_cohort`."""

    table: str | Path | None
    positive: str | None
    clinical: Sequence[str] | None
    features: str | Path | None
    frame: str | None


def read_cohort(
    name: str,
    *,
    root: str | Path | None = None,
    n_workers: int = 1,
    **settings: Unpack[ReadSettings],
) -> Cohort:
    """Return a verified cohort in the layout ``folder`` or ``breast_lesions_usg``.

    `clinical` None means the layout's own choice: no variable of a folder, age of the public
    data set.

    Raises
    ------
    BadConfig
        For a name that is none of `COHORTS`, or a setting that the layout does not have.
    MissingInput, BadCohort
        As `read_folder_cohort`.
    """
    if name == "folder":
        return read_folder_cohort(root or "", n_workers=n_workers, **settings)
    if name != "breast_lesions_usg":
        raise BadConfig(f"expected cohort to be one of {', '.join(COHORTS)}, found {name!r}")
    check_positive(settings.get("positive"))
    for setting in ("table", "frame"):
        if settings.get(setting) is not None:
            raise BadConfig(
                f"expected no cohort.{setting} for breast_lesions_usg, found one; leave it out"
            )
    clinical = settings.get("clinical")
    return read_breast_lesions_usg(
        root or "", clinical=("age",) if clinical is None else clinical,
        features=settings.get("features"), n_workers=n_workers,
    )  # fmt: skip
