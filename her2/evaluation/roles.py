"""Which rows of predictions.parquet a name in results.json speaks of."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# name in results.json -> (role, kind) in predictions.parquet
PERFORMANCE_ROLES = {
    "train": ("train", "in_sample"),
    "out_of_fold": ("train", "out_of_fold"),
    "test": ("test", "held_out"),
    "external": ("external", "held_out"),
}
HONEST_ROLES = ("out_of_fold", "test", "external")
REPEATED = "repeated_cv"


def role_rows(predictions: pd.DataFrame, arm: str, name: str) -> pd.DataFrame:
    """Return one arm's rows of one of `PERFORMANCE_ROLES`, sorted by lesion."""
    role, kind = PERFORMANCE_ROLES[name]
    chosen = predictions["arm"].eq(arm) & predictions["role"].eq(role)
    rows = predictions[chosen & predictions["kind"].eq(kind)]
    return rows.sort_values(["patient_id", "lesion_id"], kind="stable")


def outcome_and_probability(
    predictions: pd.DataFrame, arm: str, name: str
) -> tuple[IntArray, FloatArray]:
    """Return outcomes (n,) and probabilities (n,) of one arm in one role, sorted by lesion."""
    rows = role_rows(predictions, arm, name)
    return rows["y_true"].to_numpy(np.int64), rows["y_prob"].to_numpy(np.float64)


def patients(predictions: pd.DataFrame, arm: str, name: str) -> NDArray[np.int64]:
    """Return the number of each row's patient, (n,), for resampling whole patients."""
    codes = pd.factorize(role_rows(predictions, arm, name)["patient_id"])[0]
    return np.asarray(codes, dtype=np.int64)


def repeats_of(repeated: pd.DataFrame, arm: str) -> tuple[IntArray, FloatArray]:
    """Return outcomes (n,) and out-of-fold probabilities (n_repeats, n) of an arm.

    repeated: rows of repeated_cv.parquet.
    """
    rows = repeated[repeated["arm"].eq(arm)]
    keys = ["patient_id", "lesion_id"]
    wide = rows.pivot(index=keys, columns="repeat", values="y_prob").sort_index()
    outcome = rows[rows["repeat"].eq(0)].set_index(keys)["y_true"].loc[wide.index]
    return outcome.to_numpy(np.int64), wide.to_numpy(np.float64).T
