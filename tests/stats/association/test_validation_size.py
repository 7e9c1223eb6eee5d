"""Sizes of an external validation against Riley et al. (2021) and R's pmvalsampsize."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import beta, norm

from her2 import stats
from her2.core.errors import BadArgument, NotEstimable

QUANTILES = norm.ppf((np.arange(20_000) + 0.5) / 20_000)


@pytest.mark.parametrize(
    ("prevalence", "width", "published"),
    [(0.5, 0.2, 385), (0.1, 0.2, 3461), (0.018, 1.0, 905), (0.048, 0.2, 7626)],
)
def test_observed_over_expected_as_published(prevalence, width, published):
    """The papers round the standard error to three decimals: .051 for .05094."""
    assert stats.size_for_observed_over_expected(prevalence, width) == pytest.approx(
        published, rel=0.003, abs=1
    )


@pytest.mark.parametrize(
    ("c", "prevalence", "published"),
    [(0.7, 0.1, 1154), (0.8, 0.5, 302), (0.8, 0.018, 4252), (0.75, 0.018, 5125),
     (0.743, 0.048, 2027)],
)  # fmt: skip
def test_c_statistic_exactly_as_published(c, prevalence, published):
    n = stats.size_for_c_statistic(c, prevalence)
    assert n == published
    widths = [2 * 1.96 * stats.c_statistic_standard_error(c, prevalence, m) for m in (n - 1, n)]
    assert widths[1] <= 0.1 < widths[0]


@pytest.mark.parametrize(
    ("mean", "sd", "published", "tolerance"),
    [
        (-0.5, 0.5, 7644, 0.002),  # pmvalsampsize with a million simulated patients
        (-1.75, 1.22, 2958, 0.002),
        (-5.0, 2.5, 4501, 0.02),  # its own test, with a thousand
        (-1.75, 1.47, 2430, 0.02),  # deep vein thrombosis, by simulated studies (Snell 2021)
    ],
)
def test_calibration_slope_as_published(mean, sd, published, tolerance):
    n = stats.size_for_calibration_slope(mean + sd * QUANTILES)
    assert n == pytest.approx(published, rel=tolerance)


def test_calibration_slope_of_beta_distributed_risks_as_pmvalsampsize():
    risk = beta.ppf((np.arange(200_000) + 0.5) / 200_000, 0.5, 0.5)
    assert stats.size_for_calibration_slope(logit(risk)) == pytest.approx(1641, rel=0.005)


def test_net_benefit_by_hand_and_as_published():
    """Riley 2021, section 3.4.1: 1.41877 / .051² = 545.5, by hand."""
    assert stats.size_for_net_benefit(0.6, 0.88, 0.72, 0.8) == pytest.approx(545.5, rel=0.002)


def test_the_c_statistic_alone_as_pmvalsampsize_simulates_it():
    """Its own test draws 10,000 patients, whose slope needs 16,175: 6 % of chance."""
    n = stats.sample_size_for_validation(0.018, 0.8)["n_required"].tolist()
    assert n == [pytest.approx(20975, rel=0.01), pytest.approx(16175, rel=0.08), 4252]


def test_the_binormal_predictor_has_its_prevalence_auc_and_calibration():
    log_odds, weights = stats.binormal_linear_predictor(0.75, 0.2)
    half = log_odds.size // 2
    assert weights.sum() == pytest.approx(1)
    assert weights @ expit(log_odds) == pytest.approx(0.2, abs=1e-4)
    assert (log_odds[:half:10, None] > log_odds[half::10]).mean() == pytest.approx(0.75, abs=1e-3)


def test_own_predictions_give_what_their_distribution_gives():
    drawn = stats.binormal_linear_predictor(0.8, 0.3, n_values=7000)[0]
    mixed = np.concatenate([np.repeat(drawn[:7000], 3), np.repeat(drawn[7000:], 7)])
    own = stats.sample_size_for_validation(0.3, 0.8, linear_predictor=mixed, threshold=0.3)
    formula = stats.sample_size_for_validation(0.3, 0.8, threshold=0.3)
    assert own["n_required"].tolist() == pytest.approx(formula["n_required"].tolist(), rel=0.005)


def test_what_is_too_extreme_needs_fewer_for_the_same_width_of_the_slope():
    predictions = 1.2 * QUANTILES - 1
    well = stats.size_for_calibration_slope(predictions)
    extreme = stats.size_for_calibration_slope(2 * predictions, calibration=(0.0, 0.5))
    assert extreme == pytest.approx(well / 4, abs=1)


def test_narrower_intervals_need_more_by_the_square():
    wide, narrow = (
        stats.sample_size_for_validation(
            0.3, 0.8, targets=stats.PrecisionTargets(c_statistic=w, calibration_slope=2 * w)
        )["n_required"]
        for w in (0.1, 0.05)
    )
    assert (narrow[1:] / wide[1:]).tolist() == pytest.approx([4, 4], rel=0.02)


@pytest.mark.parametrize(
    ("p", "prevalence", "published"),
    [(30, 0.05, 544), (10, 0.3, 461), (24, 0.17, 792)],
)
def test_prediction_error_as_published(p, prevalence, published):
    assert stats.sample_size_for_prediction_error(p, prevalence) == published
    assert stats.sample_size_for_prediction_error(p, 1 - prevalence) == published


def test_degenerate_input():
    with pytest.raises(NotEstimable, match="at most 30 candidate coefficients, found 31"):
        stats.sample_size_for_prediction_error(31, 0.3)
    with pytest.raises(NotEstimable, match="all predictions are the same"):
        stats.size_for_calibration_slope([0.3, 0.3])
    with pytest.raises(NotEstimable, match="nobody is treated"):
        stats.size_for_net_benefit(0.0, 1.0, 0.3, 0.9)
    with pytest.raises(BadArgument, match="finite log odds"):
        stats.size_for_calibration_slope([])
    with pytest.raises(BadArgument, match="width of an interval must be positive, found 0"):
        stats.size_for_c_statistic(0.8, 0.3, 0)
    with pytest.raises(BadArgument, match=r"prevalence must lie in \(0, 1\), found 1"):
        stats.size_for_observed_over_expected(1.0)
    with pytest.raises(BadArgument, match="error must lie"):
        stats.sample_size_for_prediction_error(5, 0.3, error=0)
