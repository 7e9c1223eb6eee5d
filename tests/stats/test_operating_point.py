import numpy as np
import pytest
from scipy.stats import binomtest

from her2.errors import BadArgument, NotEstimable
from her2.stats import operating_point, wilson_interval, youden_threshold


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


def test_intervals_belong_to_their_proportion():
    point = operating_point([0] * 10 + [1] * 10, np.arange(20) / 20, 0.6)
    assert point.interval("sensitivity") == wilson_interval(8, 10)
    assert point.interval("specificity") == wilson_interval(10, 10)
    assert point.interval("ppv") == wilson_interval(8, 8)
    assert point.interval("npv") == wilson_interval(10, 12)
    assert point.interval("accuracy", level=0.9) == wilson_interval(18, 20, level=0.9)


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


def test_youden_maximises_j_over_all_thresholds():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [50, 20]))
    p = np.round(rng.random(70) * 0.7 + 0.2 * y, 2)

    def j(threshold):
        point = operating_point(y, p, threshold)
        return point.sensitivity + point.specificity - 1

    best = youden_threshold(y, p)
    assert j(best) == pytest.approx(max(j(t) for t in np.linspace(0, 1, 2001)))
    assert not np.isin(best, p)  # midway between scores


def test_youden_tie_goes_to_the_higher_sensitivity():
    # J = 1/2 at 1.5 (sensitivity 1) and at 3.5 (specificity 1)
    assert youden_threshold([0, 1, 0, 1], [1, 2, 3, 4]) == 1.5


def test_youden_tie_is_recognised_in_whole_numbers():
    # J = 3/10 - 2/10 at 1.5 and 1/10 at 2.5: the same, but not in floating point
    y = [1] * 10 + [0] * 10
    assert 0.3 - 0.2 < 0.1
    assert youden_threshold(y, [1] * 7 + [2] * 2 + [3] + [1] * 8 + [2] * 2) == 1.5


def test_youden_is_finite_below_chance():
    y, p = [1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]
    assert np.isfinite(youden_threshold(y, p))
    assert 0.1 < youden_threshold(y, p) < 0.4


def test_youden_of_a_constant_score_is_not_estimable():
    with pytest.raises(NotEstimable, match="constant"):
        youden_threshold([0, 1, 1], [0.4, 0.4, 0.4])


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
