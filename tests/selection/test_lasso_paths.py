"""Paths that are followed together are those that are followed alone, or are given up."""

import numpy as np
import pytest

from her2.core.seeds import generator
from her2.selection.lasso import TOGETHER, exact_path, exact_paths, lasso_coefficients
from her2.selection.lasso_paths import _are_optimal, _Paths, lasso_paths


def correlated(seed: int, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(seed, "paths")
    X = rng.normal(size=(n, 5)) @ rng.normal(size=(5, p)) + rng.normal(size=(n, p))
    return X, (X[:, 0] - X[:, 1] + rng.normal(size=n) > 0).astype(float)


def penalties_of(X: np.ndarray, y: np.ndarray, ratio: float = 0.01) -> np.ndarray:
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    return largest * np.geomspace(1, ratio, 40)


def without_each_tenth(n: int) -> list[np.ndarray]:
    return [np.flatnonzero(np.arange(n) % 10 != k) for k in range(10)]


def equations(X: np.ndarray, y: np.ndarray, rows: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    centred = [X[chosen] - X[chosen].mean(axis=0) for chosen in rows]
    products = [Z.T @ y[chosen] for Z, chosen in zip(centred, rows, strict=True)]
    return np.stack([Z.T @ Z for Z in centred]), np.stack(products)


@pytest.mark.parametrize(("n", "p"), [(80, 6), (80, 40), (60, 60), (60, 100), (90, TOGETHER)])
def test_paths_together_are_the_paths_alone(n, p):
    X, y = correlated(n * p, n, p)
    alphas, rows = penalties_of(X, y), without_each_tenth(n)
    found = exact_paths(X, y, rows, alphas)
    for path, chosen in zip(found, rows, strict=True):
        alone = exact_path(X[chosen], y[chosen], alphas)
        np.testing.assert_allclose(path, alone, atol=1e-9 * np.abs(alone).max())
        np.testing.assert_array_equal(path != 0, alone != 0)


def test_problems_do_not_depend_on_their_company():
    X, y = correlated(1, 70, 30)
    rows = without_each_tenth(70)
    grams, products = equations(X, y, rows)
    penalties = np.array([[len(chosen)] for chosen in rows]) * penalties_of(X, y)
    allowed = np.ones(products.shape, dtype=bool)
    together, solved = lasso_paths(grams, products, penalties, allowed)
    assert solved.all()
    for k in range(10):
        one = slice(k, k + 1)
        alone, _ = lasso_paths(grams[one], products[one], penalties[one], allowed[one])
        np.testing.assert_allclose(together[k], alone[0], rtol=1e-12, atol=1e-15)


def test_a_feature_that_leaves_again_is_followed():
    """With these columns one enters, is replaced by its neighbours, and comes back reversed."""
    X, y = correlated(7, 60, 40)
    rows = [np.arange(60)]
    path = exact_paths(X, y, rows, penalties_of(X, y, 1e-3))[0]
    has_weight = path != 0
    left = (has_weight[:-1] & ~has_weight[1:]).any(axis=0)
    assert left.any()
    expected = lasso_coefficients(X, y, penalties_of(X, y, 1e-3), tol=1e-14)
    np.testing.assert_allclose(path, expected, atol=1e-7)


def test_features_that_are_not_allowed_have_no_weight():
    X, y = correlated(2, 60, 12)
    grams, products = equations(X, y, [np.arange(60)])
    allowed = np.ones((1, 12), dtype=bool)
    allowed[0, :2] = False
    weights, solved = lasso_paths(grams, products, 60 * penalties_of(X, y)[np.newaxis], allowed)
    assert solved.all()
    assert not weights[0, :, :2].any()
    alone = exact_path(X[:, 2:], y, penalties_of(X, y))
    np.testing.assert_allclose(weights[0, :, 2:], alone, atol=1e-10)


def test_a_feature_that_others_explain_gives_its_problem_up_and_no_other():
    """Equations of equal features with unequal products, as rounding may leave them."""
    grams = np.array([[[1.0, 1.0], [1.0, 1.0]], np.eye(2)])
    products = np.array([[1.5, 1.0], [1.5, 1.0]])
    penalties = np.tile([1.5, 0.1], (2, 1))
    weights, solved = lasso_paths(grams, products, penalties, np.ones((2, 2), dtype=bool))
    assert solved.tolist() == [False, True]
    np.testing.assert_allclose(weights[1], [[0.0, 0.0], [1.4, 0.9]])


def test_as_many_features_as_rows_are_no_obstacle():
    X, y = correlated(3, 60, 12)
    rows = [np.arange(8)]
    grams, products = equations(X, y, rows)
    penalties = np.abs(products).max() * np.geomspace(1, 1e-9, 40)[np.newaxis]
    weights, solved = lasso_paths(grams, products, penalties, np.ones((1, 12), dtype=bool))
    assert solved.all()
    assert (weights[0, -1] != 0).sum() == 7


def test_a_problem_that_is_given_up_is_followed_alone(monkeypatch):
    X, y = correlated(3, 60, 4)
    alphas, rows = penalties_of(X, y), without_each_tenth(60)

    def refusing(*problem):
        weights, solved = lasso_paths(*problem)
        weights[3] = np.nan
        return weights, solved & (np.arange(10) != 3)

    monkeypatch.setattr("her2.selection.lasso.lasso_paths", refusing)
    found = exact_paths(X, y, rows, alphas)
    np.testing.assert_array_equal(found[3], exact_path(X[rows[3]], y[rows[3]], alphas))
    assert np.isfinite(found).all()


def test_weights_that_are_not_optimal_are_noticed():
    X, y = correlated(4, 60, 10)
    grams, products = equations(X, y, [np.arange(60)])
    penalties = 60 * penalties_of(X, y)[np.newaxis]
    allowed = np.ones((1, 10), dtype=bool)
    weights, solved = lasso_paths(grams, products, penalties, allowed)
    assert solved.all()
    moved = weights.copy()
    moved[0, 20][weights[0, 20] != 0] *= 1 + 1e-6
    dropped = weights.copy()
    dropped[0, 20] = 0.0
    for wrong in (moved, dropped):
        assert not _are_optimal(grams, products, penalties, allowed, wrong).any()


def test_a_path_that_went_astray_is_not_called_solved(monkeypatch):
    X, y = correlated(4, 60, 10)
    grams, products = equations(X, y, [np.arange(60)])
    right = _Paths._change

    def slightly_wrong(paths, to, feature):
        right(paths, to, feature)
        paths.u *= 1 + 1e-7

    monkeypatch.setattr(_Paths, "_change", slightly_wrong)
    penalties = 60 * penalties_of(X, y)[np.newaxis]
    assert not lasso_paths(grams, products, penalties, np.ones((1, 10), dtype=bool))[1].any()


def test_nothing_to_explain_has_no_weights():
    X, _ = correlated(5, 20, 4)
    y = np.ones(20)
    found = exact_paths(X, y, [np.arange(20), np.arange(15)], penalties_of(X, y))
    assert not np.any(found[0]) and not np.any(found[1])
