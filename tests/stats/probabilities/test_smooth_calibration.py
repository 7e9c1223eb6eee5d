import numpy as np
import pytest
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    calibration_curve,
    calibration_errors,
    integrated_calibration_index,
)

ALL = [
    calibration_curve,
    calibration_errors,
    integrated_calibration_index,
]


def truth(seed: int = 0, n: int = 400):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.7, 1.2, size=n))
    return (rng.random(n) < p).astype(int), p


def test_curve_of_the_truth_is_the_diagonal():
    y, p = truth(n=4000)
    curve = calibration_curve(y, p)
    inner = curve[curve["predicted"].between(0.05, 0.8)]
    assert np.abs(inner["observed"] - inner["predicted"]).max() < 0.06
    covered = (curve["low"] <= curve["predicted"]) & (curve["predicted"] <= curve["high"])
    assert covered.mean() > 0.8


def test_curve_stays_within_the_predictions_and_probabilities():
    y, p = truth(1, 60)
    curve = calibration_curve(y, p, n_points=25)
    assert len(curve) == 25
    assert (curve["predicted"].iloc[0], curve["predicted"].iloc[-1]) == (p.min(), p.max())
    assert (curve.to_numpy() >= 0).all()
    assert (curve.to_numpy() <= 1).all()
    assert (curve["low"] <= curve["observed"]).all()
    assert (curve["observed"] <= curve["high"]).all()
    wider = calibration_curve(y, p, n_points=25, level=0.99)
    assert (wider["high"] - wider["low"] >= curve["high"] - curve["low"]).all()


def test_a_known_distortion_is_drawn():
    y, p = truth(2, 4000)
    curve = calibration_curve(y, expit(2 * logit(p)))
    middle = curve[curve["predicted"].between(0.1, 0.9)]
    expected = expit(logit(middle["predicted"]) / 2)
    assert np.abs(middle["observed"] - expected).max() < 0.08


def test_too_few_points_or_values():
    y, p = truth(3, 60)
    with pytest.raises(NotEstimable, match="6 distinct predictions, found 5 in 60"):
        calibration_curve(y, np.tile([0.1, 0.2, 0.3, 0.4, 0.5], 12))
    with pytest.raises(NotEstimable, match="found 5 in 5"):
        calibration_curve([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5])
    with pytest.raises(BadArgument, match="n_points"):
        calibration_curve(y, p, n_points=1)
    with pytest.raises(BadArgument, match="level"):
        calibration_curve(y, p, level=0)


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
    with pytest.raises(NotEstimable, match="loess"):
        calibration_curve(y, tied)


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
