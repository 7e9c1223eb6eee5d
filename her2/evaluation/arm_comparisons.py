"""Which of two arms is better: DeLong with Holm's correction, and reclassification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.roles import (
    HONEST_ROLES,
    REPEATED,
    FloatArray,
    IntArray,
    outcome_and_probability,
    repeats_of,
)

Test = Callable[[IntArray, FloatArray, FloatArray], stats.DelongTest]


def comparisons(
    predictions: pd.DataFrame,
    repeated: pd.DataFrame,
    arms: Sequence[str],
    notes: list[str],
    *,
    roles: Sequence[str] = HONEST_ROLES,
) -> list[dict[str, Any]]:
    """Return paired DeLong tests of all arms, Holm-adjusted over the pairs of one role.

    roles: of `HONEST_ROLES`, or `REPEATED`, which compares the mean AUCs over the repeats of the
    cross-validation, if there was more than one.
    """
    compared: list[dict[str, Any]] = []
    for role in roles:
        pairs = [
            _comparison(found, stats.repeated_delong_test if role == REPEATED else _delong, notes)
            for found in _pairs(predictions, repeated, arms, role)
        ]
        _adjust(pairs)
        compared.extend(pairs)
    return compared


def reclassification(
    predictions: pd.DataFrame, arms: Sequence[str], notes: list[str]
) -> pd.DataFrame:
    """Return IDI and continuous NRI of every two arms.

    Columns: role, first, second, idi, idi_low, idi_high, idi_p, nri, nri_low, nri_high, nri_p;
    positive: the first arm's probabilities are better, as with a difference of AUCs.
    """
    rows = []
    for role in HONEST_ROLES:
        for first, second in combinations(arms, 2):
            y_true, one = outcome_and_probability(predictions, first, role)
            two = outcome_and_probability(predictions, second, role)[1]
            if len(y_true):
                label = {"role": role, "first": first, "second": second}
                rows.append(label | _reclassified(y_true, one, two, label, notes))
    measures = [f"{name}{end}" for name in ("idi", "nri") for end in ("", "_low", "_high", "_p")]
    return pd.DataFrame(rows, columns=["role", "first", "second", *measures])


def _reclassified(
    y_true: IntArray,
    first: FloatArray,
    second: FloatArray,
    label: dict[str, str],
    notes: list[str],
) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, measure in (("idi", stats.idi), ("nri", stats.nri)):
        try:
            result = measure(y_true, first, second)
        except NotEstimable as reason:
            where = f"{label['first']} against {label['second']}, {label['role']}"
            notes.append(f"{where}: {name.upper()} is not estimable: {reason}")
            continue
        found |= {
            name: getattr(result, name),
            f"{name}_low": result.low,
            f"{name}_high": result.high,
            f"{name}_p": result.p_value,
        }
    return found


def _pairs(
    predictions: pd.DataFrame, repeated: pd.DataFrame, arms: Sequence[str], role: str
) -> list[dict[str, Any]]:
    """Return role, names, outcomes and probabilities of every two arms."""
    if role == REPEATED and repeated["repeat"].nunique() < 2:
        return []
    found = []
    for first, second in combinations(arms, 2):
        if role == REPEATED:
            (y_true, one), (_, two) = repeats_of(repeated, first), repeats_of(repeated, second)
        else:
            y_true, one = outcome_and_probability(predictions, first, role)
            two = outcome_and_probability(predictions, second, role)[1]
        if len(y_true):
            names = {"role": role, "first": first, "second": second}
            found.append({"names": names, "y_true": y_true, "one": one, "two": two})
    return found


def _delong(y_true: IntArray, first: FloatArray, second: FloatArray) -> stats.DelongTest:
    return stats.delong_test(y_true, first, second)


def _comparison(pair: dict[str, Any], test: Test, notes: list[str]) -> dict[str, Any]:
    names = pair["names"]
    fields = ("auc_difference", "low", "high", "z", "p_value", "p_holm", "n_looks")
    try:
        found = test(pair["y_true"], pair["one"], pair["two"])
    except NotEstimable as reason:
        where = f"{names['first']} against {names['second']}, {names['role']}"
        notes.append(f"{where}: not estimable: {reason}")
        return {**names, **dict.fromkeys(fields)}
    values = (found.difference, found.low, found.high, found.z, found.p_value, None, None)
    return {**names, **dict(zip(fields, values, strict=True))}


def _adjust(family: list[dict[str, Any]]) -> None:
    """Fill in Holm's p-values and the number of looks of one family of tests."""
    tested = [row for row in family if row["p_value"] is not None]
    if not tested:
        return
    adjusted = stats.holm([row["p_value"] for row in tested]).tolist()
    for row, p_holm in zip(tested, adjusted, strict=True):
        row["p_holm"], row["n_looks"] = p_holm, len(tested)
