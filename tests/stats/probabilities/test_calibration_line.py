import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from scipy.stats import norm

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


def both(y, p, groups=None):
    line = calibration_line_interval(y, p, groups)
    large = calibration_in_the_large_interval(y, p, groups)
    return line, large


def test_patients_of_one_row_are_those_without_names():
    y, p = truth(1, 200)
    assert both(y, p, np.arange(200)) == both(y, p)
    assert both(y, p[None]) == both(y, p)


def test_repeats_that_agree_change_the_estimate_of_the_error_only():
    y, p = truth(1, 2000)
    once, five = both(y, p), both(y, np.tile(p, (5, 1)))
    assert five[0].slope == pytest.approx(once[0].slope)
    assert five[1].intercept == pytest.approx(once[1].intercept)
    assert five[0].slope_standard_error == pytest.approx(once[0].slope_standard_error, rel=0.1)
    assert five[1].standard_error == pytest.approx(once[1].standard_error, rel=0.1)
    assert five[0].n == 2000


def test_copied_rows_add_nothing():
    y, p = truth(2, 300)
    copied = both(np.repeat(y, 4), np.repeat(p, 4), np.repeat(np.arange(300), 4))
    repeated = both(y, np.tile(p, (4, 1)))  # the same sandwich, but for C / (C - 1)
    factor = np.sqrt(300 / 299 * 1199 / 1200)
    for found, expected in (
        (copied[0].slope_standard_error, repeated[0].slope_standard_error),
        (copied[0].intercept_standard_error, repeated[0].intercept_standard_error),
        (copied[1].standard_error, repeated[1].standard_error),
    ):
        assert found == pytest.approx(expected * factor)


def test_sandwich_is_that_of_statsmodels():
    rng = np.random.default_rng(3)
    y, p = truth(3, 240)
    patient = rng.integers(60, size=240)
    line = calibration_line_interval(y, p, patient)
    design = np.column_stack([np.ones(240), logit(p)])
    expected = sm.GLM(y, design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": patient, "use_correction": False}
    )
    n_patients = np.unique(patient).size
    factor = np.sqrt(n_patients / (n_patients - 1) * 239 / 240)
    assert line.intercept_standard_error == pytest.approx(expected.bse[0] * factor)
    assert line.slope_standard_error == pytest.approx(expected.bse[1] * factor)


def test_certain_predictions_of_some_repeats_are_left_out():
    y, p = truth(4, 100)
    certain = np.vstack([p, np.where(np.arange(100) < 10, 0.0, p)])
    assert calibration_line_interval(y, certain).n == 100
    certain[0, :10] = 1.0
    assert calibration_line_interval(y, certain).n == 90


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_intervals_cover_with_four_rows_a_patient(correlation):
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(120):
        lp = np.repeat(rng.normal(-0.7, 1.2, size=80), 4)
        noise = np.sqrt(correlation) * np.repeat(rng.normal(size=80), 4)
        u = norm.cdf(noise + np.sqrt(1 - correlation) * rng.normal(size=320))
        line, large = both((u < expit(lp)).astype(int), expit(lp), np.repeat(np.arange(80), 4))
        covered.append([line.slope_low <= 1 <= line.slope_high, large.low <= 0 <= large.high])
    assert (np.mean(covered, axis=0) > 0.89).all()


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
