"""Permutation tests of discrimination: how often chance alone does as well."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from her2.core.errors import NotEstimable
from her2.stats import validation
from her2.stats.discrimination.patient_bootstrap import (
    IntArray,
    Patients,
    Seed,
    check_count,
    patients,
)
from her2.stats.validation import BoolArray, FloatArray

_CASES_AT_ONCE = 2**21


def permutation_p_value(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    seed: Seed,
    groups: ArrayLike | None = None,
    n_permutations: int = 2000,
) -> float:
    """Probability that exchanging outcomes among patients gives at least this AUC.

    For scores that were not fitted on these outcomes: a test role, or one clinical variable.

    Parameters
    ----------
    y_true, y_score
        As in `auc`.
    seed
        An integer, a `SeedSequence` or a `Generator`.
    groups
        Shape (n,), the patient of each case. Outcomes that are the same for all cases of a
        patient are exchanged among all patients, others among patients with equally many cases.
    n_permutations
        At least 1; the smallest p-value is 1 / (n_permutations + 1).

    Returns
    -------
    float
        One-sided, in (0, 1]: (1 + permutations with an AUC at least as high) / (1 + all of them),
        which is never 0 and keeps its level exactly.

    Raises
    ------
    NotEstimable, BadArgument
        As `auc`, and if no two patients can be exchanged or `n_permutations` is below 1.

    References
    ----------
    Phipson & Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9:39, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> permutation_p_value([0] * 8 + [1] * 8, range(16), seed=0, n_permutations=999)
    0.001
    """
    check_count(n_permutations, "n_permutations")
    positive, scores = validation.outcome_and_score(y_true, y_score)
    of = patients(positive, groups)
    rank = 2.0 * rankdata(scores)  # whole numbers, so that equal AUCs are equal
    observed = _pair_surplus(positive[None], rank)
    rng = np.random.default_rng(seed)
    n_as_high = 0
    at_once = max(1, _CASES_AT_ONCE // positive.size)
    for start in range(0, n_permutations, at_once):
        size = min(at_once, n_permutations - start)
        surplus = _pair_surplus(_permuted(positive, of, size, rng), rank)
        n_as_high += int((surplus >= observed - 1e-12).sum())
    return (1 + n_as_high) / (1 + n_permutations)


def _pair_surplus(positive: BoolArray, rank: FloatArray) -> FloatArray:
    """AUC of each row of outcomes (b, n) from doubled midranks (n,), shape (b,)."""
    n_positive = positive.sum(axis=1)
    n_pairs = n_positive * (rank.size - n_positive)
    won_twice = positive.astype(np.float64) @ rank - n_positive * (n_positive + 1.0)
    return np.asarray(won_twice / (2.0 * n_pairs), dtype=np.float64)


def _permuted(
    positive: BoolArray, of: Patients, n_permutations: int, rng: np.random.Generator
) -> BoolArray:
    """Outcomes with patients exchanged, shape (n_permutations, n)."""
    n_cases = np.bincount(of.of_case)
    n_positive = np.bincount(of.of_case, weights=positive)
    if ((n_positive == 0) | (n_positive == n_cases)).all():  # one outcome a patient
        shuffled = rng.permuted(np.tile(of.is_positive, (n_permutations, 1)), axis=1)
        return np.asarray(shuffled[:, of.of_case], dtype=np.bool_)
    return _exchanged_blocks(positive, of, n_cases, n_permutations, rng)


def _exchanged_blocks(
    positive: BoolArray,
    of: Patients,
    n_cases: IntArray,
    n_permutations: int,
    rng: np.random.Generator,
) -> BoolArray:
    """Outcomes of whole patients exchanged among those with equally many cases."""
    by_patient = np.argsort(of.of_case, kind="stable")  # cases, patient after patient
    first = np.concatenate([[0], np.cumsum(n_cases)])[:-1]
    result = np.tile(positive, (n_permutations, 1))
    n_exchanged = 0
    for size in np.unique(n_cases):
        alike = np.flatnonzero(n_cases == size)
        cases = by_patient[first[alike][:, None] + np.arange(size)]  # (n_alike, size)
        n_exchanged += alike.size if len(np.unique(positive[cases], axis=0)) > 1 else 0
        order = rng.permuted(np.tile(np.arange(alike.size), (n_permutations, 1)), axis=1)
        result[:, cases] = positive[cases][order]
    if n_exchanged == 0:
        raise NotEstimable(
            "a permutation needs patients with equally many cases and different outcomes, found "
            "none; test at the level of patients"
        )
    return result
