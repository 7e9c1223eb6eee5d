"""Which of two arms is better: DeLong with Holm's correction, and reclassification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import (
    REPEATED,
    FloatArray,
    IntArray,
    honest_roles,
    outcome_and_probability,
    repeats_of,
)

Pair = tuple[dict[str, str], IntArray, FloatArray, FloatArray]
TESTED = ("auc_difference", "low", "high", "z", "p_value", "p_holm", "n_looks")


def comparisons(
    predictions: pd.DataFrame,
    repeated: pd.DataFrame,
    arms: Sequence[str],
    notes: list[str],
    *,
    roles: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return paired DeLong tests of all arms, Holm-adjusted over the pairs of one role.

    Fields of each are role, first, second and `TESTED`; n_looks is the number of tests that the
    correction counts. Of `roles` (none: every honest one), `REPEATED` compares the mean AUCs over
    the repeats of the cross-validation, if there was more than one.
    """
    compared: list[dict[str, Any]] = []
    for role in roles or honest_roles(predictions):
        rows = [_delong(pair, notes) for pair in _pairs(predictions, repeated, arms, role)]
        _adjust(rows)
        compared.extend(rows)
    return compared


def reclassification(
    predictions: pd.DataFrame, arms: Sequence[str], notes: list[str]
) -> pd.DataFrame:
    """Return IDI and continuous NRI of every two arms.

    Columns: role, first, second, idi, idi_low, idi_high, idi_p, nri, nri_low, nri_high, nri_p;
    of the second arm in place of the first; positive: the second arm's probabilities are better.
    """
    rows = []
    for role in honest_roles(predictions):
        pairs = _pairs(predictions, pd.DataFrame(), arms, role)
        rows += [_reclassified(pair, notes) for pair in pairs]
    measures = [f"{name}{end}" for name in ("idi", "nri") for end in ("", "_low", "_high", "_p")]
    return pd.DataFrame(rows, columns=["role", "first", "second", *measures])


def _pairs(
    predictions: pd.DataFrame, repeated: pd.DataFrame, arms: Sequence[str], role: str
) -> Iterator[Pair]:
    """Yield names, outcomes and both arms' probabilities of every two arms in a role."""
    if role == REPEATED and repeated["repeat"].nunique() < 2:
        return
    for first, second in combinations(arms, 2):
        if role == REPEATED:
            (y_true, one), (_, two) = repeats_of(repeated, first), repeats_of(repeated, second)
        else:
            y_true, one = outcome_and_probability(predictions, first, role)
            two = outcome_and_probability(predictions, second, role)[1]
        if len(y_true):
            yield {"role": role, "first": first, "second": second}, y_true, one, two


def _reclassified(pair: Pair, notes: list[str]) -> dict[str, Any]:
    names, y_true, first, second = pair
    found: dict[str, Any] = dict(names)
    for name, measure in (("idi", stats.idi), ("nri", stats.nri)):
        try:
            result = measure(y_true, second, first)
        except NotEstimable as reason:
            notes.append(f"{_where(names)}: {name.upper()} is not estimable: {reason}")
            continue
        found |= {name: getattr(result, name), f"{name}_low": result.low}
        found |= {f"{name}_high": result.high, f"{name}_p": result.p_value}
    return found


def _delong(pair: Pair, notes: list[str]) -> dict[str, Any]:
    names, y_true, first, second = pair
    test = stats.repeated_delong_test if names["role"] == REPEATED else stats.delong_test
    try:
        found = test(y_true, first, second)
    except NotEstimable as reason:
        notes.append(f"{_where(names)}: not estimable: {reason}")
        return {**names, **dict.fromkeys(TESTED)}
    values = (found.difference, found.low, found.high, found.z, found.p_value, None, None)
    return {**names, **dict(zip(TESTED, values, strict=True))}


def _where(names: dict[str, str]) -> str:
    return f"{names['first']} against {names['second']}, {names['role']}"


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Fill in Holm's p-values and the number of tests of one role."""
    tested = [row for row in rows if row["p_value"] is not None]
    if not tested:
        return
    adjusted = stats.holm([row["p_value"] for row in tested]).tolist()
    for row, p_holm in zip(tested, adjusted, strict=True):
        row["p_holm"], row["n_looks"] = p_holm, len(tested)
