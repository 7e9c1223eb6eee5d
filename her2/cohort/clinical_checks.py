"""What clinical variables tell only when lesions are compared: copies, centres, order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from her2.cohort.cells import listed
from her2.cohort.problems import Note, stop
from her2.core.types import Lesion

CHANCE = 0.01  # expected pairs of patients whose values agree by chance, of which all are reported
FEWEST = 5  # known values of a centre whose median is compared
MAX_RATIO = 10.0  # of the medians of two centres
MAX_AUC, MAX_P = 0.65, 0.01  # of orders that tell the outcome


def clinical_notes(
    clinical: pd.DataFrame, lesions: Sequence[Lesion], rows: Sequence[int]
) -> tuple[list[Note], dict[int, list[Note]]]:
    """Return notes on the cohort (C11, C24), and on rows (C30); C19 stops it.

    clinical: as `Cohort.clinical`; rows: of the lesions in the table, from the top.
    """
    refuse_mixed_units(clinical, [_centre(lesion) for lesion in lesions])
    notes = unseen_levels(clinical, [lesion.role for lesion in lesions])
    notes += telling_order([lesion.outcome for lesion in lesions], lesions, rows)
    return notes, copied_patients(clinical, lesions, rows)


def refuse_mixed_units(clinical: pd.DataFrame, centres: Sequence[str | None]) -> None:
    """Refuse a number whose medians differ more than tenfold between centres (C19)."""
    for name in clinical.select_dtypes("number").columns:
        values = clinical[name].groupby(np.array([str(centre) for centre in centres]))
        medians = values.median()[values.count() >= FEWEST]
        medians = medians[medians > 0].sort_values()
        if len(medians) < 2 or medians.iloc[-1] <= MAX_RATIO * medians.iloc[0]:
            continue
        raise stop(
            "C19",
            f"expected {str(name)!r} in one unit at all centres, found the medians "
            f"{medians.iloc[0]:g} ({medians.index[0]}) and {medians.iloc[-1]:g} "
            f"({medians.index[-1]}); convert one, or take it out of the variables",
        )


def unseen_levels(clinical: pd.DataFrame, roles: Sequence[str | None]) -> list[Note]:
    """Note levels (C11) that no training lesion of a given split has; models call them usual."""
    trains = np.array([role == "train" for role in roles])
    if trains.all() or not trains.any():
        return []
    notes = []
    for name in clinical.select_dtypes("object").columns:
        seen = set(clinical[name][trains].dropna())
        unseen = clinical[name][~trains].dropna()
        new = sorted({str(level) for level in unseen if level not in seen})
        if new:
            n = int((~unseen.isin(seen)).sum())
            what = f"{listed(new)} of {str(name)!r} in {n} lesions, and in no training lesion"
            fix = "unite it with another level; it counts as the most frequent one until then"
            notes.append(Note("C11", what, fix))
    return notes


def telling_order(
    outcomes: Sequence[int], lesions: Sequence[Lesion], rows: Sequence[int]
) -> list[Note]:
    """Note an order of rows, or of numbers in identifiers, that ranks the outcome (C24).

    Where the AUC is above .65 either way and a Mann-Whitney test, corrected for two orders, has
    p < .01.
    """
    y = np.asarray(outcomes)
    orders = {"the order of the rows": list(map(float, rows))}
    digits = [re.findall(r"\d+", lesion.patient_id) for lesion in lesions]
    if all(digits):
        orders["the number in patient_id"] = [float(found[-1]) for found in digits]
    notes = []
    for name, order in orders.items():
        found = _auc(np.asarray(order), y)
        if found is not None and found[0] > MAX_AUC and found[1] < MAX_P / len(orders):
            what = f"{name} tells the outcome (AUC {found[0]:.2f})"
            fix = "look for another time, scanner or list of patients behind it"
            notes.append(Note("C24", what, fix))
    return notes[:1]


def copied_patients(
    clinical: pd.DataFrame, lesions: Sequence[Lesion], rows: Sequence[int]
) -> dict[int, list[Note]]:
    """Note two patients whose clinical values are all equal (C30), by row.

    Only where fewer than one such pair in a hundred cohorts is expected if patients were drawn
    at random: the chance that two agree in a variable is the sum of its squared shares.
    """
    n = len(clinical)
    known = clinical.notna().sum(axis=1).to_numpy()
    shares = [(clinical[name].value_counts(normalize=True, dropna=False) ** 2).sum()
              for name in clinical.columns]  # fmt: skip
    if not shares or n * (n - 1) / 2 * float(np.prod(shares)) > CHANCE:
        return {}
    owners: dict[Hashable, list[int]] = {}
    for i, values in enumerate(clinical.astype(object).where(clinical.notna(), None).to_numpy()):
        if known[i] > len(shares) / 2:
            owners.setdefault(tuple(values), []).append(i)
    notes: dict[int, list[Note]] = {}
    for same in owners.values():
        for i, j in itertools.pairwise(same):
            if lesions[i].patient_id != lesions[j].patient_id:
                for a, b in ((i, j), (j, i)):
                    what = f"all clinical values are those of the patient in row {rows[b]}"
                    notes.setdefault(rows[a], []).append(
                        Note("C30", what, "find out whether this is one patient twice")
                    )
    return notes


def _centre(lesion: Lesion) -> str:
    """Return the centre as a column names it, or as the split names an external one."""
    role = lesion.role or ""
    return lesion.centre or ("" if role in ("train", "test") else role)


def _auc(order: NDArray[np.float64], y: NDArray[np.int64]) -> tuple[float, float] | None:
    """AUC of an order, at least .5, and the p value of its Mann-Whitney test."""
    cases, others = order[y == 1], order[y == 0]
    if not len(cases) or not len(others) or len(set(order)) < 2:
        return None
    test = mannwhitneyu(cases, others)
    auc = float(test.statistic) / (len(cases) * len(others))
    return max(auc, 1 - auc), float(test.pvalue)
