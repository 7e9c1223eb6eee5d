"""Degenerate input and hand values; agreement with R is in test_golden_clinical."""

import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.count_tests import chi_square, fisher_exact, mcnemar
from her2.stats.association.group_tests import (
    correlation,
    kolmogorov_smirnov,
    kruskal_wallis,
    levene_test,
    mann_whitney,
    shapiro_wilk,
    t_test,
    t_test_from_summary,
)
from her2.stats.association.standardised_difference import (
    standardised_difference,
    standardised_difference_of_shares,
)

X, Y = [1.0, 2.0, 3.0, 6.0], [2.0, 4.0, 4.0, 9.0]


def test_t_by_hand():
    result = t_test([1, 2, 3], [2, 3, 7])
    assert result.difference == -2
    assert result.t == pytest.approx(-2 / np.sqrt(1 / 3 + 7 / 3))
    assert result.dof == pytest.approx((8 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (7 / 3) ** 2 / 2))
    assert result.low < -2 < result.high


def test_a_t_test_and_its_summary_agree():
    for equal in (True, False):
        full = t_test(X, Y, equal_variances=equal)
        summary = t_test_from_summary(
            (np.mean(X), np.mean(Y)),
            (np.std(X, ddof=1), np.std(Y, ddof=1)),
            (4, 4),
            equal_variances=equal,
        )
        assert full == summary


@pytest.mark.parametrize("test", [t_test, levene_test, mann_whitney, kruskal_wallis])
def test_swapping_the_groups_does_not_change_the_p_value(test):
    assert test(X, Y).p_value == pytest.approx(test(Y, X).p_value)


@pytest.mark.parametrize(
    ("test", "first", "second", "message"),
    [
        (t_test, [1], [1, 2], "at least 2 values, found 1"),
        (t_test, [1, np.nan], [1, 2], "missing"),
        (t_test, [1, 1], [2, 2], "do not vary"),
        (levene_test, [1, 1], [2, 2], "do not vary"),
        (mann_whitney, [1, 1], [1, 1], "must vary"),
        (mann_whitney, [], [1], "at least 1"),
        (kruskal_wallis, [3, 3], [3], "must vary"),
        (kolmogorov_smirnov, [1, np.inf], [1], "infinite"),
        (correlation, [1, 1, 1], [1, 2, 3], "vary"),
        (correlation, [1, 2, 3], [1, 1, 1], "same value"),
        (correlation, [1, 2], [1, 2], "at least 3"),
        (standardised_difference, [1], [1, 2], "fewer than 2"),
        (standardised_difference, [1, 1], [2, 2], "do not vary"),
        (standardised_difference_of_shares, [1, 0], [0, 3], "share no level"),
        (standardised_difference_of_shares, [0, 0], [1, 3], "empty group"),
    ],
)
def test_what_the_data_do_not_determine(test, first, second, message):
    with pytest.raises(NotEstimable, match=message):
        test(first, second)


def test_normality_needs_values_that_vary():
    with pytest.raises(NotEstimable, match="at least 3"):
        shapiro_wilk([1, 2])
    with pytest.raises(NotEstimable, match="vary"):
        shapiro_wilk([1, 1, 1])


def test_counts_must_be_counts():
    for bad in ([[1, -1], [2, 3]], [[0.5, 1], [2, 3]], [1, 2]):
        with pytest.raises(BadArgument, match="whole numbers"):
            chi_square(bad)
    with pytest.raises(BadArgument, match="2x2"):
        fisher_exact([[1, 2, 3], [4, 5, 6]])
    for test in (chi_square, fisher_exact):
        with pytest.raises(NotEstimable, match="empty group"):
            test([[0, 0], [2, 3]])
    with pytest.raises(NotEstimable, match="differ"):
        mcnemar([[4, 0], [0, 5]])


def test_an_empty_cell_has_an_infinite_conditional_odds_ratio():
    assert fisher_exact([[5, 0], [3, 4]]).odds_ratio == np.inf


def test_more_than_two_levels_are_never_corrected():
    counts = [[5, 6, 7], [8, 3, 9]]
    assert chi_square(counts) == chi_square(counts, correction=False)


def test_standardised_difference_of_three_levels_by_hand():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.4, 0.2])
    spread = sum(np.diag(x) - np.outer(x, x) for x in (p, q)) / 2
    d = (p - q)[:2]
    expected = np.sqrt(d @ np.linalg.inv(spread[:2, :2]) @ d)
    assert standardised_difference_of_shares(10 * p, 10 * q) == pytest.approx(expected)


def test_standardised_difference_does_not_depend_on_the_order_of_levels():
    first, second = np.array([5, 9, 2, 0]), np.array([1, 4, 4, 0])
    expected = standardised_difference_of_shares(first, second)
    for order in ([3, 2, 1, 0], [1, 0, 3, 2]):
        found = standardised_difference_of_shares(first[order], second[order])
        assert found == pytest.approx(expected)
    assert standardised_difference_of_shares(first, 3 * first) == pytest.approx(0, abs=1e-12)


def test_an_exact_p_value_counts_orders_and_refuses_ties():
    """Of 20 orders of 3 and 3 values two are as far apart as these."""
    assert mann_whitney([1, 2, 3], [4, 5, 6], exact=True).p_value == pytest.approx(2 / 20)
    assert mann_whitney([1, 2, 3], [4, 5, 6], exact=None).p_value == pytest.approx(2 / 20)
    tied = mann_whitney([1, 2, 3], [3, 5, 6], exact=None)
    assert tied == mann_whitney([1, 2, 3], [3, 5, 6])
    with pytest.raises(NotEstimable, match="without ties"):
        mann_whitney([1, 2, 3], [3, 5, 6], exact=True)
