"""Patients entered twice: near-duplicate images and feature rows of different patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from her2.cohort.duplicate_rows import RowCopy, duplicate_rows
from her2.cohort.duplicates import NearDuplicate, near_duplicates
from her2.core.store import write_atomic
from her2.core.types import split_groups
from her2.models.nested_cv import Arm
from her2.pipeline.run import OpenRun
from her2.report import guard

Row = tuple[str, str, str, bool | None]  # None: not checked, and `found` says why
Pairs = Sequence[NearDuplicate | RowCopy]

IMAGES = "Overlap by copies: near-duplicate images of different patients"
SIDES = ("first", "second")
FEATURES = "Overlap by copies: nearly identical feature rows of different patients"


@dataclass(frozen=True)
class Copies:
    """Pairs of lesions of different patients that are one lesion.

    Attributes
    ----------
    images
        By their images; None where the cohort has none.
    features
        By their radiomic features, measured or brought; None where they cannot be compared.
    unchecked
        Why not.
    """

    images: Sequence[NearDuplicate] | None = None
    features: Sequence[RowCopy] | None = None
    unchecked: str = "the cohort has no features"


def find_copies(run: OpenRun, arms: Sequence[Arm]) -> Copies:
    """Return the copies of a run among images and among the features of the radiomics arm."""
    small, owners = run.cohort.thumbnails, split_groups(run.cohort.lesions)
    images = None if small is None else near_duplicates(small, owners=owners)
    keys = [lesion.key for lesion in run.cohort.lesions]
    for arm in arms:
        if arm.name == "radiomics":
            features = duplicate_rows(arm.rows(keys)[:, arm.is_candidate], owners)
            why = "too few patients or columns to tell a copy from a coincidence"
            return Copies(images, features, why)
    return Copies(images)


def copies_rows(run: OpenRun, copies: Copies) -> list[Row]:
    """Return the checks for copies: on two sides of the split, or in two patients of one role."""
    return [
        _row(IMAGES, run, copies.images, "the cohort has no images"),
        _row(FEATURES, run, copies.features, copies.unchecked),
    ]


def _row(check: str, run: OpenRun, pairs: Pairs | None, why: str) -> Row:
    if pairs is None:
        return check, "0 pairs", f"not checked: {why}", None
    owner = np.unique(split_groups(run.cohort.lesions), return_counts=True)[1]
    n = int(owner.sum())
    n_pairs = (n * n - int((owner**2).sum())) // 2
    roles = run.split.roles()
    role = [roles[lesion.key] for lesion in run.cohort.lesions]
    across = sum(role[pair.first] != role[pair.second] for pair in pairs)
    said = f"{len(pairs)} of {n_pairs:,} pairs"
    if pairs:
        said += f", {across} of them across roles (near_duplicates.csv)"
    return check, "0 pairs", said, not pairs


def write_copies(run: OpenRun, copies: Copies) -> None:
    """Write near_duplicates.csv if there are any; like quarantine.csv it is never sent."""
    lesions, roles = run.cohort.lesions, run.split.roles()
    rows = []
    for kind, pairs in (("images", copies.images), ("features", copies.features)):
        for pair in pairs or ():
            row = {"copy_of": kind}
            for which, i in zip(SIDES, (pair.first, pair.second), strict=True):
                row[f"{which}_patient_id"] = lesions[i].patient_id
                row[f"{which}_lesion_id"] = lesions[i].lesion_id
                row[f"{which}_role"] = roles[lesions[i].key]
            rows.append(row | {k: v for k, v in asdict(pair).items() if k not in SIDES})
    if rows:
        text = pd.DataFrame(rows).map(guard).to_csv(index=False, lineterminator="\n")
        write_atomic(run.folder.file("near_duplicates.csv"), text.encode())
