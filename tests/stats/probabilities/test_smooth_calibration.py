from functools import partial

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    calibration_curve,
    calibration_errors,
    calibration_line,
    ici_interval,
    integrated_calibration_index,
)
from her2.stats.probabilities.loess import loess_curve

ALL = [
    calibration_curve,
    calibration_errors,
    integrated_calibration_index,
    partial(ici_interval, seed=0),
]


def truth(seed: int = 0, n: int = 400):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.7, 1.2, size=n))
    return (rng.random(n) < p).astype(int), p


def test_flexible_curve_of_the_truth_is_the_diagonal():
    y, p = truth(n=4000)
    curve = calibration_curve(y, p)
    assert set(curve["kind"]) == {"flexible"}
    inner = curve[curve["predicted"].between(0.05, 0.8)]
    assert np.abs(inner["observed"] - inner["predicted"]).max() < 0.06
    covered = (curve["low"] <= curve["predicted"]) & (curve["predicted"] <= curve["high"])
    assert covered.mean() > 0.8


@pytest.mark.parametrize(("n", "kind"), [(60, "logistic"), (1500, "flexible")])
def test_curve_stays_within_the_predictions_and_probabilities(n, kind):
    y, p = truth(1, n)
    curve = calibration_curve(y, p, n_points=25)
    assert len(curve) == 25
    assert (curve.pop("kind") == kind).all()
    assert curve["predicted"].iloc[[0, -1]].tolist() == pytest.approx([p.min(), p.max()])
    assert (curve.to_numpy() >= 0).all()
    assert (curve.to_numpy() <= 1).all()
    assert (curve["low"] <= curve["observed"]).all()
    assert (curve["observed"] <= curve["high"]).all()
    wider = calibration_curve(y, p, n_points=25, level=0.99)
    assert (wider["high"] - wider["low"] >= curve["high"] - curve["low"]).all()


def test_flexible_needs_200_patients_of_each_outcome():
    y, p = np.repeat([0, 1], [400, 200]), np.tile(np.linspace(0.05, 0.9, 150), 4)
    assert set(calibration_curve(y, p)["kind"]) == {"flexible"}
    assert set(calibration_curve(y[:-1], p[:-1])["kind"]) == {"logistic"}
    rows_of_one = np.where(np.arange(600) < 598, np.arange(600), 598)
    assert set(calibration_curve(y, p, rows_of_one)["kind"]) == {"logistic"}
    coarse = np.tile([0.1, 0.2, 0.3, 0.4, 0.5], 120)
    assert set(calibration_curve(y, coarse)["kind"]) == {"logistic"}


def test_logistic_curve_is_the_line_and_its_band():
    y, p = truth(5, 150)
    curve = calibration_curve(y, p, n_points=9)
    intercept, slope = calibration_line(y, p)
    expected = expit(intercept + slope * logit(curve["predicted"]))
    np.testing.assert_allclose(curve["observed"], expected)
    design = sm.add_constant(logit(p))
    fit = sm.GLM(y, design, family=sm.families.Binomial()).fit()
    frame = fit.get_prediction(sm.add_constant(logit(curve["predicted"]))).summary_frame()
    np.testing.assert_allclose(curve["low"], frame["mean_ci_lower"], rtol=1e-5)
    np.testing.assert_allclose(curve["high"], frame["mean_ci_upper"], rtol=1e-5)


@pytest.mark.parametrize("n", [150, 1200])
def test_band_is_as_wide_as_patients_make_it(n):
    y, p = truth(6, n)
    once = calibration_curve(y, p, n_points=15)
    repeats = calibration_curve(y, np.tile(p, (5, 1)), n_points=15)
    copies = calibration_curve(
        np.repeat(y, 5), np.repeat(p, 5), np.repeat(np.arange(n), 5), n_points=15
    )
    for frame in (repeats, copies):
        np.testing.assert_allclose(frame["observed"], once["observed"], atol=0.02)
        ratio = (frame["high"] - frame["low"]).mean() / (once["high"] - once["low"]).mean()
        assert 0.8 < ratio < 1.25


@pytest.mark.parametrize("n", [100, 1000])
def test_band_covers_the_truth_as_often_as_it_says(n):
    covered = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = np.repeat(expit(rng.normal(-0.4, 1.0, size=n)), 2)
        y = (np.repeat(rng.random(n), 2) < p).astype(int)  # both rows of a patient are alike
        curve = calibration_curve(y, p, np.repeat(np.arange(n), 2), n_points=30)
        at = curve["predicted"]
        holds = (curve["low"] <= at) & (at <= curve["high"])
        covered.append(holds[at.between(0.2, 0.7)])
    assert 0.9 < np.mean(np.concatenate(covered)) < 0.99


def test_a_known_distortion_is_drawn():
    y, p = truth(2, 4000)
    curve = calibration_curve(y, expit(2 * logit(p)))
    middle = curve[curve["predicted"].between(0.1, 0.9)]
    expected = expit(logit(middle["predicted"]) / 2)
    assert np.abs(middle["observed"] - expected).max() < 0.08


def test_curves_that_cannot_be():
    y, p = truth(3, 60)
    with pytest.raises(NotEstimable, match="separates"):
        calibration_curve([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    with pytest.raises(BadArgument, match="n_points"):
        calibration_curve(y, p, n_points=1)
    with pytest.raises(BadArgument, match="level"):
        calibration_curve(y, p, level=0)
    with pytest.raises(BadArgument, match="groups"):
        calibration_curve(y, p, [1, 2])


def test_ici_interval_holds_0_of_a_calibrated_model_and_not_of_a_distorted_one():
    y, p = truth(7, 300)
    found = ici_interval(y, p, seed=0)
    assert found.value == integrated_calibration_index(y, p)
    assert found.low == 0.0
    assert found.high > found.value
    distorted = ici_interval(y, expit(3 * logit(p) + 1), seed=0)
    assert distorted.low > 0.05
    assert distorted.value - distorted.low == pytest.approx(distorted.high - distorted.value)
    assert ici_interval(y, p, seed=0) == found
    assert ici_interval(y, p, seed=0, level=0.5).high < found.high


def test_ici_interval_draws_patients_with_their_rows_and_repeats():
    y, p = truth(8, 200)
    p = expit(2 * logit(p))
    once = ici_interval(y, p, seed=0)
    repeats = ici_interval(y, np.tile(p, (4, 1)), seed=0)
    assert (repeats.value, repeats.high) == pytest.approx((once.value, once.high), abs=0.01)
    copies = np.repeat(y, 4), np.repeat(p, 4)
    as_patients = ici_interval(*copies, np.repeat(np.arange(200), 4), seed=0)
    as_cases = ici_interval(*copies, seed=0)
    assert as_patients.high == pytest.approx(once.high, abs=0.015)
    assert as_cases.high - as_cases.value < 0.7 * (as_patients.high - as_patients.value)


def test_ici_interval_refuses():
    y, p = truth(3, 50)
    with pytest.raises(BadArgument, match="n_resamples"):
        ici_interval(y, p, seed=0, n_resamples=0)
    with pytest.raises(BadArgument, match="level"):
        ici_interval(y, p, seed=0, level=1)
    with pytest.raises(NotEstimable, match="95 % of resamples"):
        ici_interval([0, 1, 0, 1, 1], [0.1, 0.2, 0.2, 0.9, 0.9], seed=0)


def test_the_smooth_is_a_risk():
    y = np.repeat([0, 1, 0, 1], [30, 5, 5, 30])
    p = np.linspace(0.02, 0.98, 70)
    smooth = loess_curve(p, y.astype(float))
    assert smooth.min() < 0 < 1 < smooth.max()
    errors = calibration_errors(y, p)
    assert errors.ici == pytest.approx(np.abs(np.clip(smooth, 0, 1) - p).mean())
    assert errors.ici < np.abs(smooth - p).mean()


def test_errors_are_ordered_and_small_for_the_truth():
    y, p = truth(4, 4000)
    errors = calibration_errors(y, p)
    assert errors.e50 <= errors.e90 <= errors.e_max
    assert 0 < errors.ici < 0.02
    assert calibration_errors(y, expit(3 * logit(p))).ici > 0.08
    assert integrated_calibration_index(y, p) == calibration_errors(y, p).ici


@pytest.mark.parametrize("n_values", [2, 3, 4])
def test_smooth_of_few_distinct_predictions_passes_through_their_proportions(n_values):
    rng = np.random.default_rng(n_values)
    values = np.array([0.1, 0.35, 0.6, 0.9])[:n_values]
    p = np.repeat(values, 25)
    y = (rng.random(p.size) < p).astype(int)
    observed = np.array([y[p == v].mean() for v in values])
    expected = np.mean(np.abs(observed - values))
    tolerance = 1e-6 if n_values < 4 else 0.02
    assert integrated_calibration_index(y, p) == pytest.approx(expected, abs=tolerance)


def test_smooth_of_nearly_constant_predictions():
    y, p = truth(3, 50)
    tied = np.where(np.arange(50) < 42, 0.4, p)
    with pytest.raises(NotEstimable, match="loess"):
        integrated_calibration_index(y, tied)


@pytest.mark.parametrize("function", ALL)
def test_degenerate(function):
    with pytest.raises(NotEstimable, match="both outcome classes"):
        function([1, 1, 1], [0.1, 0.2, 0.3])
    with pytest.raises(NotEstimable, match="missing"):
        function([0, 1, 1], [0.1, np.nan, 0.3])
    with pytest.raises(BadArgument, match="not logits"):
        function([0, 1, 1], [0.1, 2.0, 0.3])
    with pytest.raises(BadArgument, match="found 2"):
        function([0, 1, 1], [0.1, 0.3])


@pytest.mark.parametrize("function", ALL)
def test_a_constant_prediction_has_no_curve(function):
    with pytest.raises(NotEstimable, match="same value"):
        function([0, 1, 1, 1], [0.5] * 4)
