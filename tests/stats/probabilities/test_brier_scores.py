import numpy as np
import pytest
import sklearn.metrics

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import brier_score, scaled_brier

RNG = np.random.default_rng(0)
P = RNG.beta(2, 3, size=200)
Y = (RNG.random(200) < P).astype(int)


def test_agree_with_scikit_learn():
    assert brier_score(Y, P) == pytest.approx(sklearn.metrics.brier_score_loss(Y, P))


def test_by_hand():
    assert brier_score([0, 1, 1], [0.2, 0.6, 1.0]) == pytest.approx((0.04 + 0.16) / 3)
    assert scaled_brier([0, 1, 1], [0.2, 0.6, 1.0]) == pytest.approx(1 - (0.2 / 3) / (2 / 9))


def test_scale_has_the_prevalence_at_zero():
    assert scaled_brier(Y, np.full(200, Y.mean())) == pytest.approx(0.0, abs=1e-12)
    assert scaled_brier(Y, Y) == 1.0
    assert scaled_brier(Y, 1 - Y) < -1


def test_truth_scores_best():
    rng = np.random.default_rng(1)
    p = rng.random(50_000)
    y = rng.random(50_000) < p
    distorted = (p**2, np.sqrt(p), 0.9 * p, 0.1 + 0.8 * p)
    assert brier_score(y, p) < min(brier_score(y, other) for other in distorted)


@pytest.mark.parametrize("function", [brier_score, scaled_brier])
def test_degenerate(function):
    with pytest.raises(NotEstimable, match="both outcome classes"):
        function([1, 1, 1], [0.1, 0.2, 0.3])
    with pytest.raises(NotEstimable, match="missing"):
        function([0, 1, 1], [0.1, np.nan, 0.3])
    with pytest.raises(BadArgument, match="not logits"):
        function([0, 1, 1], [0.1, 2.0, 0.3])
    with pytest.raises(BadArgument, match="found 2"):
        function([0, 1, 1], [0.1, 0.3])
