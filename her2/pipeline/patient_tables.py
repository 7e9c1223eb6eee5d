"""Tables about the patients: Table 1 twice, odds ratios, agreement of the two readers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2 import stats
from her2.cohort import load_lesion, load_reader2_mask
from her2.core.errors import BadArgument, InputProblem, NotEstimable
from her2.core.types import Cohort, Lesion, LesionImage
from her2.models.clinical_imputation import clinical_table
from her2.pipeline.run import OpenRun

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


def patient_tables(
    run: OpenRun, notes: list[str]
) -> tuple[dict[str, pd.DataFrame], ReaderAgreement]:
    """Return the tables of a run's patients and its readers; `notes` gets what is not estimable.

    Odds ratios are of training patients, because only these may choose variables. Tests take rows
    for independent, so of the rows of a patient with the same outcome the first one counts.
    """
    lesions, role_of = run.cohort.lesions, run.split.roles()
    # where every centre is left out in turn, all train, and the centres are what differs
    leaves_out = bool(run.training.centres)
    roles = np.array([str(x.centre) if leaves_out else role_of[x.key] for x in lesions])
    is_counted = ~pd.Index([(x.patient_id, x.outcome) for x in lesions]).duplicated()
    table = clinical_table(run.cohort.clinical)[is_counted]
    y_true = run.cohort.y_true[is_counted]
    tables = {
        "baseline": stats.baseline_table(table, roles[is_counted], y_true=y_true),
        "baseline_outcome": stats.baseline_by_outcome(table, y_true),
        "odds_ratios": _odds_ratios(run, table, notes),
    }
    return tables, reader_agreement(run.cohort, roles=role_of)


def _odds_ratios(run: OpenRun, table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    names = list(table.columns)
    if not names:
        return pd.DataFrame()
    is_counted = pd.Index(run.training.keys).isin(table.index)
    trained = table.loc[[key for key in run.training.keys if key in table.index]]
    y_true, rule = run.training.y_true[is_counted], run.settings.evaluation.stepwise
    stepwise = None if rule == "none" else rule
    try:
        return stats.odds_ratio_table(trained, y_true, names, stepwise=stepwise)
    except NotEstimable as reason:
        notes.append(f"Odds ratios are not estimable: {reason}")
        return pd.DataFrame()


def reader_agreement(
    cohort: Cohort, *, roles: Mapping[str, str] | None = None, limit: float = 0.75
) -> ReaderAgreement:
    """Return the agreement of the two readers on every lesion with a second mask.

    roles: by `Lesion.key`, None without a split; limit: Dice overlap and ICC below which a lesion
    goes to a third reader (.75 in the paper).
    """
    both = [lesion for lesion in cohort.lesions if lesion.image and lesion.masks_reader2]
    rows = [_row(lesion, (roles or {}).get(lesion.key)) for lesion in both]
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *_AREAS])
    listed = stats.adjudication_list(table, dice_limit=limit, icc_limit=limit)
    return ReaderAgreement(table[_COLUMNS], _summary(table), listed)


def feature_agreement(
    first: pd.DataFrame, second: pd.DataFrame, *, min_pairs: int = 10
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the intraclass correlation of every feature of two readers' masks, and a summary.

    First: feature, value, low, high (ICC(2,1) with 95 % limits), note, n_pairs; second: one row
    as in `ReaderAgreement.summary`, n features, their median ICC and range.

    first, second: features by `Lesion.key`, the same columns; only lesions of both are compared.
    """
    if list(first.columns) != list(second.columns):
        raise BadArgument("the readers' tables must have the same features in the same order")
    keys = first.index.intersection(second.index)
    found = stats.icc_of_pairs(first.loc[keys], second.loc[keys], min_pairs=min_pairs)
    found.insert(0, "feature", list(first.columns))
    return found, _rows([_spread("ICC(2,1) of a feature", found["value"])])


def _row(lesion: Lesion, role: str | None) -> dict[str, object]:
    """Return the measures of one lesion; none where its second mask cannot be used."""
    named = (lesion.patient_id, lesion.lesion_id, role)
    known: dict[str, object] = dict(zip(_COLUMNS[:3], named, strict=True))
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
        "dice": stats.dice(first.mask, second),
        "area_difference_pct": 200.0 * (areas[1] - areas[0]) / (areas[1] + areas[0]),
        "icc": stats.mask_icc(first.mask, second),
    }
    if first.spacing_known:
        distance = stats.hausdorff_distance(first.mask, second, spacing_mm=first.spacing_mm)
        row["hausdorff_mm"] = distance.maximum_mm
    pixel = first.spacing_mm[0] * first.spacing_mm[1]
    return row | {name: area * pixel for name, area in zip(_AREAS, areas, strict=True)}


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure, and one of the lesions' areas where they have an ICC."""
    if table.empty:
        return _rows([])
    rows = [_spread(title, table[name]) for name, title in MEASURES.items()]
    areas = table[_AREAS].dropna()
    with suppress(NotEstimable):
        found = stats.icc(areas)
        measure = "ICC(2,1) of the lesions' areas"
        rows.append((measure, len(areas), found.value, found.low, found.high))
    return _rows(rows)


def _rows(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=_SUMMARY_COLUMNS)


def _spread(measure: str, values: pd.Series) -> tuple[object, ...]:
    """Return measure, n, median and range of the values that are there."""
    known = values.dropna().astype(np.float64)
    return measure, len(known), known.median(), known.min(), known.max()
