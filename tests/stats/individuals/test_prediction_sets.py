"""Prediction sets: p values by hand and by counting, coverage of each outcome, refusals."""

import numpy as np
import pytest
from scipy.stats import kstest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    conformal_p_values,
    cross_conformal_p_values,
    prediction_sets,
    set_coverage,
    wilson_interval,
)

ALPHA = 0.1


def cohort(rng, n, prevalence=0.3, signal=1.5):
    y = (rng.random(n) < prevalence).astype(int)
    return y, 1 / (1 + np.exp(-(signal * y - 1 + rng.normal(size=n))))


def counted(y, prob, judged):
    """P values by their definition, one patient at a time."""
    rows = []
    for p in judged:
        zero = 1 + sum(q >= p for q, c in zip(prob, y, strict=True) if c == 0)
        one = 1 + sum(q <= p for q, c in zip(prob, y, strict=True) if c == 1)
        rows.append([zero / (1 + (y == 0).sum()), one / (1 + (y == 1).sum())])
    return np.array(rows)


def test_p_values_are_those_that_are_counted():
    rng = np.random.default_rng(1)
    y, prob = cohort(rng, 40)
    prob = prob.round(1)  # ties
    judged = rng.random(15).round(1)
    assert conformal_p_values(y, prob, judged) == pytest.approx(counted(y, prob, judged))


def test_another_name_of_the_outcome_swaps_the_columns():
    y, prob = cohort(np.random.default_rng(2), 50)
    judged = np.linspace(0.05, 0.95, 7)
    turned = conformal_p_values(1 - y, 1 - prob, 1 - judged)
    assert conformal_p_values(y, prob, judged) == pytest.approx(turned[:, ::-1])


def test_the_p_value_of_the_true_outcome_is_uniform_within_each_outcome():
    rng = np.random.default_rng(3)
    found = {0: [], 1: []}
    for _ in range(400):
        y, prob = cohort(rng, 120)
        (outcome,), judged = cohort(rng, 1)
        found[outcome].append(conformal_p_values(y, prob, judged)[0, outcome])
    assert min(kstest(values, "uniform").pvalue for values in found.values()) > 0.01


def test_rows_of_one_patient_share_a_vote():
    y, prob = cohort(np.random.default_rng(4), 30)
    judged = [0.2, 0.5, 0.8]
    once = conformal_p_values(y, prob, judged)
    copies = np.arange(30).repeat(np.arange(30) % 4 + 1)
    again = conformal_p_values(y[copies], prob[copies], judged, patients=copies)
    assert again == pytest.approx(once)
    alone = conformal_p_values(y[copies], prob[copies], judged)
    assert not np.allclose(alone, once)


def test_a_fold_is_judged_by_the_others_and_repeats_are_averaged():
    rng = np.random.default_rng(5)
    y, first = cohort(rng, 24)
    y[:8] = [0, 1] * 4
    prob = np.array([first, rng.random(24)])
    folds = np.array([np.arange(24) % 3, np.arange(24) // 8])
    expected = np.zeros((24, 2))
    for p, fold in zip(prob, folds, strict=True):
        for i in range(24):
            other = fold != fold[i]
            expected[i] += counted(y[other], p[other], p[[i]])[0] / 2
    assert cross_conformal_p_values(y, prob, folds) == pytest.approx(expected)


def test_sets_and_their_coverage_by_hand():
    p = [[0.4, 0.05], [0.1, 0.3], [0.2, 0.3], [0.01, 0.02], [0.05, 0.9]]
    sets = prediction_sets(p, alpha=0.1, n_smallest=9)
    assert sets.tolist() == [
        [True, False], [False, True], [True, True], [False, False], [False, True],
    ]  # fmt: skip
    found = set_coverage([0, 0, 1, 1, 1], sets)
    assert (found.n_covered, found.n_abstained, found.n_empty) == (3, 1, 1)
    assert (found.n_certain, found.n_right) == (3, 2)
    assert (found.covered, found.abstained, found.empty) == (0.6, 0.2, 0.2)
    assert found.accuracy == pytest.approx(2 / 3)
    assert (found.low, found.high) == wilson_interval(3, 5)
    assert set_coverage([1], [[True, True]]).accuracy is None


def test_nine_patients_are_needed_where_one_in_ten_may_be_missed():
    p = [[0.5, 0.5]]
    assert prediction_sets(p, alpha=ALPHA, n_smallest=9).shape == (1, 2)
    with pytest.raises(NotEstimable, match="need 9 calibrating patients of each outcome, found 8"):
        prediction_sets(p, alpha=ALPHA, n_smallest=8)


def test_what_does_not_fit_is_refused():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        conformal_p_values([0, 0], [0.1, 0.2], [0.3])
    with pytest.raises(BadArgument, match="lie in"):
        conformal_p_values([0, 1], [0.1, 0.2], [1.3])
    with pytest.raises(BadArgument, match="one for each of 2 rows"):
        conformal_p_values([0, 1], [0.1, 0.2], [0.3], patients=[1])
    with pytest.raises(BadArgument, match=r"shape \(n_repeats, 2\)"):
        cross_conformal_p_values([0, 1], [0.1, 0.2], [0, 1])
    with pytest.raises(BadArgument, match="alpha must lie"):
        prediction_sets([[0.5, 0.5]], alpha=0.5, n_smallest=50)
    with pytest.raises(BadArgument, match="one an outcome"):
        prediction_sets([0.5], alpha=0.1, n_smallest=50)
    with pytest.raises(BadArgument, match="sets must be boolean"):
        set_coverage([0, 1], [[1, 0], [0, 1]])
    with pytest.raises(NotEstimable, match="at least one case"):
        set_coverage([], np.empty((0, 2), dtype=bool))
