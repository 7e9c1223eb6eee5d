import numpy as np
import pytest
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    calibration,
    calibration_in_the_large,
    calibration_in_the_large_interval,
    calibration_line,
    calibration_line_interval,
    calibration_slope,
)

ALL = [
    calibration_in_the_large,
    calibration_in_the_large_interval,
    calibration_line,
    calibration_line_interval,
    calibration_slope,
]


def truth(seed: int = 0, n: int = 20_000):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.7, 1.2, size=n))
    return (rng.random(n) < p).astype(int), p


def test_score_equations_hold():
    y, p = truth(1, 500)
    intercept, slope = calibration_line(y, p)
    residual = y - expit(intercept + slope * logit(p))
    assert abs(residual.sum()) < 1e-8
    assert abs((residual * logit(p)).sum()) < 1e-8
    assert abs((y - expit(logit(p) + calibration_in_the_large(y, p))).sum()) < 1e-9


@pytest.mark.parametrize("p", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.5, 0.5, 0.9]])
def test_separation_has_no_slope(p):
    with pytest.raises(NotEstimable, match="separates"):
        calibration_line([0, 0, 1, 1], p)
    with pytest.raises(NotEstimable):
        calibration([0, 0, 1, 1], p)
    assert np.isfinite(calibration_in_the_large([0, 0, 1, 1], p))


def test_intervals_belong_to_the_estimates():
    y, p = truth(4, 400)
    line, result = calibration_line_interval(y, p), calibration_in_the_large_interval(y, p)
    assert (line.intercept, line.slope) == calibration_line(y, p)
    assert calibration_slope(y, p) == line.slope
    assert result.intercept == calibration_in_the_large(y, p)
    assert (line.slope_low + line.slope_high) / 2 == pytest.approx(line.slope)
    narrow = calibration_line_interval(y, p, level=0.5)
    ratio = (narrow.slope_high - narrow.slope_low) / (line.slope_high - line.slope_low)
    assert ratio == pytest.approx(0.6744898 / 1.9599640, rel=1e-6)
    assert line.n == 400


def test_intervals_cover_as_often_as_they_say():
    of_slope, of_intercept = [], []
    for seed in range(300):
        y, p = truth(seed, 250)
        line, level = calibration_line_interval(y, p), calibration_in_the_large_interval(y, p)
        of_slope.append(line.slope_low <= 1 <= line.slope_high)
        of_intercept.append(level.low <= 0 <= level.high)
    assert 0.91 < np.mean(of_slope) < 0.99
    assert 0.91 < np.mean(of_intercept) < 0.99


def test_observed_and_expected_count_certain_predictions_too():
    result = calibration_in_the_large_interval([0, 1, 0, 1, 1], [0.5, 0.5, 0.0, 1.0, 0.5])
    assert result.observed_minus_expected == pytest.approx(0.6 - 0.5)
    assert result.observed_over_expected == pytest.approx(1.2)
    assert result.intercept == pytest.approx(np.log(2))


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


@pytest.mark.parametrize(
    "function", [calibration_line_interval, calibration_in_the_large_interval]
)
def test_levels_are_shares(function):
    with pytest.raises(BadArgument, match="level"):
        function([0, 1, 1], [0.1, 0.5, 0.3], level=95)
