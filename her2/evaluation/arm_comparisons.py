"""Which of two arms is better: paired tests of the AUC, and reclassification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.evaluation.prediction_rows import CROSS_VALIDATED, PredictionRows, RoleRows

Pair = tuple[dict[str, str], RoleRows, RoleRows]
TESTED = ("auc_difference", "low", "high", "z", "p_value", "p_holm", "n_looks")


def comparisons(
    predicted: PredictionRows, arms: Sequence[str], notes: list[str]
) -> list[dict[str, Any]]:
    """Return paired tests of the AUCs of all arms, Holm-adjusted over the pairs of one role.

    Fields of each are role, first, second and `TESTED`; n_looks is the number of tests that the
    correction counts. Out of fold the primary estimates are compared, by their standard error;
    elsewhere the test is DeLong's.
    """
    compared: list[dict[str, Any]] = []
    for role in predicted.honest_roles:
        rows = [_test(pair, notes) for pair in _pairs(predicted, arms, role)]
        _adjust(rows)
        compared.extend(rows)
    return compared


def best_arm(
    predicted: PredictionRows, arms: Sequence[str], notes: list[str]
) -> dict[str, Any] | None:
    """Return the arm with the largest primary AUC, corrected for having been chosen by it.

    Fields: arm, auc, corrected, low, high, tied (arms that cannot be told from it), n_arms. None
    where no arm has an AUC.
    """
    found = {arm: predicted.of(arm, CROSS_VALIDATED) for arm in arms}
    known = {arm: rows for arm, rows in found.items() if rows is not None and _ranks(rows)}
    if not known:
        return None
    first = next(iter(known.values()))
    try:
        best = stats.best_of_several(
            first.y_true, {arm: rows.y_prob for arm, rows in known.items()},
            {arm: rows.fold for arm, rows in known.items() if rows.fold is not None},
            groups=first.patient,
        )  # fmt: skip
    except NotEstimable as reason:
        notes.append(f"best arm: its corrected AUC is not estimable: {reason}")
        return None
    return {
        "arm": best.name, "auc": best.auc, "corrected": best.corrected, "low": best.low,
        "high": best.high, "tied": list(best.tied), "n_arms": best.n_arms,
    }  # fmt: skip


def _ranks(rows: RoleRows) -> bool:
    return all(p.min() < p.max() for p in rows.y_prob)


def reclassification(
    predicted: PredictionRows, arms: Sequence[str], notes: list[str]
) -> pd.DataFrame:
    """Return IDI and continuous NRI of every two arms.

    Columns: role, first, second, idi, idi_low, idi_high, idi_p, nri, nri_low, nri_high, nri_p;
    of the second arm in place of the first; positive: the second arm's probabilities are better.
    Out of fold a row has its mean probability over the repeats.
    """
    rows = []
    for role in predicted.honest_roles:
        pairs = _pairs(predicted, arms, role)
        rows += [_reclassified(pair, notes) for pair in pairs]
    measures = [f"{name}{end}" for name in ("idi", "nri") for end in ("", "_low", "_high", "_p")]
    return pd.DataFrame(rows, columns=["role", "first", "second", *measures])


def _pairs(predicted: PredictionRows, arms: Sequence[str], role: str) -> Iterator[Pair]:
    """Yield names and both arms' rows of every two arms in a role."""
    found = {arm: predicted.of(arm, role) for arm in arms}
    for first, second in combinations(arms, 2):
        one, two = found[first], found[second]
        if one is not None and two is not None:
            yield {"role": role, "first": first, "second": second}, one, two


def _reclassified(pair: Pair, notes: list[str]) -> dict[str, Any]:
    names, first, second = pair
    found: dict[str, Any] = dict(names)
    one, two = first.y_prob.mean(axis=0), second.y_prob.mean(axis=0)
    for name, measure in (("idi", stats.idi), ("nri", stats.nri)):
        try:
            result = measure(first.y_true, two, one, groups=first.patient)
        except NotEstimable as reason:
            notes.append(f"{_where(names)}: {name.upper()} is not estimable: {reason}")
            continue
        found |= {name: getattr(result, name), f"{name}_low": result.low}
        found |= {f"{name}_high": result.high, f"{name}_p": result.p_value}
    return found


def _test(pair: Pair, notes: list[str]) -> dict[str, Any]:
    names, first, second = pair
    try:
        found = stats.auc_difference(
            first.y_true, first.y_prob, second.y_prob, groups=first.patient, n_folds=first.n_folds
        )
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
