"""Which rows of predictions.parquet a name in results.json speaks of; one row a patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.errors import BadCohort
from her2.core.types import Lesion
from her2.models.imbalance import at_prevalence

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# name in results.json -> (role, kind) in predictions.parquet, for the training patients
TRAINED = {"train": ("train", "in_sample"), "out_of_fold": ("train", "out_of_fold")}
HELD_OUT_KINDS = ("held_out", "left_out")
REPEATED = "repeated_cv"


def performance_roles(predictions: pd.DataFrame) -> list[str]:
    """Return the names in results.json: train, out_of_fold, and the roles of held-out patients.

    These are test, external centres, and centres that were left out in turn.
    """
    return ["train", *honest_roles(predictions)]


def honest_roles(predictions: pd.DataFrame) -> list[str]:
    """Return the roles in which nobody is judged by a model that has learned from him or her."""
    judged = predictions.loc[predictions["kind"].isin(HELD_OUT_KINDS), "role"]
    return ["out_of_fold", *(str(role) for role in judged.unique())]


def role_rows(predictions: pd.DataFrame, arm: str, name: str) -> pd.DataFrame:
    """Return one arm's rows of one of `performance_roles`, sorted by lesion."""
    of = predictions[predictions["arm"].eq(arm)]
    if name in TRAINED:
        role, kind = TRAINED[name]
        rows = of[of["role"].eq(role) & of["kind"].eq(kind)]
    else:
        rows = of[of["role"].eq(name) & of["kind"].isin(HELD_OUT_KINDS)]
    return rows.sort_values(["patient_id", "lesion_id"], kind="stable")


def outcome_and_probability(
    predictions: pd.DataFrame, arm: str, name: str
) -> tuple[IntArray, FloatArray]:
    """Return outcomes (n,) and probabilities (n,) of one arm in one role, sorted by lesion."""
    rows = role_rows(predictions, arm, name)
    return rows["y_true"].to_numpy(np.int64), rows["y_prob"].to_numpy(np.float64)


def predicted(
    predictions: pd.DataFrame, arms: Iterable[str], roles: Iterable[str]
) -> Iterator[tuple[str, str, IntArray, FloatArray]]:
    """Yield role, arm, outcomes and probabilities wherever an arm has predictions."""
    names = list(arms)
    for role in roles:
        for arm in names:
            y_true, y_prob = outcome_and_probability(predictions, arm, role)
            if len(y_true):
                yield role, arm, y_true, y_prob


def patient_codes(predictions: pd.DataFrame, arm: str, name: str) -> IntArray:
    """Return the number of each row's patient, (n,), for resampling whole patients."""
    codes = pd.factorize(role_rows(predictions, arm, name)["patient_id"])[0]
    return np.asarray(codes, dtype=np.int64)


def repeats_of(repeated: pd.DataFrame, arm: str) -> tuple[IntArray, FloatArray]:
    """Return an arm's outcomes (n,) and probabilities (n_repeats, n) in repeated_cv.parquet."""
    rows = repeated[repeated["arm"].eq(arm)]
    keys = ["patient_id", "lesion_id"]
    wide = rows.pivot(index=keys, columns="repeat", values="y_prob").sort_index()
    outcome = rows[rows["repeat"].eq(0)].set_index(keys)["y_true"].loc[wide.index]
    return outcome.to_numpy(np.int64), wide.to_numpy(np.float64).T


def by_patient(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a patient: the mean probability of the patient's lesions, slices and views.

    Rows are those of predictions.parquet or repeated_cv.parquet, in the order of each patient's
    first, whose `lesion_id` stays. Models learn from rows: where patients of one outcome have
    more of them, every probability is moved by its odds from the prevalence of the training rows
    to that of the training patients; ranks stay.

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
    whole = rows.drop_duplicates("patient_id")
    return float(rows["y_true"].mean()), float(whole["y_true"].mean())


def check_patients(lesions: Sequence[Lesion]) -> None:
    """Raise `BadCohort` if a patient has lesions of both outcomes, and so none of its own."""
    outcomes: dict[str, set[int]] = {}
    for lesion in lesions:
        outcomes.setdefault(lesion.patient_id, set()).add(lesion.outcome)
    n_mixed = sum(len(found) > 1 for found in outcomes.values())
    if n_mixed:
        raise BadCohort(
            f"expected one outcome a patient with evaluation.unit=patient, found {n_mixed} "
            "patients with lesions of both; use evaluation.unit=lesion"
        )
