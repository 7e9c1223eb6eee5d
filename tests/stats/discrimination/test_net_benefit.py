from time import perf_counter

import numpy as np
import pytest
from scipy.stats import t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import net_benefit, net_benefit_table, net_benefit_treat_all, operating_point
from her2.stats.discrimination.patient_bootstrap import draws, patients, rows

Y = np.array([0, 0, 0, 1, 1])
P = np.array([0.1, 0.3, 0.6, 0.3, 0.9])
THRESHOLDS = np.arange(1, 100) / 100


def test_is_the_weighted_count_at_each_threshold():
    for at, found in zip(THRESHOLDS, net_benefit(Y, P, THRESHOLDS), strict=True):
        point = operating_point(Y, P, at)
        assert found == pytest.approx((point.tp - point.fp * at / (1 - at)) / 5)


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


@pytest.mark.parametrize("at", [1.0, -0.1, np.nan])
def test_thresholds_have_a_range(at):
    with pytest.raises(BadArgument, match="thresholds"):
        net_benefit(Y, P, [0.2, at])
    with pytest.raises(BadArgument, match="thresholds"):
        net_benefit_treat_all(Y, [at])


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


def test_table_by_hand():
    row = net_benefit_table(Y, P, [0.5]).iloc[0]
    values = np.array([0, 0, -1, 0, 1])
    half_width = t.ppf(0.975, 4) * values.std(ddof=1) / np.sqrt(5)
    assert (row["net_benefit"], row["treat_all"]) == pytest.approx((0.0, -0.2))
    assert (row["low"], row["high"]) == pytest.approx((-half_width, half_width))
    gain = np.array([1, 1, 0, -1, 0])
    half_width = t.ppf(0.975, 4) * gain.std(ddof=1) / np.sqrt(5)
    assert row["over_all"] == pytest.approx(0.2)
    assert (row["over_all_low"], row["over_all_high"]) == pytest.approx(
        (0.2 - half_width, 0.2 + half_width)
    )


def test_table_holds_the_curves_in_the_order_of_the_thresholds():
    y, p = simulated(0)
    thresholds = np.array([0.5, 0.05, 0.3, 0.3, 0.0, 0.99])  # any order, twice the same
    table = net_benefit_table(y, p, thresholds)
    np.testing.assert_array_equal(table["threshold_probability"], thresholds)
    np.testing.assert_allclose(table["net_benefit"], net_benefit(y, p, thresholds))
    np.testing.assert_allclose(table["treat_all"], net_benefit_treat_all(y, thresholds))
    np.testing.assert_allclose(
        table["over_all"], table["net_benefit"] - table["treat_all"], atol=1e-15
    )
    assert (table.loc[4, ["over_all_low", "over_all_high"]] == 0.0).all()  # all are treated


def test_band_is_that_of_a_bootstrap_of_patients():
    y, p = simulated(3, 400)
    patient = np.arange(400) // 2
    table = net_benefit_table(y, p, [0.2, 0.4], patient)
    blocks = draws(patients(y == 1, patient), 1500, 1, stratified=False)
    resampled = np.array([
        net_benefit(y[rows(one)], p[rows(one)], [0.2, 0.4]) for block in blocks for one in block
    ])  # fmt: skip
    standard_error = (table["high"] - table["low"]) / 2 / t.ppf(0.975, 199)
    np.testing.assert_allclose(resampled.std(axis=0), standard_error, rtol=0.08)


def test_repeats_are_averaged_and_no_cases():
    y, p = simulated(1)
    once, five = (net_benefit_table(y, q, THRESHOLDS) for q in (p, np.tile(p, (5, 1))))
    np.testing.assert_allclose(five, once, atol=1e-12)
    other = np.vstack([p, p[::-1]])
    expected = (net_benefit(y, p, THRESHOLDS) + net_benefit(y, p[::-1], THRESHOLDS)) / 2
    found = net_benefit_table(y, other, THRESHOLDS)["net_benefit"]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_band_holds_the_uncertainty_of_the_prevalence():
    y, _ = simulated(1)
    band = net_benefit_table(y, np.ones(210), [0.0])
    expected = 2 * t.ppf(0.975, 209) * np.sqrt(y.mean() * (1 - y.mean()) / 209)
    assert band["high"][0] - band["low"][0] == pytest.approx(expected)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_covers_as_often_as_it_says_with_four_rows_a_patient(correlation):
    rng = np.random.default_rng(4)
    benefit, over_all = 0.5 * (0.6 - 0.4 * 0.25), 0.5 * (0.9 * 0.25 - 0.1)
    covered = []
    for _ in range(200):
        p = np.where(np.repeat(rng.random(60) < 0.5, 4), 0.6, 0.1)
        same = np.repeat(rng.random(60) < correlation, 4)
        u = np.where(same, np.repeat(rng.random(60), 4), rng.random(240))
        table = net_benefit_table(u < p, p, [0.2], np.repeat(np.arange(60), 4)).iloc[0]
        covered.append([
            table["low"] <= benefit <= table["high"],
            table["over_all_low"] <= over_all <= table["over_all_high"],
        ])  # fmt: skip
    assert (np.mean(covered, axis=0) > 0.89).all()


def test_table_takes_no_time():
    y, p = simulated(2)
    start = perf_counter()
    net_benefit_table(y, np.tile(p, (5, 1)), THRESHOLDS, np.arange(210) // 2)
    assert perf_counter() - start < 1.0


def test_table_refuses():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        net_benefit_table([1, 1], [0.2, 0.3], THRESHOLDS)
    with pytest.raises(NotEstimable, match="2 patients"):
        net_benefit_table(Y, P, THRESHOLDS, ["a"] * 5)
    with pytest.raises(BadArgument, match="level"):
        net_benefit_table(Y, P, THRESHOLDS, level=2)
    with pytest.raises(BadArgument, match="thresholds"):
        net_benefit_table(Y, P, [1.0])
    with pytest.raises(BadArgument, match="not logits"):
        net_benefit_table(Y, P * 2, THRESHOLDS)
