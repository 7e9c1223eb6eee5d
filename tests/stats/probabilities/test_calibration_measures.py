import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    brier_score,
    calibration,
    calibration_groups,
    calibration_in_the_large,
    calibration_line,
    integrated_calibration_index,
    wilson_interval,
)

ALL = [calibration, calibration_groups]


def truth(seed: int = 0, n: int = 20_000):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.7, 1.2, size=n))
    return (rng.random(n) < p).astype(int), p


def test_simulated_truth_is_calibrated():
    y, p = truth()
    result = calibration(y, p)
    assert result.slope == pytest.approx(1.0, abs=0.06)
    assert result.intercept == pytest.approx(0.0, abs=0.06)
    assert result.in_the_large == pytest.approx(0.0, abs=0.05)
    assert result.ici < 0.01
    assert result.brier == pytest.approx(np.mean(p * (1 - p)), abs=0.005)
    assert result.n_without_logit == 0


def test_a_known_distortion_is_found():
    y, p = truth()
    honest_intercept, honest_slope = calibration_line(y, p)
    intercept, slope = calibration_line(y, expit(2 * logit(p) + 0.6))
    # outcome = a + b * logit(p) = (a - 0.3 b) + (b / 2) * (2 logit(p) + 0.6)
    assert slope == pytest.approx(honest_slope / 2, abs=1e-8)
    assert intercept == pytest.approx(honest_intercept - 0.3 * honest_slope, abs=1e-8)
    assert calibration_in_the_large(y, expit(logit(p) + 0.6)) == pytest.approx(
        calibration_in_the_large(y, p) - 0.6, abs=1e-10
    )


def test_constant_probability():
    assert calibration_in_the_large([0, 1, 1, 1], [0.5] * 4) == pytest.approx(np.log(3))
    assert brier_score([0, 1, 1, 1], [0.5] * 4) == 0.25
    for function in (calibration_line, integrated_calibration_index, calibration_groups):
        with pytest.raises(NotEstimable):
            function([0, 1, 1, 1], [0.5] * 4)


def test_certain_predictions_have_no_logit_but_count_for_the_rest():
    y, p = truth(2, 300)
    with_certain = np.append(y, [0, 1, 1]), np.append(p, [0.0, 1.0, 0.0])
    result, without = calibration(*with_certain), calibration(y, p)
    assert result.n_without_logit == 3
    assert (result.intercept, result.slope) == (without.intercept, without.slope)
    assert result.in_the_large == without.in_the_large
    assert result.brier == pytest.approx((without.brier * 300 + 1) / 303)


def test_only_certain_predictions():
    with pytest.raises(NotEstimable, match="other than 0 and 1"):
        calibration_line([0, 1, 1], [0.0, 1.0, 1.0])
    assert brier_score([0, 1, 1], [0.0, 1.0, 1.0]) == 0.0


def test_groups_by_hand():
    y = [0, 0, 1, 0, 1, 1, 1, 1]
    p = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    groups = calibration_groups(y, p, n_groups=4)
    np.testing.assert_allclose(groups["mean_predicted"], [0.15, 0.35, 0.55, 0.75])
    np.testing.assert_allclose(groups["observed"], [0, 0.5, 1, 1])
    assert groups["n"].tolist() == [2, 2, 2, 2]
    assert (groups["low"][1], groups["high"][1]) == wilson_interval(1, 2)


def test_tied_predictions_give_fewer_groups_that_keep_everybody():
    y = [0, 1] * 20
    groups = calibration_groups(y, [0.2] * 30 + [0.5] * 6 + [0.9] * 4)
    assert len(groups) < 10
    assert groups["n"].sum() == 40


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


def predicted_again(seed=5, n=90, n_repeats=3):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    return y, expit(y - 0.5 + rng.normal(size=(n_repeats, n)))


def test_groups_of_repeats_that_agree_are_those_of_one():
    y, p = predicted_again(n_repeats=1)
    one, four = calibration_groups(y, p[0]), calibration_groups(y, np.tile(p, (4, 1)))
    pd.testing.assert_frame_equal(four, one.astype({"n": float}))


def test_groups_over_repeats_hold_every_case_once_and_by_hand():
    """Shares are of all members of a group in any repeat, sizes their mean over the repeats."""
    y, p = predicted_again()
    found = calibration_groups(y, p, n_groups=5)
    assert found["n"].sum() == pytest.approx(90)
    assert (found["observed"] * found["n"]).sum() == pytest.approx(y.sum())
    assert (found["mean_predicted"] * found["n"]).sum() / 90 == pytest.approx(p.mean())
    group = np.searchsorted(np.quantile(p, [0.2, 0.4, 0.6, 0.8]), p, side="left")
    stacked = np.tile(y, (3, 1))
    for k in range(5):
        row = found.iloc[k]
        assert row["n"] == pytest.approx((group == k).sum() / 3)
        assert row["observed"] == pytest.approx(stacked[group == k].mean())
        assert row["mean_predicted"] == pytest.approx(p[group == k].mean())


def test_repeats_are_no_further_cases():
    """Three repeats of a case that stays in its group leave the interval as wide as one does."""
    y, p = predicted_again(n_repeats=1)
    one, three = (calibration_groups(y, np.tile(p, (r, 1)), n_groups=5) for r in (1, 3))
    width = [table["high"] - table["low"] for table in (one, three)]
    np.testing.assert_allclose(width[1], width[0])
    four = np.repeat(np.arange(90), 4)
    rows = calibration_groups(y[four], p[0, four], four, n_groups=5)
    assert ((rows["high"] - rows["low"]) / width[0] > 0.97).all()
