"""Features that were extracted elsewhere, joined to the lesions by key and never by order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from her2.cohort.clinical_columns import refuse_leaks
from her2.cohort.cohort_table import read_table, require_columns, row_numbers
from her2.cohort.outcome import is_missing, listed
from her2.cohort.problems import Note, stop
from her2.cohort.verify import Draft
from her2.core.errors import MissingInput

_FIX = "give every lesion of the patient table one row of features"


def read_features(path: Path) -> pd.DataFrame:
    """Numbers (n_rows, n_features) of a csv, xlsx or parquet file, and its identifier columns.

    Columns `patient_id` and, if there, `lesion_id` stay text; every other column becomes float.

    Raises
    ------
    MissingInput
        If there is no such file.
    BadCohort
        C28 for a column that is not numeric, C22 for one that gives away the outcome, C02 for
        two rows of one lesion.
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
    """Drafts (C04 where features are missing), features by `Lesion.key`, notes on the cohort.

    Raises
    ------
    BadCohort
        C03 if patients have several lesions and the features name only patients.
    """
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
    if not path.is_file():
        raise MissingInput(f"expected features, found no file {path}; name it by cohort.features")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException):
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
        values.append(value if math.isfinite(value) else math.nan)
    return pd.Series(values, index=column.index, name=column.name, dtype=np.float64)
