"""Which rows of predictions.parquet and repeated_cv.parquet a name in results.json speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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
CROSS_VALIDATED = "out_of_fold"
KEYS = ["patient_id", "lesion_id"]


@dataclass(frozen=True)
class RoleRows:
    """What one arm predicted in one role, and who it was.

    Attributes
    ----------
    role, arm
        Names.
    y_true
        Outcomes, (n,), sorted by lesion.
    y_prob
        Probabilities, (n_repeats, n): all repeats of the cross-validation, one elsewhere.
    fold
        The fold without which each was predicted, (n_repeats, n); None elsewhere.
    patient
        Number of the patient of each row, (n,).
    keys
        `Lesion.key` of each row.
    """

    role: str
    arm: str
    y_true: IntArray
    y_prob: FloatArray
    fold: IntArray | None
    patient: IntArray
    keys: tuple[str, ...]

    @property
    def n_folds(self) -> int | None:
        """Number of folds; None for patients who took no part in learning."""
        return None if self.fold is None else np.unique(self.fold).size


def honest_roles(predictions: pd.DataFrame) -> list[str]:
    """Return the roles in which nobody is judged by a model that has learned from him or her."""
    judged = predictions.loc[predictions["kind"].isin(HELD_OUT_KINDS), "role"]
    return [CROSS_VALIDATED, *(str(role) for role in judged.unique())]


def role_rows(predictions: pd.DataFrame, arm: str, name: str) -> pd.DataFrame:
    """Return one arm's rows of one of `PredictionRows.roles`, sorted by lesion.

    Of the cross-validation those of the first repeat, as predictions.parquet has them.
    """
    of = predictions[predictions["arm"].eq(arm)]
    if name in TRAINED:
        role, kind = TRAINED[name]
        rows = of[of["role"].eq(role) & of["kind"].eq(kind)]
    else:
        rows = of[of["role"].eq(name) & of["kind"].isin(HELD_OUT_KINDS)]
    return rows.sort_values(KEYS, kind="stable")


class PredictionRows:
    """What every arm predicted in every role; each is looked up once.

    Attributes
    ----------
    predictions, repeated
        Rows of predictions.parquet and repeated_cv.parquet.
    """

    def __init__(self, predictions: pd.DataFrame, repeated: pd.DataFrame) -> None:
        self.predictions, self.repeated = predictions, repeated
        self._found: dict[tuple[str, str], RoleRows | None] = {}

    @property
    def honest_roles(self) -> list[str]:
        """Roles in which nobody is judged by a model that has learned from him or her."""
        return honest_roles(self.predictions)

    @property
    def roles(self) -> list[str]:
        """Names in results.json: train, and the honest roles."""
        return ["train", *self.honest_roles]

    def of(self, arm: str, role: str) -> RoleRows | None:
        """Return what an arm predicted in a role, all repeats of it; None where it did not."""
        if (arm, role) not in self._found:
            self._found[arm, role] = (
                _repeats(self.repeated, arm)
                if role == CROSS_VALIDATED
                else _once(role_rows(self.predictions, arm, role), arm, role)
            )
        return self._found[arm, role]

    def judged(self, arms: Iterable[str], roles: Iterable[str]) -> Iterator[RoleRows]:
        """Yield what the arms predicted, role by role, wherever an arm has predictions."""
        names = list(arms)
        for role in roles:
            found = (self.of(arm, role) for arm in names)
            yield from (rows for rows in found if rows is not None)


def first_repeat(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the out-of-fold rows of predictions.parquet as those of one repeat."""
    rows = predictions[predictions["kind"].eq("out_of_fold")]
    return rows.assign(repeat=0)


def _once(rows: pd.DataFrame, arm: str, role: str) -> RoleRows | None:
    if rows.empty:
        return None
    return RoleRows(
        role, arm, rows["y_true"].to_numpy(np.int64), rows["y_prob"].to_numpy(np.float64)[None],
        None, _numbers(rows["patient_id"]), _lesions(rows[KEYS]),
    )  # fmt: skip


def _repeats(repeated: pd.DataFrame, arm: str) -> RoleRows | None:
    rows = repeated[repeated["arm"].eq(arm)]
    if rows.empty:
        return None
    wide = rows.pivot(index=KEYS, columns="repeat", values=["y_prob", "fold"]).sort_index()
    outcome = rows[rows["repeat"].eq(rows["repeat"].min())].set_index(KEYS)["y_true"]
    y_true = outcome.loc[wide.index].to_numpy(np.int64)
    y_prob, fold = (wide[name].to_numpy(np.float64).T for name in ("y_prob", "fold"))
    patient = _numbers(wide.index.get_level_values("patient_id"))
    keys = _lesions(wide.index.to_frame())
    return RoleRows(CROSS_VALIDATED, arm, y_true, y_prob, fold.astype(np.int64), patient, keys)


def _lesions(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(rows["patient_id"].astype(str) + "/" + rows["lesion_id"].astype(str))


def _numbers(patients: pd.Series | pd.Index) -> IntArray:
    return np.asarray(pd.factorize(patients)[0], dtype=np.int64)


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


def judged_unit(lesions: Sequence[Lesion]) -> str:
    """Return what is judged by itself: ``patient`` where any has several rows, else ``lesion``.

    Patients with lesions of both outcomes have none of their own, and rows are judged.
    """
    several = len({lesion.patient_id for lesion in lesions}) < len(lesions)
    return "patient" if several and not _n_mixed(lesions) else "lesion"


def check_patients(lesions: Sequence[Lesion]) -> None:
    """Raise `BadCohort` if a patient has lesions of both outcomes, and so none of its own."""
    n_mixed = _n_mixed(lesions)
    if n_mixed:
        raise BadCohort(
            f"expected one outcome a patient with evaluation.unit=patient, found {n_mixed} "
            "patients with lesions of both; use evaluation.unit=lesion"
        )


def _n_mixed(lesions: Sequence[Lesion]) -> int:
    outcomes: dict[str, set[int]] = {}
    for lesion in lesions:
        outcomes.setdefault(lesion.patient_id, set()).add(lesion.outcome)
    return sum(len(found) > 1 for found in outcomes.values())
