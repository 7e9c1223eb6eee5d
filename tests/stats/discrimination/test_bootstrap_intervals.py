import numpy as np
import pytest
import scipy.stats

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import auc, auc_interval, bootstrap_difference, bootstrap_interval, brier_score

RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat([0, 1], [120, 60]))
P = np.clip(0.25 + 0.2 * Y + 0.15 * RNG.normal(size=180), 0.01, 0.99).round(2)


def slow_auc(y, p):
    return auc(y, p)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("groups", [None, np.arange(180) // 3])
def test_the_fast_path_is_the_slow_one(method, groups):
    options = {"seed": 3, "n_resamples": 100, "groups": groups, "method": method}
    fast = bootstrap_interval(auc, Y, P, **options)
    slow = bootstrap_interval(slow_auc, Y, P, **options)
    assert (fast.estimate, fast.n_failed) == (slow.estimate, slow.n_failed)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=1e-12)
    other = np.sqrt(P) + 0.1 * Y
    fast = bootstrap_difference(auc, Y, P, other, **options)
    slow = bootstrap_difference(slow_auc, Y, P, other, **options)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=1e-12)


def test_auc_interval_is_near_delongs():
    delong = auc_interval(Y, P)
    found = bootstrap_interval(auc, Y, P, seed=0)
    assert found.estimate == delong.auc
    assert (found.low, found.high) == pytest.approx((delong.low, delong.high), abs=0.02)
    assert (found.n_resamples, found.n_failed) == (2000, 0)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_agrees_with_scipy_on_a_skewed_mean(method):
    skewed = np.exp(np.random.default_rng(1).normal(size=60))
    expected = scipy.stats.bootstrap(
        (skewed,), np.mean, method=method, n_resamples=20_000, rng=2
    ).confidence_interval
    found = bootstrap_interval(
        lambda y, p: float(p.mean()),
        np.tile([0, 1], 30),
        skewed,
        seed=4,
        n_resamples=8000,
        method=method,
        stratified=False,
    )
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=0.02)


def test_bca_moves_the_limits_towards_the_long_tail():
    skewed = np.exp(np.random.default_rng(5).normal(size=50))
    options = {"seed": 0, "n_resamples": 4000}

    def mean(y, p):
        return float(p.mean())

    plain = bootstrap_interval(mean, np.tile([0, 1], 25), skewed, **options)
    bca = bootstrap_interval(mean, np.tile([0, 1], 25), skewed, method="bca", **options)
    assert bca.low > plain.low
    assert bca.high > plain.high


def test_patients_with_several_cases_widen_the_interval():
    y, p, patient = np.repeat(Y, 4), np.repeat(P, 4), np.repeat(np.arange(180), 4)
    alone = bootstrap_interval(auc, y, p, seed=1, n_resamples=800)
    together = bootstrap_interval(auc, y, p, seed=1, n_resamples=800, groups=patient)
    as_one = bootstrap_interval(auc, Y, P, seed=1, n_resamples=800)
    assert together.high - together.low == pytest.approx(as_one.high - as_one.low, rel=0.1)
    assert together.high - together.low > 1.6 * (alone.high - alone.low)


def test_same_resamples_make_a_difference_narrow():
    close = np.clip(P + 0.01 * np.random.default_rng(6).normal(size=180), 0, 1)
    difference = bootstrap_difference(brier_score, Y, P, close, seed=0, n_resamples=500)
    alone = bootstrap_interval(brier_score, Y, P, seed=0, n_resamples=500)
    assert difference.low < difference.estimate < difference.high
    assert difference.high - difference.low < 0.2 * (alone.high - alone.low)
    back = bootstrap_difference(brier_score, Y, close, P, seed=0, n_resamples=500)
    assert (back.low, back.high) == pytest.approx((-difference.high, -difference.low))


def test_covers_as_often_as_it_says():
    rng = np.random.default_rng(8)
    truth = scipy.stats.norm.cdf(1 / np.sqrt(2))
    covered = []
    for i in range(200):
        y = np.repeat([0, 1], [50, 40])
        found = bootstrap_interval(auc, y, rng.normal(size=90) + y, seed=i, n_resamples=300)
        covered.append(found.low <= truth <= found.high)
    assert 0.89 < np.mean(covered) <= 0.99


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_perfect_scores(method):
    found = bootstrap_interval(auc, [0] * 9 + [1] * 9, range(18), seed=0, method=method)
    assert (found.estimate, found.low, found.high) == (1.0, 1.0, 1.0)


def test_failed_resamples_are_counted_and_too_many_refused():
    def needs_case_0(y, p):
        if 0.999 not in p:
            raise NotEstimable("case 0 is absent")
        return float(p.mean())

    p = P.copy()
    p[:5] = 0.999  # one of five cases is nearly always there
    found = bootstrap_interval(needs_case_0, Y, p, seed=0, n_resamples=1000)
    assert 0 < found.n_failed <= 50
    p[1:5] = 0.5
    with pytest.raises(NotEstimable, match="of 1000 failed"):
        bootstrap_interval(needs_case_0, Y, p, seed=0, n_resamples=1000)
    with pytest.raises(NotEstimable, match="percentile"):
        bootstrap_interval(
            lambda y, p: needs_case_0(y, p) if len(p) < 180 else 1.0,
            Y,
            np.r_[0.999, P[1:]],
            seed=0,
            n_resamples=20,
            method="bca",
        )


def test_resamples_of_one_score_are_no_auc():
    y, p = [0, 0, 0, 1, 1, 1], [0.1, 0.1, 0.1, 0.1, 0.1, 0.9]
    with pytest.raises(NotEstimable, match="failed"):  # a third have no .9
        bootstrap_interval(auc, y, p, seed=0)
    with pytest.raises(NotEstimable, match="failed"):
        bootstrap_interval(slow_auc, y, p, seed=0)


def test_degenerate():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        bootstrap_interval(auc, [1, 1], [0.1, 0.2], seed=0)
    with pytest.raises(NotEstimable, match="same value"):
        bootstrap_interval(auc, [0, 1], [0.2, 0.2], seed=0)
    with pytest.raises(NotEstimable, match=r"second score .* missing"):
        bootstrap_difference(auc, [0, 1], [0.2, 0.1], [0.2, np.nan], seed=0)
    with pytest.raises(BadArgument, match="'normal'"):
        bootstrap_interval(auc, Y, P, seed=0, method="normal")
    with pytest.raises(BadArgument, match="level"):
        bootstrap_interval(auc, Y, P, seed=0, level=95)
    with pytest.raises(BadArgument, match="n_resamples"):
        bootstrap_interval(auc, Y, P, seed=0, n_resamples=0)
    with pytest.raises(BadArgument, match="groups"):
        bootstrap_interval(auc, Y, P, seed=0, groups=[1, 2])
