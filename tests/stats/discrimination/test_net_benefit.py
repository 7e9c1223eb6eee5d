from time import perf_counter

import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import net_benefit, net_benefit_band, net_benefit_treat_all, operating_point
from her2.stats.discrimination.patient_bootstrap import draws, patients, rows

Y = np.array([0, 0, 0, 1, 1])
P = np.array([0.1, 0.3, 0.6, 0.3, 0.9])
THRESHOLDS = np.arange(1, 100) / 100


def test_is_the_weighted_count_at_each_threshold():
    for t, found in zip(THRESHOLDS, net_benefit(Y, P, THRESHOLDS), strict=True):
        point = operating_point(Y, P, t)
        assert found == pytest.approx((point.tp - point.fp * t / (1 - t)) / 5)


def test_ties_at_the_threshold_are_treated():
    assert net_benefit(Y, P, [0.3])[0] == pytest.approx((2 - 2 * 3 / 7) / 5)


def test_treat_all_is_zero_at_the_prevalence():
    assert net_benefit_treat_all(Y, [0.4])[0] == pytest.approx(0.0, abs=1e-15)
    assert net_benefit_treat_all(Y, [0.0])[0] == 0.4
    assert (np.diff(net_benefit_treat_all(Y, THRESHOLDS)) < 0).all()


def test_a_model_that_treats_all_or_none():
    np.testing.assert_allclose(
        net_benefit(Y, np.ones(5), THRESHOLDS), net_benefit_treat_all(Y, THRESHOLDS), atol=1e-15
    )
    assert (net_benefit(Y, np.zeros(5), THRESHOLDS) == 0.0).all()


def test_a_perfect_model_gains_the_prevalence():
    np.testing.assert_allclose(net_benefit(Y, Y, THRESHOLDS), 0.4)


@pytest.mark.parametrize("t", [1.0, -0.1, np.nan])
def test_thresholds_have_a_range(t):
    with pytest.raises(BadArgument, match="thresholds"):
        net_benefit(Y, P, [0.2, t])
    with pytest.raises(BadArgument, match="thresholds"):
        net_benefit_treat_all(Y, [t])


def test_degenerate():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        net_benefit_treat_all([1, 1], THRESHOLDS)
    with pytest.raises(NotEstimable, match="missing"):
        net_benefit([0, 1], [0.2, np.nan], THRESHOLDS)
    with pytest.raises(BadArgument, match="not logits"):
        net_benefit([0, 1], [0.2, -3], THRESHOLDS)


def simulated(seed: int, n: int = 210):
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 3, size=n).round(2)
    return (rng.random(n) < p).astype(int), p


@pytest.mark.parametrize("groups", [None, np.arange(210) // 2])
def test_band_is_that_of_each_resample(groups):
    y, p = simulated(0)
    thresholds = np.array([0.5, 0.05, 0.3, 0.3, 0.0, 0.99])  # any order, twice the same
    band = net_benefit_band(y, p, thresholds, seed=1, n_resamples=40, groups=groups)
    (times,) = draws(patients(y == 1, groups), 40, 1, stratified=False)
    each = [net_benefit(y[rows(t)], p[rows(t)], thresholds) for t in times]
    np.testing.assert_allclose(band["low"], np.quantile(each, 0.025, axis=0), atol=1e-12)
    np.testing.assert_allclose(band["high"], np.quantile(each, 0.975, axis=0), atol=1e-12)
    np.testing.assert_array_equal(band["net_benefit"], net_benefit(y, p, thresholds))
    np.testing.assert_array_equal(band["threshold_probability"], thresholds)


def test_band_holds_the_uncertainty_of_the_prevalence():
    y, p = simulated(1)
    band = net_benefit_band(y, np.ones(210), [0.0], seed=0, n_resamples=2000)
    expected = 3.92 * np.sqrt(y.mean() * (1 - y.mean()) / 210)
    assert band["high"][0] - band["low"][0] == pytest.approx(expected, rel=0.08)
    assert net_benefit_band(y, p, [0.3], seed=0, level=0.5).iloc[0].between(-1, 1).all()


def test_band_takes_no_time():
    y, p = simulated(2)
    start = perf_counter()
    band = net_benefit_band(y, p, THRESHOLDS, seed=0)
    assert perf_counter() - start < 1.0  # some 0.02 s undisturbed
    assert (band["low"] <= band["net_benefit"] + 1e-12).all()
    assert (band["net_benefit"] <= band["high"] + 1e-12).all()


def test_band_refuses():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        net_benefit_band([1, 1], [0.2, 0.3], THRESHOLDS, seed=0)
    with pytest.raises(BadArgument, match="level"):
        net_benefit_band(Y, P, THRESHOLDS, seed=0, level=2)
    with pytest.raises(BadArgument, match="n_resamples"):
        net_benefit_band(Y, P, THRESHOLDS, seed=0, n_resamples=0)
    with pytest.raises(BadArgument, match="thresholds"):
        net_benefit_band(Y, P, [1.0], seed=0)
