from time import perf_counter

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    auc_interval,
    delong_test,
    delong_test_unpaired,
    holm,
)

Y = np.repeat([0, 1], [60, 40])


def scores(seed: int, signal: float) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(size=100) + signal * Y, 1)


def test_swap_changes_only_the_sign():
    first, second = scores(0, 1.5), scores(1, 0.8)
    forward, backward = delong_test(Y, first, second), delong_test(Y, second, first)
    assert forward.z == -backward.z
    assert forward.difference == -backward.difference
    assert forward.p_value == backward.p_value
    assert forward.z > 0


def test_monotone_maps_change_nothing():
    first, second = scores(2, 1.0), scores(3, 1.0)
    assert delong_test(Y, first, second) == delong_test(Y, np.exp(first), second**3)


def test_order_of_cases_changes_nothing():
    first, second = scores(4, 1.0), scores(5, 0.5)
    shuffled = np.random.default_rng(0).permutation(100)
    here = delong_test(Y, first, second)
    there = delong_test(Y[shuffled], first[shuffled], second[shuffled])
    assert there.z == pytest.approx(here.z, abs=1e-12)


def test_variance_is_that_of_the_difference_of_paired_kernels():
    first, second = scores(6, 1.0), scores(7, 0.6)

    def kernel(s):
        gap = s[Y == 1][:, None] - s[Y == 0][None, :]
        return (gap > 0) + 0.5 * (gap == 0)

    gap = kernel(first) - kernel(second)
    variance = np.var(gap.mean(axis=1), ddof=1) / 40 + np.var(gap.mean(axis=0), ddof=1) / 60
    assert delong_test(Y, first, second).z == pytest.approx(gap.mean() / np.sqrt(variance))


def test_rejects_as_often_as_it_says_under_the_null():
    rng = np.random.default_rng(11)
    p_values = [
        delong_test(Y, rng.normal(size=100) + Y, rng.normal(size=100) + Y).p_value
        for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09


def test_identical_scores():
    s = scores(8, 1.0)
    for second in (s, 2 * s + 1):  # the same ranking is the same score
        test = delong_test(Y, s, second)
        assert (test.difference, test.z, test.p_value) == (0.0, 0.0, 1.0)


def test_two_perfect_scores():
    first, second = Y + scores(9, 0.0) / 100, Y + scores(10, 0.0) / 100
    test = delong_test(Y, first, second)
    assert (test.auc_first, test.auc_second, test.z, test.p_value) == (1.0, 1.0, 0.0, 1.0)
    unpaired = delong_test_unpaired(Y, first, Y, second)
    assert (unpaired.t, unpaired.p_value) == (0.0, 1.0)


def test_difference_without_variance_is_not_estimable():
    with pytest.raises(NotEstimable, match="variance"):
        delong_test([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])
    with pytest.raises(NotEstimable, match="variance"):
        delong_test_unpaired([0, 0, 1, 1], [1, 2, 3, 4], [0, 0, 1, 1], [4, 3, 2, 1])


def test_constant_or_missing_score_is_named():
    s = scores(12, 1.0)
    with pytest.raises(NotEstimable, match=r"second score .* same value"):
        delong_test(Y, s, np.full(100, 0.5))
    with pytest.raises(NotEstimable, match=r"first score .* 1 of 100"):
        delong_test(Y, np.where(np.arange(100) == 3, np.nan, s), s)
    with pytest.raises(BadArgument, match="found 99"):
        delong_test(Y, s, s[1:])
    with pytest.raises(NotEstimable, match="both outcome classes"):
        delong_test(np.ones(100), s, s)


def test_unpaired_is_a_welch_test_on_two_variances():
    first, second = scores(13, 1.5), scores(14, 0.7)
    half = np.arange(100) % 2 == 0
    one, two = auc_interval(Y[half], first[half]), auc_interval(Y[~half], second[~half])
    test = delong_test_unpaired(Y[half], first[half], Y[~half], second[~half])
    assert test.t == pytest.approx((one.auc - two.auc) / np.sqrt(one.variance + two.variance))
    back = delong_test_unpaired(Y[~half], second[~half], Y[half], first[half])
    assert (back.t, back.p_value) == (-test.t, test.p_value)
    assert 48 < test.dof < 98


def test_limits_agree_with_the_test():
    first, second = scores(15, 1.2), scores(16, 0.8)
    test = delong_test(Y, first, second)
    assert (test.low + test.high) / 2 == pytest.approx(test.difference)
    at_p = delong_test(Y, first, second, level=1 - test.p_value)
    assert min(abs(at_p.low), abs(at_p.high)) == pytest.approx(0.0, abs=1e-12)
    back = delong_test(Y, second, first)
    assert (back.low, back.high) == (-test.high, -test.low)
    with pytest.raises(BadArgument, match="level"):
        delong_test(Y, first, second, level=95)


def test_a_million_predictions_cost_little_more_than_sorting_them():
    rng = np.random.default_rng(0)
    y = rng.random(10**6) < 0.3
    first, second = rng.normal(size=10**6) + y, rng.normal(size=10**6) + y
    sorting, testing = [], []
    for _ in range(3):
        start = perf_counter()
        np.sort(first), np.sort(second)
        sorting.append(perf_counter() - start)
        start = perf_counter()
        delong_test(y, first, second)
        testing.append(perf_counter() - start)
    assert min(testing) < 20 * min(sorting)  # 9 when undisturbed: benchmarks/delong.py


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1, then never decreasing
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    assert holm([]).size == 0
    assert holm([0.2]).tolist() == [0.2]
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_that_of_statsmodels(seed):
    p = np.random.default_rng(seed).beta(0.3, 2, 40).round(2)  # with ties
    assert holm(p).tolist() == multipletests(p, method="holm")[1].tolist()


@pytest.mark.parametrize("p", [[0.1, np.nan], [1.2], [-0.1]])
def test_holm_refuses_what_is_no_p_value(p):
    with pytest.raises(BadArgument, match="p_values"):
        holm(p)
