from dataclasses import astuple

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import expit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    auc,
    brier_score,
    calibration_line,
    lowess_calibration,
    spiegelhalter,
    validation_measures,
)


def truth(seed: int, n: int = 500):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.5, 1.2, size=n))
    return (rng.random(n) < p).astype(int), p


def test_holds_the_single_measures():
    y, p = truth(0)
    found = validation_measures(y, p)
    assert (found.c, found.brier) == (auc(y, p), brier_score(y, p))
    assert found.dxy == 2 * found.c - 1
    assert (found.intercept, found.slope) == calibration_line(y, p)
    assert found.e_average == lowess_calibration(y, p).errors.ici
    assert found.spiegelhalter_z == spiegelhalter(y, p).z
    assert found.quality == pytest.approx(found.discrimination - found.unreliability)


def test_likelihoods_by_hand():
    y, p = truth(1)
    found = validation_measures(y, p)
    null = 2 * 500 * sklearn.metrics.log_loss(y, np.full(500, y.mean()))
    own = 2 * 500 * sklearn.metrics.log_loss(y, p)
    assert found.discrimination_chi2 == pytest.approx(null - own)
    assert found.discrimination == pytest.approx((null - own - 1) / 500)
    expected = (1 - np.exp((own - null) / 500)) / (1 - np.exp(-null / 500))
    assert found.r_squared == pytest.approx(expected)


def test_reliability_of_the_truth_is_a_chi_square():
    p_values = [validation_measures(*truth(seed, 300)).unreliability_p for seed in range(100)]
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.1)
    y, p = truth(2)
    assert validation_measures(y, p**3).unreliability_p < 1e-6


def test_a_certain_mistake_is_infinitely_unreliable():
    y, p = truth(3)
    found = validation_measures(np.r_[y, 1, 0], np.r_[p, 0.0, 0.0])
    assert (found.unreliability, found.unreliability_p) == (np.inf, 0.0)
    assert found.quality == -np.inf
    right = validation_measures(np.r_[y, 0, 1], np.r_[p, 0.0, 1.0])
    without = validation_measures(y, p)
    assert right.unreliability_chi2 == pytest.approx(without.unreliability_chi2)
    assert (right.c, right.r_squared) == (without.c, without.r_squared)
    assert not np.isnan(astuple(found)).any()


def test_degenerate():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        validation_measures([1, 1], [0.1, 0.2])
    with pytest.raises(NotEstimable, match="one value"):
        validation_measures([0, 1], [0.2, 0.2])
    with pytest.raises(NotEstimable, match="separates"):
        validation_measures([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(NotEstimable, match="missing"):
        validation_measures([0, 1], [0.2, np.nan])
    with pytest.raises(BadArgument, match="not logits"):
        validation_measures([0, 1], [0.2, 2.0])
