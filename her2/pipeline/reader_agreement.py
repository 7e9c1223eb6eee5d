"""Agreement of two readers: on the outline of each lesion, and on its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.cohort import load_lesion, load_reader2_mask
from her2.core.errors import BadArgument, InputProblem, NotEstimable
from her2.core.types import Cohort, Lesion, LesionImage, Role
from her2.stats import adjudication_list, dice, hausdorff_distance, icc, icc_of_pairs, mask_icc

MEASURES = {
    "dice": "Dice overlap",
    "hausdorff_mm": "Hausdorff distance (mm)",
    "area_difference_pct": "Area, second less first reader (% of their mean)",
    "icc": "ICC(2,1) of a lesion's pixels",
}
_COLUMNS = ["patient_id", "lesion_id", "role", *MEASURES]
_AREAS = ["first_area", "second_area"]
_SUMMARY_COLUMNS = ["measure", "n", "median", "low", "high"]


@dataclass(frozen=True)
class ReaderAgreement:
    """Agreement of two readers' masks; no row anywhere if no lesion has a second mask.

    Attributes
    ----------
    per_lesion
        patient_id, lesion_id, role (None without a split), dice, hausdorff_mm (NaN where the
        spacing is unknown), area_difference_pct, icc (`her2.stats.mask_icc`); all NaN where the
        second mask cannot be used.
    summary
        measure, n, median, low, high; low and high are the range over the lesions. The last row
        is the ICC of areas: the coefficient (under "median") and its 95 % limits.
    adjudication
        As `her2.stats.adjudication_list`.
    """

    per_lesion: pd.DataFrame
    summary: pd.DataFrame
    adjudication: pd.DataFrame


@dataclass(frozen=True)
class FeatureAgreement:
    """Agreement of two readers' features.

    Attributes
    ----------
    per_feature
        feature, value, low, high (ICC(2,1) with 95 % limits), note, n_pairs.
    summary
        One row as in `ReaderAgreement.summary`: n features, their median ICC and range.
    """

    per_feature: pd.DataFrame
    summary: pd.DataFrame


def reader_agreement(
    cohort: Cohort, *, roles: Mapping[str, Role] | None = None, limit: float = 0.75
) -> ReaderAgreement:
    """Return the agreement of the two readers on every lesion with a second mask.

    Parameters
    ----------
    cohort
        A verified cohort.
    roles
        Role of each lesion by `Lesion.key`; None where there is no split yet.
    limit
        Dice overlap and ICC below which a lesion goes to a third reader (.75 in the paper).
    """
    both = [lesion for lesion in cohort.lesions if lesion.image and lesion.masks_reader2]
    rows = [_row(lesion, (roles or {}).get(lesion.key)) for lesion in both]
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *_AREAS])
    listed = adjudication_list(table, dice_limit=limit, icc_limit=limit)
    return ReaderAgreement(table[_COLUMNS], _summary(table), listed)


def feature_agreement(
    first: pd.DataFrame, second: pd.DataFrame, *, min_pairs: int = 10
) -> FeatureAgreement:
    """Return the intraclass correlation of every feature of two readers' masks.

    Parameters
    ----------
    first, second
        Features by `Lesion.key`, the same columns; only lesions of both are compared.
    min_pairs
        Fewest lesions a feature needs.

    Raises
    ------
    BadArgument
        If the columns differ.
    """
    if list(first.columns) != list(second.columns):
        raise BadArgument("the readers' tables must have the same features in the same order")
    keys = first.index.intersection(second.index)
    found = icc_of_pairs(first.loc[keys], second.loc[keys], min_pairs=min_pairs)
    found.insert(0, "feature", list(first.columns))
    return FeatureAgreement(found, _rows([_spread("ICC(2,1) of a feature", found["value"])]))


def _row(lesion: Lesion, role: Role | None) -> dict[str, object]:
    """Return the measures of one lesion; none where its second mask cannot be used."""
    known: dict[str, object] = {
        "patient_id": lesion.patient_id,
        "lesion_id": lesion.lesion_id,
        "role": role,
    }
    first = load_lesion(lesion)
    try:
        second = load_reader2_mask(lesion, (first.mask.shape[0], first.mask.shape[1]))
    except InputProblem:  # a warning in quarantine.csv says why
        return known
    assert second is not None
    return known | _measured(first, second)


def _measured(first: LesionImage, second: NDArray[np.bool_]) -> dict[str, object]:
    areas = int(first.mask.sum()), int(second.sum())
    row: dict[str, object] = {
        "dice": dice(first.mask, second),
        "area_difference_pct": 200.0 * (areas[1] - areas[0]) / (areas[1] + areas[0]),
        "icc": mask_icc(first.mask, second),
    }
    if first.spacing_known:
        distance = hausdorff_distance(first.mask, second, spacing_mm=first.spacing_mm)
        row["hausdorff_mm"] = distance.maximum_mm
    pixel = first.spacing_mm[0] * first.spacing_mm[1]
    return row | {name: area * pixel for name, area in zip(_AREAS, areas, strict=True)}


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return _rows([])
    rows = [_spread(title, table[name]) for name, title in MEASURES.items()]
    return _rows([*rows, *_icc_of_areas(table)])


def _rows(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=_SUMMARY_COLUMNS)


def _spread(measure: str, values: pd.Series) -> tuple[object, ...]:
    """Return measure, n, median and range of the values that are there."""
    known = values.dropna().astype(np.float64)
    return measure, len(known), known.median(), known.min(), known.max()


def _icc_of_areas(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return the row of the lesions' areas, or none where they have no ICC."""
    areas = table[_AREAS].dropna()
    try:
        found = icc(areas)
    except NotEstimable:
        return []
    return [("ICC(2,1) of the lesions' areas", len(areas), found.value, found.low, found.high)]
