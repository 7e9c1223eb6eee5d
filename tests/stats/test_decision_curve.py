import numpy as np
import pytest

from her2.errors import BadArgument, NotEstimable
from her2.stats import net_benefit, net_benefit_treat_all, operating_point

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
