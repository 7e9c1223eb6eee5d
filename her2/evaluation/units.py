"""One probability a patient, of those of his or her images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from her2.errors import BadCohort
from her2.types import Lesion

UNITS = ("lesion", "patient")


def by_patient(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a patient where there is one a lesion: the mean of the probabilities.

    Slices and views of a lesion, and lesions of a patient, are judged together; `lesion_id` is
    that of the first. The order of rows is that of each patient's first.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet, or of repeated_cv.parquet.

    Examples
    --------
    >>> rows = {"patient_id": ["a", "a", "b"], "lesion_id": ["1", "2", "1"]}
    >>> rows |= {"y_true": [1, 1, 0], "y_prob": [0.2, 0.6, 0.3]}
    >>> by_patient(pd.DataFrame(rows))[["patient_id", "y_prob"]].values.tolist()
    [['a', 0.4], ['b', 0.3]]
    """
    whose = [name for name in predictions.columns if name not in ("lesion_id", "y_prob")]
    grouped = predictions.groupby(whose, sort=False, dropna=False, as_index=False)
    judged = grouped.agg(lesion_id=("lesion_id", "first"), y_prob=("y_prob", "mean"))
    return judged[predictions.columns].astype(predictions.dtypes.to_dict())


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
