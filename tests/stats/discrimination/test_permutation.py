from itertools import combinations

import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import auc, permutation_p_value
from her2.stats.discrimination.patient_bootstrap import patients
from her2.stats.discrimination.permutation import _permuted


def exact_p(y, s):
    """Share of all assignments of the outcomes with an AUC at least as high."""
    n = len(y)
    chosen = combinations(range(n), int(np.sum(y)))
    aucs = [auc(np.isin(np.arange(n), c).astype(int), s) for c in chosen]
    return np.mean(np.array(aucs) >= auc(y, s) - 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_approaches_the_exact_p_value(seed):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [6, 4])
    s = np.round(rng.normal(size=10) + 0.8 * y, 1)
    found = permutation_p_value(y, s, seed=seed, n_permutations=20_000)
    assert found == pytest.approx(exact_p(y, s), abs=0.012)


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1], [30, 20])
    p = [
        permutation_p_value(y, rng.normal(size=50), seed=i, n_permutations=199) for i in range(300)
    ]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_is_never_zero_and_one_sided():
    y = np.repeat([0, 1], 20)
    assert permutation_p_value(y, y + 0.1, seed=0, n_permutations=99) == 0.01
    assert permutation_p_value(y, -y, seed=0, n_permutations=99) == 1.0


def test_cases_of_a_patient_are_no_evidence_of_their_own():
    rng = np.random.default_rng(2)
    y, s = np.repeat([0, 1], [12, 8]), rng.normal(size=20)
    s = s + 0.5 * y
    many = np.repeat(np.arange(20), 10)
    once = permutation_p_value(y, s, seed=0, n_permutations=4000)
    grouped = permutation_p_value(y[many], s[many], seed=0, groups=many, n_permutations=4000)
    naive = permutation_p_value(y[many], s[many], seed=0, n_permutations=4000)
    assert grouped == pytest.approx(once, abs=0.03)
    assert naive < grouped / 4


def test_patients_keep_their_cases_and_their_number_of_positives():
    positive = np.array([True, False, True, False, False, False, False, False, False])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 4, 4])
    for outcome in _permuted(positive, patients(positive, groups), 50, np.random.default_rng(0)):
        per_patient = [outcome[groups == g].astype(int).tolist() for g in range(5)]
        assert per_patient[3] == [0]  # the only patient with one case
        assert sorted(per_patient[:3] + per_patient[4:]) == [[0, 0], [0, 0], [1, 0], [1, 0]]


def test_patients_that_cannot_be_exchanged():
    y, groups = [1, 0, 0, 0, 1], [0, 0, 1, 1, 1]
    with pytest.raises(NotEstimable, match="equally many cases"):
        permutation_p_value(y, [1, 2, 3, 4, 5], seed=0, groups=groups)


def test_degenerate():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        permutation_p_value([1, 1], [1, 2], seed=0)
    with pytest.raises(NotEstimable, match="same value"):
        permutation_p_value([0, 1], [1, 1], seed=0)
    with pytest.raises(NotEstimable, match="missing"):
        permutation_p_value([0, 1], [1, np.nan], seed=0)
    with pytest.raises(BadArgument, match="n_permutations"):
        permutation_p_value([0, 1], [1, 2], seed=0, n_permutations=0)
    with pytest.raises(BadArgument, match="groups"):
        permutation_p_value([0, 1], [1, 2], seed=0, groups=[1])
