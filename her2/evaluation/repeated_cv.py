"""The primary estimate: repeated, nested cross-validation; and whether chance explains an AUC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import honest_roles, patient_codes, predicted, repeats_of

SUMMARY = ("auc", "auc_low", "auc_high", "sd_between_repeats", "min", "max")


def repeated_cross_validation(
    repeated: pd.DataFrame, arms: Sequence[str], notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean AUC over the repeats of every arm, and the AUC of every repeat.

    First table: arm, n_repeats, n_folds, n, n_positive and `SUMMARY`; second: arm, repeat, auc.
    """
    rows, single = [], []
    for arm in arms:
        y_true, y_prob = repeats_of(repeated, arm)
        n_folds = int(repeated.loc[repeated["arm"].eq(arm), "fold"].max()) + 1
        size = {"arm": arm, "n_repeats": len(y_prob), "n_folds": n_folds}
        size |= {"n": len(y_true), "n_positive": int(y_true.sum())}
        try:
            found = stats.repeated_auc(y_true, y_prob)
        except NotEstimable as reason:
            notes.append(f"{arm}, repeated cross-validation: AUC is not estimable: {reason}")
            rows.append(size | dict.fromkeys(SUMMARY))
            continue
        values = (found.auc, found.low, found.high, found.sd_between_repeats,
                  found.lowest, found.highest)  # fmt: skip
        rows.append(size | dict(zip(SUMMARY, values, strict=True)))
        single += [{"arm": arm, "repeat": r, "auc": a} for r, a in enumerate(found.per_repeat)]
    return pd.DataFrame(rows), pd.DataFrame(single, columns=["arm", "repeat", "auc"])


def summary_of(table: pd.DataFrame, arm: str) -> dict[str, Any]:
    """Return an arm's entry `repeated_cv` of results.json."""
    row = table[table["arm"].eq(arm)].iloc[0]
    names = ("n_repeats", "n_folds", "auc", "auc_low", "auc_high", "sd_between_repeats")
    return {name: None if pd.isna(row[name]) else row[name].item() for name in names}


def permutation_tests(
    predictions: pd.DataFrame, arms: Sequence[str], *, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Return arm, role, auc, n_permutations, p_value of outcomes permuted among patients."""
    rows = []
    roles = honest_roles(predictions) if n_permutations else ()
    for role, arm, y_true, y_prob in predicted(predictions, arms, roles):
        try:
            p_value = stats.permutation_p_value(
                y_true, y_prob, groups=patient_codes(predictions, arm, role),
                n_permutations=n_permutations, seed=seed,
            )  # fmt: skip
        except NotEstimable:
            continue  # so is the AUC, and the performance table says why
        rows.append((arm, role, stats.auc(y_true, y_prob), n_permutations, p_value))
    return pd.DataFrame(rows, columns=["arm", "role", "auc", "n_permutations", "p_value"])
