import numpy as np
import pytest
import sklearn.metrics
from scipy.stats import t as student_t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    brier_interval,
    brier_score,
    mean_interval,
    scaled_brier,
    scaled_brier_interval,
)

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


def test_interval_is_students_of_the_squared_errors():
    found, expected = brier_interval(Y, P), mean_interval((P - Y) ** 2)
    assert found.value == pytest.approx(brier_score(Y, P))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_scaled_interval_is_the_jackknifes():
    left_out = [scaled_brier(np.delete(Y, i), np.delete(P, i)) for i in range(200)]
    expected = np.sqrt(199 / 200 * ((left_out - np.mean(left_out)) ** 2).sum())
    found = scaled_brier_interval(Y, P)
    assert found.value == pytest.approx(scaled_brier(Y, P))
    standard_error = (found.high - found.value) / student_t.ppf(0.975, 199)
    assert standard_error == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("function", [brier_interval, scaled_brier_interval])
def test_repeats_and_rows_of_one_patient_are_no_cases(function):
    once = function(Y, P)
    repeated = function(Y, np.tile(P, (5, 1)))
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))
    rows = function(np.repeat(Y, 3), np.repeat(P, 3), np.repeat(np.arange(200), 3))
    assert rows.high - rows.low == pytest.approx(once.high - once.low, rel=0.01)
    noisy = np.clip(P + np.random.default_rng(1).normal(size=(5, 200)) / 5, 0, 1)
    mean = np.mean([function(Y, p).value for p in noisy])
    assert function(Y, noisy).value == pytest.approx(mean)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_intervals_cover_with_four_rows_a_patient(correlation):
    rng = np.random.default_rng(2)
    truth = 0.25 * 0.75  # of predictions .25 and .75 that are true
    covered = []
    for _ in range(200):
        p = np.where(np.repeat(rng.random(60) < 0.5, 4), 0.25, 0.75)
        same = np.repeat(rng.random(60) < correlation, 4)
        u = np.where(same, np.repeat(rng.random(60), 4), rng.random(240))
        y, patient = (u < p).astype(int), np.repeat(np.arange(60), 4)
        brier, scaled = brier_interval(y, p, patient), scaled_brier_interval(y, p, patient)
        covered.append([brier.low <= truth <= brier.high, scaled.low <= 0.25 <= scaled.high])
    assert (np.mean(covered, axis=0) > 0.9).all()
    assert (np.mean(covered, axis=0) < 0.995).all()


@pytest.mark.parametrize(
    "function", [brier_score, scaled_brier, brier_interval, scaled_brier_interval]
)
def test_degenerate(function):
    with pytest.raises(NotEstimable, match="both outcome classes"):
        function([1, 1, 1], [0.1, 0.2, 0.3])
    with pytest.raises(NotEstimable, match="missing"):
        function([0, 1, 1], [0.1, np.nan, 0.3])
    with pytest.raises(BadArgument, match="not logits"):
        function([0, 1, 1], [0.1, 2.0, 0.3])
    with pytest.raises(BadArgument, match="found 2"):
        function([0, 1, 1], [0.1, 0.3])
