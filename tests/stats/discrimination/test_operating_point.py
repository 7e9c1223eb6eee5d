import numpy as np
import pytest
from scipy.stats import binomtest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    operating_point,
    share,
    wilson_interval,
)


def test_counts_by_hand():
    point = operating_point([0, 0, 0, 1, 1], [0.2, 0.5, 0.9, 0.5, 0.4], 0.5)
    assert (point.tp, point.fp, point.tn, point.fn, point.n) == (1, 2, 1, 1, 5)
    assert point.sensitivity == 0.5
    assert point.specificity == pytest.approx(1 / 3)
    assert point.ppv == pytest.approx(1 / 3)
    assert point.npv == 0.5
    assert point.accuracy == 0.4
    assert point.f1 == pytest.approx(0.4)


def test_what_has_no_denominator_is_none():
    nobody = operating_point([0, 1], [0.1, 0.2], 0.9)
    assert nobody.ppv is None
    assert nobody.interval("ppv") is None
    assert nobody.f1 == 0.0
    everybody = operating_point([0, 1], [0.1, 0.2], 0.0)
    assert everybody.npv is None
    only_negatives = operating_point([0, 0], [0.1, 0.2], 0.9)
    assert only_negatives.sensitivity is None
    assert only_negatives.f1 is None
    assert only_negatives.specificity == 1.0


def test_intervals_are_wilsons_of_the_counts():
    y, p = [0] * 10 + [1] * 10, np.arange(20) / 20
    point = operating_point(y, p, 0.6)
    assert point.interval("sensitivity") == pytest.approx(wilson_interval(8, 10), abs=1e-12)
    assert point.interval("specificity") == wilson_interval(10, 10)
    assert point.interval("ppv") == wilson_interval(8, 8)
    assert point.interval("npv") == pytest.approx(wilson_interval(10, 12), abs=1e-12)
    at_90 = operating_point(y, p, 0.6, level=0.9).interval("accuracy")
    assert at_90 == pytest.approx(wilson_interval(18, 20, level=0.9), abs=1e-12)
    assert point.prevalence == 0.5
    assert isinstance(point.tp, int)


def test_repeats_that_agree_are_one():
    y, p = [0] * 10 + [1] * 10, np.arange(20) / 20
    once, five = operating_point(y, p, 0.6), operating_point(y, np.tile(p, (5, 1)), 0.6)
    assert (once.tp, once.fp, once.tn, once.fn) == (five.tp, five.fp, five.tn, five.fn)
    assert isinstance(five.tp, float)
    for name in once.shares:
        assert five.interval(name) == pytest.approx(once.interval(name), abs=1e-12)


def test_each_case_may_have_the_threshold_of_its_fold():
    y, p = [0, 0, 1, 1], np.array([[0.1, 0.6, 0.5, 0.9], [0.2, 0.3, 0.4, 0.8]])
    found = operating_point(y, p, [[0.5], [0.4]])
    assert (found.tp, found.fp, found.threshold) == (2.0, 0.5, None)
    assert operating_point(y, p, np.full((2, 4), 0.5)).tp == operating_point(y, p, 0.5).tp == 1.5
    with pytest.raises(BadArgument, match=r"broadcast to shape \(2, 4\), found \(3,\)"):
        operating_point(y, p, [0.1, 0.2, 0.3])
    with pytest.raises(BadArgument, match="NaN"):
        operating_point(y, p, [[0.1], [np.nan]])


@pytest.mark.parametrize(
    ("y", "p", "threshold", "error", "reason"),
    [
        ([], [], 0.5, NotEstimable, "at least one case"),
        ([0, 1], [0.1, np.nan], 0.5, NotEstimable, "missing"),
        ([0, 1], [0.1], 0.5, BadArgument, "found 1"),
        ([0, 1], [0.1, 0.2], np.nan, BadArgument, "threshold"),
    ],
)
def test_bad_input(y, p, threshold, error, reason):
    with pytest.raises(error, match=reason):
        operating_point(y, p, threshold)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 20), (8, 10), (13, 13), (500, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_against_scipy(k, n, level):
    expected = binomtest(k, n).proportion_ci(level, method="wilson")
    np.testing.assert_allclose(wilson_interval(k, n, level=level), expected, atol=1e-12)


def test_wilson_touches_the_ends_exactly_and_mirrors():
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0
    low, high = wilson_interval(3, 10)
    assert wilson_interval(7, 10) == pytest.approx((1 - high, 1 - low))


def test_wilson_refuses_impossible_counts():
    with pytest.raises(NotEstimable, match="at least one"):
        wilson_interval(0, 0)
    with pytest.raises(BadArgument, match="found 4"):
        wilson_interval(4, 3)
    with pytest.raises(BadArgument, match="found -1"):
        wilson_interval(-1, 3)


def test_f1_interval_is_that_of_its_proportion():
    point = operating_point([0] * 10 + [1] * 10, np.arange(20) / 20, 0.55)
    low, high = point.interval("f1")
    assert 0 < low < point.f1 < high <= 1
    j_low, j_high = wilson_interval(point.tp, point.tp + point.fp + point.fn)
    assert (low, high) == pytest.approx((2 * j_low / (1 + j_low), 2 * j_high / (1 + j_high)))
    assert operating_point([0, 0], [0.1, 0.2], 0.9).interval("f1") is None


def test_f1_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(4)
    p = np.array([0.25, 0.1, 0.1, 0.55])  # tp, fp, fn, tn
    truth = 2 * p[0] / (2 * p[0] + p[1] + p[2])
    covered = []
    for tp, fp, fn, tn in rng.multinomial(60, p, size=400):
        y = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
        called = np.repeat([0.9, 0.9, 0.1, 0.1], [tp, fp, fn, tn])
        low, high = operating_point(y, called, 0.5).interval("f1")
        covered.append(low <= truth <= high)
    assert 0.92 < np.mean(covered) < 0.98


def repeated(seed, spread):
    """Five repeats of 80 cases whose predictions differ by `spread`."""
    rng = np.random.default_rng(seed)
    y = np.arange(80) % 4 == 0
    logit = rng.normal(size=80) + y + spread * rng.normal(size=(5, 80))
    return y, 1 / (1 + np.exp(-logit))


def test_folds_add_the_variance_between_repeats():
    """By hand: the variance of patients, and that of who was learned from."""
    y, p = repeated(1, spread=0.8)
    found = operating_point(y, p, 0.5, n_folds=5)
    called = p >= 0.5
    each = called[:, y].mean(axis=1)
    expected = share(called[:, y].mean(axis=0), np.ones(20), learning=4 * each.var(ddof=1))
    assert found.interval("sensitivity") == pytest.approx((expected.low, expected.high))
    assert found.sensitivity == pytest.approx(each.mean())
    above, below = (called & y).mean(axis=0), called.mean(axis=0)
    precision = [(c & y).sum() / c.sum() for c in called]
    expected = share(above, below, learning=4 * np.var(precision, ddof=1))
    assert found.interval("ppv") == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("name", ["sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"])
def test_the_more_repeats_differ_the_wider_is_the_interval(name):
    def width(spread, n_folds):
        low, high = operating_point(*repeated(2, spread), 0.5, n_folds=n_folds).interval(name)
        return high - low

    assert width(0.0, 5) == pytest.approx(width(0.0, None))
    assert width(1.0, None) < width(1.0, 5) < width(1.0, 10)
