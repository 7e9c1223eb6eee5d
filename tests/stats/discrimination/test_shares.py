import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import share, wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 7), (3, 8), (19, 20), (500, 1000)])
def test_one_row_a_patient_is_wilsons_interval_of_the_counts(k, n):
    found = share(np.arange(n + 5) < k, np.arange(n + 5) < n)
    assert found.value == k / n
    assert (found.low, found.high) == pytest.approx(wilson_interval(k, n), abs=1e-12)
    assert found.n_effective == pytest.approx(n)
    named = share(np.arange(n) < k, np.ones(n), groups=[f"p{i}" for i in range(n)])
    assert (named.low, named.high) == pytest.approx((found.low, found.high), abs=1e-12)


def test_copied_rows_are_worth_their_patients_at_most():
    right = [1, 1, 0, 1, 0, 1, 1, 0, 1, 1]
    once = share(right, np.ones(10))
    copied = share(np.repeat(right, 4), np.ones(40), np.repeat(np.arange(10), 4))
    assert copied.value == once.value
    assert 7 < copied.n_effective < 10  # ten patients, whose variance is estimated
    assert copied.high - copied.low > once.high - once.low


def test_patients_who_agree_count_once():
    rows = np.repeat(np.arange(6), 5)
    assert share(np.ones(30), np.ones(30), rows).n_effective == 6
    assert share(np.zeros(30), np.ones(30), rows).low == 0.0
    half = share(np.tile([1, 0], 15), np.ones(30), np.repeat(np.arange(15), 2))
    assert (half.value, half.n_effective) == (0.5, 15)
    alone = share([1, 0, 1], np.ones(3), ["a"] * 3)
    assert (alone.value, alone.n_effective) == (2 / 3, 1)


def test_repeats_that_differ_are_no_more_cases():
    found = share([0.4, 0.6, 0.6, 0.4, 1.0, 0.8], np.ones(6))
    assert found.n_effective == 6


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_covers_as_often_as_it_says(correlation):
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(250):
        own, common = rng.random((2, 40, 4)), rng.random((40, 1))
        same = rng.random((40, 1)) < correlation
        right = np.where(same, common, own[0]) < 0.75
        found = share(right.ravel(), np.ones(160), np.repeat(np.arange(40), 4))
        covered.append(found.low <= 0.75 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.99


def test_refuses():
    with pytest.raises(NotEstimable, match="at least one case, found 0"):
        share([0, 0], [0, 0])
    with pytest.raises(NotEstimable, match="missing"):
        share([0, np.nan], [1, 1])
    with pytest.raises(BadArgument, match="numerator <= denominator"):
        share([1, 1], [1, 0])
    with pytest.raises(BadArgument, match="found 1"):
        share([1, 1], [1])
    with pytest.raises(BadArgument, match="groups"):
        share([1, 1], [1, 1], groups=[1])
    with pytest.raises(BadArgument, match="level"):
        share([1, 1], [1, 1], level=95)
