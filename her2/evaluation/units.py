"""One probability a patient, of those of his or her images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from her2.core.errors import BadCohort
from her2.core.types import Lesion
from her2.models.imbalance import at_prevalence

UNITS = ("lesion", "patient")


def by_patient(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a patient where there is one a lesion: the mean of the probabilities.

    Slices and views of a lesion, and lesions of a patient, are judged together; `lesion_id` is
    that of the first. The order of rows is that of each patient's first. Models learn from rows:
    where patients of one outcome have more of them, every probability is moved by its odds from
    the prevalence of the training rows to that of the training patients; ranks stay.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet, or of repeated_cv.parquet.

    Examples
    --------
    >>> rows = {"patient_id": ["a", "a", "b"], "lesion_id": ["1", "2", "1"]}
    >>> rows |= {"y_true": [1, 1, 0], "y_prob": [0.2, 0.6, 0.3]}
    >>> by_patient(pd.DataFrame(rows))[["patient_id", "y_prob"]].round(3).values.tolist()
    [['a', 0.25], ['b', 0.176]]
    """
    whose = [name for name in predictions.columns if name not in ("lesion_id", "y_prob")]
    grouped = predictions.groupby(whose, sort=False, dropna=False, as_index=False)
    judged = grouped.agg(lesion_id=("lesion_id", "first"), y_prob=("y_prob", "mean"))
    of_rows, of_patients = _prevalences(predictions)
    if of_rows != of_patients:
        mean = judged["y_prob"].to_numpy()
        judged["y_prob"] = at_prevalence(mean, before=of_rows, after=of_patients)
    return judged[predictions.columns].astype(predictions.dtypes.to_dict())


def _prevalences(predictions: pd.DataFrame) -> tuple[float, float]:
    """Prevalence of the training rows and of their patients; without roles, of all rows."""
    if "role" in predictions.columns:
        predictions = predictions[predictions["role"].eq("train")]
    rows = predictions.drop_duplicates(["patient_id", "lesion_id"])
    patients = rows.drop_duplicates("patient_id")
    return float(rows["y_true"].mean()), float(patients["y_true"].mean())


def check_patients(lesions: Sequence[Lesion]) -> None:
    """Refuse patients with lesions of both outcomes: they have no outcome of their own.

    Raises
    ------
    BadCohort
        With how many there are.
    """
    outcomes: dict[str, set[int]] = {}
    for lesion in lesions:
        outcomes.setdefault(lesion.patient_id, set()).add(lesion.outcome)
    n_mixed = sum(len(found) > 1 for found in outcomes.values())
    if n_mixed:
        raise BadCohort(
            f"expected one outcome a patient with evaluation.unit=patient, found {n_mixed} "
            "patients with lesions of both; use evaluation.unit=lesion"
        )
