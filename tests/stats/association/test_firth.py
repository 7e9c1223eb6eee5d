"""Firth's estimate against the definition, against firthmodels, and where it is needed."""

import numpy as np
import pytest
from firthmodels import FirthLogisticRegression

from her2.core.errors import NotEstimable
from her2.stats.association.likelihood import (
    Likelihood,
    likelihood_ratio,
    maximise,
    profile_interval,
)
from her2.stats.association.logistic_fit import (
    Separated,
    coefficient_profile,
    fit_firth,
    fit_logistic,
)


def separated(n: int = 60, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positive where the first column is above a point, otherwise three in ten."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) * np.logspace(-1, 2, k) + 5
    return (x[:, 0] > 5.08) | (rng.random(n) < 0.3), x


def test_the_modified_score_is_zero_at_the_estimate():
    positive, x = separated()
    fit = fit_firth(positive, x)
    design = np.column_stack([np.ones(len(x)), x])
    p = 1 / (1 + np.exp(-fit.intercept - x @ fit.coefficients))
    w = np.sqrt(p * (1 - p))[:, None] * design
    hat = np.einsum("ij,ij->i", w @ np.linalg.inv(w.T @ w), w)
    score = design.T @ (positive - p + hat * (0.5 - p))
    np.testing.assert_allclose(score / np.abs(design).sum(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_as_firthmodels_says(seed):
    positive, x = separated(seed=seed)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    oracle = FirthLogisticRegression(backend="numpy", gtol=1e-7, xtol=1e-7, max_iter=500)
    oracle.fit(z, positive.astype(int))
    fit = fit_firth(positive, x)
    np.testing.assert_allclose(
        fit.coefficients * x.std(axis=0), oracle.coef_, rtol=1e-6, atol=1e-7
    )
    bounds = oracle.conf_int(0.05, method="pl", max_iter=200, tol=1e-8)
    for i in range(x.shape[1]):
        found = coefficient_profile(positive, x, fit, i)
        unit = x[:, i].std()
        np.testing.assert_allclose([found.low * unit, found.high * unit], bounds[i], rtol=1e-5)


def test_it_is_half_a_case_in_each_cell():
    x = np.repeat([[0.0], [1.0]], [30, 10], axis=0)
    positive = np.repeat([True, False, True], [10, 20, 10])
    fit = fit_firth(positive, x)
    assert np.exp(fit.coefficients[0]) == pytest.approx(10.5 * 20.5 / (0.5 * 10.5), rel=1e-10)


def test_it_is_finite_where_maximum_likelihood_is_not():
    positive, x = np.repeat([False, True], 20), np.arange(40.0)[:, None]
    with pytest.raises(Separated) as error:
        fit_logistic(positive, x, ["age"])
    assert error.value.columns == ("age",)
    fit = fit_firth(positive, x)
    assert 0 < fit.coefficients[0] < 10
    assert fit.method == "Firth"


def test_flipping_the_classes_flips_the_sign():
    positive, x = separated()
    there, back = fit_firth(positive, x), fit_firth(~positive, x)
    np.testing.assert_allclose(there.coefficients, -back.coefficients, rtol=1e-9)
    assert there.intercept == pytest.approx(-back.intercept, rel=1e-9)


def test_without_the_penalty_it_is_maximum_likelihood():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 2))
    positive = rng.random(80) < 0.4
    design = np.column_stack([np.ones(80), x])
    found = maximise(Likelihood(design, positive))
    expected = fit_logistic(positive, x)
    np.testing.assert_allclose(found.coefficients[1:], expected.coefficients, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-8)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood)


@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_the_curvature_is_the_second_derivative(penalty):
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    likelihood = Likelihood(design, rng.random(40) < 0.5, penalty)
    b, step = np.array([0.3, -0.8, 1.2]), 1e-5
    gradient = [
        (likelihood.value(b + step * e) - likelihood.value(b - step * e)) / (2 * step)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(likelihood.score(b), gradient, atol=1e-7)
    second = [
        (likelihood.score(b - step * e) - likelihood.score(b + step * e)) / (2 * step)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(likelihood.curvature(b), second, atol=1e-6)


def test_the_interval_holds_what_the_test_does_not_reject():
    positive, x = separated(n=40, k=1)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    likelihood = Likelihood(np.column_stack([np.ones(40), z]), positive, 0.5)
    top = maximise(likelihood)
    low, high = profile_interval(likelihood, top, 1, 0.95)
    assert low < top.coefficients[1] < high
    for bound in (low, high):
        assert likelihood_ratio(likelihood, top, 1, bound) == pytest.approx(3.841459, abs=1e-5)


def test_constant_and_collinear_columns_have_no_estimate():
    positive, x = separated()
    with pytest.raises(NotEstimable, match="one has one value only"):
        fit_firth(positive, np.column_stack([x, np.ones(len(x))]), ["a", "b", "c", "one"])
    with pytest.raises(NotEstimable, match="collinear"):
        fit_firth(positive, np.column_stack([x, x[:, 0] * 2 + 1]))
