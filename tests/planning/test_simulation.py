"""Simulated developments and validations against exact values, other libraries and formulas."""

from functools import partial

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from her2 import stats
from her2.planning.simulation import (
    development_cohort,
    newton,
    ridge,
    simulate,
    validation_cohort,
)

RNG = np.random.default_rng


def cohort(n, p, seed):
    rng = RNG(seed)
    y = (rng.random(n) < 0.3).astype(float)
    X = rng.standard_normal((n, p))
    X[:, 0] += 1.2 * y
    return X, y


def test_ridge_regression_is_that_of_scikit_learn():
    X, y = cohort(150, 6, 1)
    for penalty in (0.5, 20.0):
        own = ridge(X, y, np.array([penalty]))
        theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000).fit(X, y).coef_[0]
        assert own == pytest.approx(theirs, abs=1e-5)


def test_the_penalty_is_that_of_leaving_every_patient_out():
    X, y = cohort(60, 8, 2)
    penalties = np.array([100.0, 10.0, 1.0, 0.1])
    losses = []
    for penalty in penalties:
        eta = []
        for i in range(len(y)):
            kept = np.arange(len(y)) != i
            design = np.column_stack([np.ones(kept.sum()), X[kept]])
            b, _ = newton(design, y[kept], penalty, np.zeros(9))
            eta.append(b[0] + X[i] @ b[1:])
        losses.append(np.logaddexp(0, (1 - 2 * y) * np.array(eta)).mean())
    best = penalties[int(np.argmin(losses))]
    assert ridge(X, y, penalties) == pytest.approx(ridge(X, y, np.array([best])), abs=1e-3)


def test_auc_and_slope_of_a_fitted_model_are_those_of_a_million_new_patients():
    n, p, auc = 80, 5, 0.8
    true_auc, slope = development_cohort(n, p, auc, 0.3, RNG(3))
    rng, distance = RNG(3), np.sqrt(2) * norm.ppf(auc)
    y = (rng.random(n) < 0.3).astype(float)
    X = rng.standard_normal((n, p))
    X[:, 0] += distance * y
    b = ridge(X, y, np.geomspace(10.0, 0.03, 9) * p / distance**2)
    rng = RNG(4)
    outcome = rng.random(1_000_000) < 0.3
    new = rng.standard_normal((1_000_000, p))
    new[:, 0] += distance * outcome
    assert true_auc == pytest.approx(stats.auc(outcome, new @ b), abs=0.002)
    assert slope == pytest.approx(stats.calibration_slope(outcome, expit(new @ b)), rel=0.01)


def test_more_candidates_than_patients_are_the_same_regression():
    X, y = cohort(30, 50, 5)
    triangle = np.linalg.qr(X.T)[1].T
    whole, reduced = (ridge(x, y, np.array([5.0])) for x in (X, triangle))
    assert X @ whole == pytest.approx(triangle @ reduced, abs=1e-6)
    auc, _ = development_cohort(30, 50, 0.8, 0.3, RNG(6))
    assert 0.5 < auc < 0.8


def test_the_slope_of_a_validation_is_that_of_the_statistics():
    calibration, n = (0.3, 0.7), 300
    found = validation_cohort(n, 0.75, 0.3, calibration, RNG(7))
    rng, variance = RNG(7), 2 * norm.ppf(0.75) ** 2
    y = (rng.random(n) < 0.3).astype(float)
    centre = np.log(0.3 / 0.7) - variance / 2
    truth = centre + variance * y + np.sqrt(variance) * rng.standard_normal(n)
    p = expit((truth - 0.3) / 0.7)
    line, area = stats.calibration_line_interval(y, p), stats.auc_interval(y, p)
    expected = (area.low, area.high, line.slope_low, line.slope_high)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("auc", [0.65, 0.8])
def test_the_width_of_the_auc_and_of_the_slope_agree_with_the_formulas(auc):
    n = 600
    drawn = np.array([validation_cohort(n, auc, 0.3, (0.0, 1.0), RNG([8, i])) for i in range(150)])
    formula = 2 * 1.96 * stats.c_statistic_standard_error(auc, 0.3, n)
    assert (drawn[:, 1] - drawn[:, 0]).mean() == pytest.approx(formula, rel=0.04)
    log_odds, weights = stats.binormal_linear_predictor(auc, 0.3)
    width = float(np.median(drawn[:, 3] - drawn[:, 2]))
    n_of_width = stats.size_for_calibration_slope(log_odds, width, weights=weights)
    assert n_of_width == pytest.approx(n, rel=0.04)


def test_the_same_numbers_with_any_number_of_workers():
    draws = {("a", n): partial(validation_cohort, n, 0.7, 0.4, (0.0, 1.0)) for n in (40, 60)}
    cohorts = dict.fromkeys(draws, 23)
    one, two = (simulate(draws, cohorts, seed=5, n_workers=k) for k in (1, 2))
    for key in draws:
        assert one[key].shape == (23, 4)
        assert np.array_equal(one[key], two[key])
    other = simulate(draws, cohorts, seed=6, n_workers=1)
    assert not np.array_equal(one["a", 40], other["a", 40])
