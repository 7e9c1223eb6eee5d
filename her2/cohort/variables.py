"""Variables of the table, and features that were extracted elsewhere.

Clinical variables are numbers or categories, decided by their cells and never by a guess. Features
are joined to the lesions by key and never by order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from her2.cohort.cells import PLAIN_RULES, CellRules, clean, is_missing, listed
from her2.cohort.clinical_cells import Variable, read_variable
from her2.cohort.cohort_table import read_table, require_columns, row_numbers
from her2.cohort.problems import Note, stop
from her2.cohort.verify import Draft
from her2.cohort.workbook import check_bytes
from her2.core.errors import BadCohort
from her2.core.store import check_regular

_LEAKS = re.compile(
    r"her-?2|fish|ihc|erb-?b-?2|c-?erb|neu$|trastuzumab|herceptin|pertuzumab|outcome|pcr|"
    r"recurrence",
    re.IGNORECASE,
)
# IHC of another marker tells no HER2 status
_OTHER_MARKER = re.compile(
    r"(?<![a-z])(er|pr|ar|ki-?_?67|p53|egfr|ck\d+|o?estrogen\w*|progesterone\w*|androgen\w*)(?![a-z])",
    re.IGNORECASE,
)
_HER2_NAMED = re.compile(r"her-?2|erb-?b-?2", re.IGNORECASE)
_AFTER_BIOPSY = re.compile(
    r"^(er|pr|ki-?_?67|grade|estrogen.*|progesterone.*|p53|lymph_?node.*|n_?stage|histolog.*)"
    r"(\W.*)?$",
    re.IGNORECASE,
)
_AGE = re.compile(r"(age|alter|âge|edad|età|idade|leeftijd|年龄|年齡|年齢|возраст)(\W.*)?")
_AGES = (10.0, 120.0)
_MOSTLY_MISSING = 0.4
_MOST = 1e100  # of a feature: the square of more overflows
_FIX = "give every lesion of the patient table one row of features"


def refuse_leaks(names: Sequence[str], also: Sequence[str] = ()) -> None:
    """Refuse variables whose name gives away the outcome (C22); `also` are names that leak too."""
    hidden = {name.casefold() for name in also}
    leaks = [name for name in names if _leaks(name) or name.casefold() in hidden]
    if leaks:
        raise stop(
            "C22",
            f"expected variables that are known before the outcome, found {listed(leaks)}; "
            "take them out of the variables",
        )


def _leaks(name: str) -> bool:
    found = {text.casefold() for text in _LEAKS.findall(name)}
    return bool(found - {"ihc"}) or (bool(found) and not _OTHER_MARKER.search(name))


@dataclass(frozen=True)
class ClinicalTable:
    """Clinical variables of a table.

    Attributes
    ----------
    values
        A column a variable: float, or text for a category; NaN where missing; index the row.
    units
        Of the numbers whose unit is known, by name.
    notes
        What was changed in reading them, and what is doubtful about them.
    """

    values: pd.DataFrame
    units: dict[str, str]
    notes: list[Note]


def clinical_table(
    table: pd.DataFrame, names: Sequence[str], rules: CellRules = PLAIN_RULES
) -> ClinicalTable:
    """Clinical variables as `her2.cohort.clinical_cells.read_variable` reads them.

    Raises
    ------
    BadCohort
        With all that is wrong with any of them.
    """
    found: dict[str, Variable] = {}
    wrong: list[str] = []
    for name in dict.fromkeys(names):
        try:
            refuse_leaks([name])
            require_columns(table, [name], why="named in cohort.clinical")
            found[name] = read_variable(table[name], rules)
        except BadCohort as error:
            wrong += error.problems
    if wrong:
        raise BadCohort(*wrong)
    notes = [note for name, variable in found.items()
             for note in (*variable.notes, *_variable_notes(name, variable))]  # fmt: skip
    used = {name: v for name, v in found.items() if v.values.nunique() > 1}
    values = pd.DataFrame({name: v.values for name, v in used.items()}, index=table.index)
    return ClinicalTable(values, {name: v.unit for name, v in used.items() if v.unit}, notes)


def refuse_copies(clinical: pd.DataFrame, outcomes: Sequence[int]) -> None:
    """Refuse a two-level variable that repeats the outcome under another name (C22)."""
    outcome = np.asarray(outcomes)
    for name, column in clinical.items():
        codes, levels = pd.factorize(column)  # missing is -1, which equals no outcome
        agreement = float(np.mean(codes == outcome))
        if len(levels) == 2 and (codes >= 0).all() and agreement in (0.0, 1.0):
            raise stop(
                "C22",
                f"expected {str(name)!r} to be a predictor, found a copy of the outcome; "
                "take it out of the variables",
            )


def _variable_notes(name: str, variable: Variable) -> list[Note]:
    notes = []
    column = variable.values
    missing = float(column.isna().mean())
    if column.nunique() < 2:
        what = f"{name!r} has {column.nunique()} distinct values and is left out"
        return [Note("C20", what, "fill the column or take it out of the variables")]
    if missing > _MOSTLY_MISSING:
        what = f"{missing:.0%} of {name!r} is missing"
        notes.append(Note("C21", what, "complete it, or take it out of the variables"))
    telling = [str(level) for level in column.dropna().unique() if _HER2_NAMED.search(str(level))]
    if telling:
        what = f"levels of {name!r} name HER2: {listed(telling, 3)}"
        fix = "take it out of the variables where HER2 is the outcome"
        notes.append(Note("C22", what, fix, severity="warning"))
    if _AFTER_BIOPSY.match(name):
        what = f"{name!r} is usually known only after biopsy, together with HER2"
        notes.append(Note("C23", what, "do not call a model with it pre-operative"))
    if _AGE.fullmatch(clean(name)) and column.dtype == np.float64:
        n_odd = int(((column < _AGES[0]) | (column > _AGES[1])).sum())
        if n_odd:
            what = f"{n_odd} ages outside {_AGES[0]:g} to {_AGES[1]:g} years"
            notes.append(Note("C18", what, "check these ages"))
    return notes


def read_features(path: Path) -> pd.DataFrame:
    """Numbers (n_rows, n_features) of a csv, xlsx or parquet file, and its identifier columns.

    Columns `patient_id` and, if there, `lesion_id` stay text; every other column becomes float.
    """
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else read_table(path)
    require_columns(table, ["patient_id"], why="the features' key")
    keys = [name for name in ("patient_id", "lesion_id") if name in table.columns]
    names = [str(name) for name in table.columns if name not in keys]
    refuse_leaks(names)
    if not names:
        raise stop("C28", "expected columns of features, found identifiers only; add the features")
    repeated = table.index[table.duplicated(keys, keep=False)]
    if len(repeated):
        raise stop(
            "C02",
            f"expected one row of features a lesion, found {row_numbers(list(repeated))} with the "
            "same identifiers; keep one, or add lesion_id",
        )
    numbers = {name: _numbers(table[name]) for name in names}
    return pd.concat([table[keys], pd.DataFrame(numbers, index=table.index)], axis=1)


def match_features(
    drafts: Sequence[Draft], brought: pd.DataFrame
) -> tuple[list[Draft], pd.DataFrame, list[Note]]:
    """Drafts (C04 where features are missing), features by `Lesion.key`, notes on the cohort."""
    by_lesion = "lesion_id" in brought.columns
    ids = [(d.patient_id, d.lesion_id) if by_lesion else (d.patient_id, "") for d in drafts]
    if len(set(ids)) < len(ids):
        raise stop(
            "C03",
            "expected features by lesion because a patient has several, found only patient_id; "
            "add the column lesion_id to the features",
        )
    lesion_ids = brought["lesion_id"] if by_lesion else [""] * len(brought)
    row_of = {key: i for i, key in enumerate(zip(brought["patient_id"], lesion_ids, strict=True))}
    absent = Note("C04", "no row of features for this lesion", _FIX)
    matched = [d if key in row_of else d.noted(absent) for d, key in zip(drafts, ids, strict=True)]
    found = [(f"{d.patient_id}/{d.lesion_id}", row_of[key])
             for d, key in zip(drafts, ids, strict=True) if key in row_of]  # fmt: skip
    values = brought.drop(columns=["patient_id", "lesion_id"], errors="ignore")
    features = values.iloc[[row for _, row in found]].set_axis([key for key, _ in found])
    n_unknown = len(set(row_of) - set(ids))
    unknown = Note("C04", f"{n_unknown} rows of features belong to no lesion of the table", _FIX,
                   severity="warning")  # fmt: skip
    return matched, features, [unknown] if n_unknown else []


def _read_parquet(path: Path) -> pd.DataFrame:
    check_bytes(check_regular(path, "features", "name them by cohort.features=FILE"))
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, MemoryError, pa.ArrowException):
        raise stop("C06", "expected a parquet file, found a damaged one; write it again") from None
    if table.index.name in ("patient_id", "lesion_id") or table.index.nlevels > 1:
        table = table.reset_index()
    table = table.set_axis([str(name) for name in table.columns], axis=1).reset_index(drop=True)
    for name in {"patient_id", "lesion_id"} & set(table.columns):
        table[name] = table[name].astype(str)
    return table


def _numbers(column: pd.Series) -> pd.Series:
    """Float column, NaN where missing; infinity counts as missing."""
    values = []
    for cell in column:
        try:
            missing = cell is None or (isinstance(cell, str) and is_missing(cell))
            value = math.nan if missing else float(cell)
        except (TypeError, ValueError):
            raise stop(
                "C28",
                f"expected numbers in the feature {str(column.name)!r}, found "
                f"{listed([str(cell)])}; remove the column or correct the cell",
            ) from None
        if math.isfinite(value) and abs(value) > _MOST:
            raise stop(
                "C28",
                f"expected numbers below {_MOST:g} in the feature {str(column.name)!r}, found "
                f"{value:g}; remove the column or correct the cell",
            )
        values.append(value if math.isfinite(value) else math.nan)
    return pd.Series(values, index=column.index, name=column.name, dtype=np.float64)
