import numpy as np
import pytest
import scipy.stats

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    auc,
    auc_interval,
    delong_test,
    repeated_auc,
    repeated_delong_test,
)

Y = np.repeat([0, 1], [60, 40])


def repeats(seed: int, n_repeats: int = 5, signal: float = 1.0, noise: float = 0.5):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=100) + signal * Y
    return shared + noise * rng.normal(size=(n_repeats, 100))


def test_repeats_that_agree_are_delongs():
    s = repeats(0)[0]
    once, thrice = auc_interval(Y, s), repeated_auc(Y, [s, 2 * s, s**3])
    assert (thrice.auc, thrice.variance) == pytest.approx((once.auc, once.variance))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert thrice.sd_between_repeats == pytest.approx(0.0, abs=1e-12)
    single = repeated_auc(Y, [s])
    assert single.sd_between_repeats is None
    assert single.lowest == single.highest == single.auc == once.auc


def test_is_the_mean_and_spread_of_the_repeats():
    p = repeats(1)
    each = [auc(Y, row) for row in p]
    result = repeated_auc(Y, p)
    assert result.per_repeat == tuple(each)
    assert result.auc == pytest.approx(np.mean(each), abs=1e-14)
    assert result.sd_between_repeats == pytest.approx(np.std(each, ddof=1))
    assert (result.lowest, result.highest) == (min(each), max(each))


def test_variance_is_that_of_the_averaged_kernel():
    p = repeats(2)
    gap = p[:, Y == 1][:, :, None] - p[:, Y == 0][:, None, :]
    kernel = ((gap > 0) + 0.5 * (gap == 0)).mean(axis=0)
    expected = np.var(kernel.mean(axis=1), ddof=1) / 40 + np.var(kernel.mean(axis=0), ddof=1) / 60
    assert repeated_auc(Y, p).variance == pytest.approx(expected, abs=1e-16)


def test_more_repeats_add_no_patients():
    few, many = repeated_auc(Y, repeats(3, 5)), repeated_auc(Y, repeats(3, 100))
    one = auc_interval(Y, repeats(3, 1)[0])
    width = many.high - many.low
    assert width > 0.8 * (few.high - few.low)
    assert width > 0.75 * (one.high - one.low)  # and not a tenth, as between repeats


def test_covers_the_truth_that_the_repeats_share():
    truth = scipy.stats.norm.cdf(1 / np.sqrt(2 * 1.25))
    covered = [
        result.low <= truth <= result.high
        for result in (repeated_auc(Y, repeats(seed, 20)) for seed in range(300))
    ]
    # averaging orders better than one repeat, so the truth of one repeat is a little below
    assert 0.88 < np.mean(covered) <= 1.0


def test_perfect_repeats_are_clipped():
    result = repeated_auc(Y, [Y + 0.1, 2 * Y])
    assert (result.auc, result.low, result.high) == (1.0, 1.0, 1.0)


def test_comparison_is_delongs_for_one_repeat_and_symmetric():
    first, second = repeats(4), repeats(5, signal=0.5)
    once, plain = (
        repeated_delong_test(Y, first[:1], second[:1]),
        delong_test(Y, first[0], second[0]),
    )
    assert once.z == pytest.approx(plain.z)
    assert (once.low, once.high) == pytest.approx((plain.low, plain.high))
    forward, back = repeated_delong_test(Y, first, second), repeated_delong_test(Y, second, first)
    assert forward.z == -back.z
    assert forward.difference == pytest.approx(
        repeated_auc(Y, first).auc - repeated_auc(Y, second).auc
    )
    same = repeated_delong_test(Y, first, np.exp(first))
    assert (same.z, same.p_value) == (0.0, 1.0)


def test_comparison_keeps_its_level():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(300):
        one, two = rng.normal(size=100) + Y, rng.normal(size=100) + Y
        noise = rng.normal(scale=0.3, size=(2, 6, 100))
        p_values.append(repeated_delong_test(Y, one + noise[0], two + noise[1]).p_value)
    assert 0.015 < np.mean(np.array(p_values) < 0.05) < 0.1


def test_degenerate():
    p = repeats(6)
    with pytest.raises(NotEstimable, match=r"repeat 2 .* same value"):
        repeated_auc(Y, [p[0], np.zeros(100)])
    with pytest.raises(NotEstimable, match=r"second score of repeat 1 .* missing"):
        repeated_delong_test(Y, p, np.where(np.arange(100) == 3, np.nan, p))
    with pytest.raises(NotEstimable, match="2 cases in each class"):
        repeated_auc([0, 0, 1], [[1, 2, 3]])
    for wrong in (p[0], np.empty((0, 100))):
        with pytest.raises(BadArgument, match="shape"):
            repeated_auc(Y, wrong)
    with pytest.raises(BadArgument, match="found 99"):
        repeated_auc(Y, p[:, 1:])
    with pytest.raises(NotEstimable, match="both outcome classes"):
        repeated_auc(np.ones(100), p)
