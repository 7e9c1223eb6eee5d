import numpy as np
import pytest
import sklearn.metrics

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import brier_score, log_loss, scaled_brier, spiegelhalter

RNG = np.random.default_rng(0)
P = RNG.beta(2, 3, size=200)
Y = (RNG.random(200) < P).astype(int)


def test_agree_with_scikit_learn():
    assert brier_score(Y, P) == pytest.approx(sklearn.metrics.brier_score_loss(Y, P))
    assert log_loss(Y, P) == pytest.approx(sklearn.metrics.log_loss(Y, P))


def test_by_hand():
    assert brier_score([0, 1, 1], [0.2, 0.6, 1.0]) == pytest.approx((0.04 + 0.16) / 3)
    assert scaled_brier([0, 1, 1], [0.2, 0.6, 1.0]) == pytest.approx(1 - (0.2 / 3) / (2 / 9))
    assert log_loss([0, 1], [0.2, 0.6]) == pytest.approx(-np.log(0.8 * 0.6) / 2)


def test_scale_has_the_prevalence_at_zero():
    assert scaled_brier(Y, np.full(200, Y.mean())) == pytest.approx(0.0, abs=1e-12)
    assert scaled_brier(Y, Y) == 1.0
    assert scaled_brier(Y, 1 - Y) < -1


def test_a_certain_mistake_costs_a_finite_log_loss():
    assert log_loss([0, 1], [1.0, 1.0]) == pytest.approx(-np.log(1e-15) / 2, rel=1e-3)
    assert log_loss([0, 1], [0.0, 1.0]) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("score", [brier_score, log_loss])
def test_truth_scores_best(score):
    rng = np.random.default_rng(1)
    p = rng.random(50_000)
    y = rng.random(50_000) < p
    distorted = (p**2, np.sqrt(p), 0.9 * p, 0.1 + 0.8 * p)
    assert score(y, p) < min(score(y, other) for other in distorted)


def test_spiegelhalter_is_standard_normal_for_the_truth():
    rng = np.random.default_rng(2)
    z = []
    for _ in range(400):
        p = rng.beta(2, 3, size=100)
        z.append(spiegelhalter(rng.random(100) < p, p).z)
    assert np.mean(z) == pytest.approx(0, abs=0.15)
    assert np.std(z) == pytest.approx(1, abs=0.1)


def test_spiegelhalter_is_the_standardised_brier_score():
    variance = np.sum((1 - 2 * P) ** 2 * P * (1 - P)) / 200**2
    expected = (brier_score(Y, P) - np.mean(P * (1 - P))) / np.sqrt(variance)
    assert spiegelhalter(Y, P).z == pytest.approx(expected)
    extreme = np.where(P < 0.4, 0.05, 0.95)
    assert spiegelhalter(Y, extreme).z > 3
    assert spiegelhalter(Y, extreme).p_value < 0.01


def test_spiegelhalter_needs_a_variance():
    for p in ([0.5, 0.5], [0.0, 1.0], [0.5, 1.0]):
        with pytest.raises(NotEstimable, match="Spiegelhalter"):
            spiegelhalter([0, 1], p)


@pytest.mark.parametrize("function", [brier_score, log_loss, scaled_brier, spiegelhalter])
def test_degenerate(function):
    with pytest.raises(NotEstimable, match="both outcome classes"):
        function([1, 1, 1], [0.1, 0.2, 0.3])
    with pytest.raises(NotEstimable, match="missing"):
        function([0, 1, 1], [0.1, np.nan, 0.3])
    with pytest.raises(BadArgument, match="not logits"):
        function([0, 1, 1], [0.1, 2.0, 0.3])
    with pytest.raises(BadArgument, match="found 2"):
        function([0, 1, 1], [0.1, 0.3])
