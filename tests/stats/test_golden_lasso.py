"""The LASSO of `her2.selection` against R's glmnet, by the data's own folds.

`lasso_coefficients` is checked as it is. R's logistic LASSO is reproduced by Newton steps over the
same coordinate descent, which shows that nothing but the loss differs.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from golden import FOLDER, entries, needs_golden
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV, LogisticRegression, lasso_path
from sklearn.model_selection import PredefinedSplit

from her2.selection import lasso_coefficients

TOLERANCE = 1e-8
# cv_glmnet.* was fitted by R with thresh = 1e-14, a path with 1e-20
R_THRESHOLD = 1e-5

pytestmark = needs_golden


def only(kind: str, quantity: str) -> list:
    return [entry for entry in entries(quantity) if entry.values[1] == kind]


def data(dataset: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, numeric outcome, binary outcome and fold."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    X = table.filter(regex=r"^x\d+$").to_numpy()
    return X, table["y"].to_numpy(), table["yb"].to_numpy(dtype=float), table["fold"].to_numpy()


def outcome(dataset: str, kind: str) -> np.ndarray:
    _, numeric, binary, _ = data(dataset)
    return numeric if kind.startswith("gaussian") else binary


def gaussian(X, y, alphas):
    b = lasso_coefficients(X, y, np.asarray(alphas, dtype=float), tol=1e-14)
    return y.mean() - b @ X.mean(axis=0), b


def logistic(X, y, alphas):
    """Intercepts and weights of the logistic LASSO, by Newton steps."""
    a, b, found = np.log(y.mean() / (1 - y.mean())), np.zeros(X.shape[1]), []
    for alpha in alphas:
        for _ in range(60):
            before = np.append(b, a)
            p = 1 / (1 + np.exp(-(a + X @ b)))
            w = p * (1 - p)
            z = a + X @ b + (y - p) / w
            mean_x, mean_z, root = w @ X / w.sum(), w @ z / w.sum(), np.sqrt(w)
            rows = np.asfortranarray(root[:, None] * (X - mean_x))
            b = lasso_path(rows, root * (z - mean_z), alphas=[alpha], tol=1e-15,
                           max_iter=100_000, coef_init=b)[1][:, 0]  # fmt: skip
            a = mean_z - mean_x @ b
            if np.abs(np.append(b, a) - before).max() < 1e-12:
                break
        found.append((a, b.copy()))  # the next start is changed in place
    return np.array([a for a, _ in found]), np.array([b for _, b in found])


def fit(kind: str, X, y, alphas):
    """Intercepts (m,) and weights (m, p) on the original scale, as glmnet reports them."""
    scale = X.std(axis=0) if kind.endswith("stdT") else np.ones(X.shape[1])
    solve = gaussian if kind.startswith("gaussian") else logistic
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits
        a, b = solve((X - X.mean(axis=0)) / scale, y, alphas)
    b = b / scale
    return a - b @ X.mean(axis=0), b


def loss(kind: str, y: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Squared error, or deviance, of each case."""
    if kind.startswith("gaussian"):
        return (y - linear) ** 2
    return 2 * (np.logaddexp(0, linear) - y * linear)


def fold_errors(kind: str, X, y, fold, alphas, fitted=None) -> tuple[np.ndarray, np.ndarray]:
    """glmnet's cvm and cvsd: the folds' means, weighted by their sizes, and a standard error."""
    errors, sizes = [], []
    for k in np.unique(fold):
        a, b = (fitted or fit)(kind, X[fold != k], y[fold != k], alphas)
        linear = a + X[fold == k] @ b.T
        errors.append(loss(kind, y[fold == k][:, None], linear).mean(axis=0))
        sizes.append((fold == k).sum())
    mean = np.average(errors, axis=0, weights=sizes)
    spread = np.average((np.array(errors) - mean) ** 2, axis=0, weights=sizes)
    return mean, np.sqrt(spread / (len(sizes) - 1))


def one_standard_error(alphas, mean, spread) -> tuple[float, float]:
    """glmnet's lambda.min and lambda.1se."""
    best = int(np.argmin(mean))
    return alphas[best], alphas[np.flatnonzero(mean <= mean[best] + spread[best])[0]]


@pytest.mark.parametrize(("dataset", "kind", "value"), entries("glmnet_path"))
def test_path(dataset, kind, value):
    a, b = fit(kind, data(dataset)[0], outcome(dataset, kind), value["lambda"])
    assert b == pytest.approx(np.array(value["beta"]), abs=TOLERANCE)
    assert a == pytest.approx(np.array(value["intercept"]), abs=TOLERANCE)
    assert (b != 0).sum(axis=1).tolist() == value["df"]


@pytest.mark.parametrize(("dataset", "kind", "value"), entries("glmnet_path"))
def test_optimality_conditions_hold_and_are_those_of_glmnet(dataset, kind, value):
    """The gradient of the loss is alpha x sign of the weight, or within alpha of 0."""
    X, y = data(dataset)[0], outcome(dataset, kind)
    a, b = fit(kind, X, y, value["lambda"])
    scale = X.std(axis=0) if kind.endswith("stdT") else np.ones(X.shape[1])
    Z = (X - X.mean(axis=0)) / scale
    for i, alpha in enumerate(value["lambda"]):
        linear = a[i] + X @ b[i]
        expected = linear if kind.startswith("gaussian") else 1 / (1 + np.exp(-linear))
        gradient = Z.T @ (y - expected) / len(y)
        active = b[i] != 0
        assert gradient[active] == pytest.approx(alpha * np.sign(b[i][active]), abs=TOLERANCE)
        assert np.abs(gradient[~active]).max(initial=0.0) <= alpha + TOLERANCE


@pytest.mark.parametrize(("dataset", "kind", "value"), entries("cv_glmnet_fixedlambda"))
def test_cross_validation_at_fixed_penalties(dataset, kind, value):
    X, _, _, fold = data(dataset)
    mean, spread = fold_errors(kind, X, outcome(dataset, kind), fold, value["lambda"])
    assert mean == pytest.approx(np.array(value["cvm"]), rel=TOLERANCE)
    assert spread == pytest.approx(np.array(value["cvsd"]), rel=TOLERANCE)
    found = one_standard_error(value["lambda"], mean, spread)
    assert found == (value["lambda.min"], value["lambda.1se"])


@pytest.mark.parametrize(
    ("dataset", "_kind", "value"), only("gaussian_stdF", "cv_glmnet_fixedlambda")
)
def test_cross_validation_of_the_filter_s_estimator(dataset, _kind, value):
    """`LassoFilter` fits LassoCV to columns that are z-scored beforehand: stdF in glmnet."""
    X, y, _, fold = data(dataset)
    _, index = np.unique(fold, return_inverse=True)
    cv = LassoCV(alphas=np.array(value["lambda"]), cv=PredefinedSplit(index), tol=1e-14,
                 max_iter=1_000_000)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        cv.fit(X, y)
    mean = np.average(cv.mse_path_, axis=1, weights=np.bincount(index))
    assert mean == pytest.approx(np.array(value["cvm"]), rel=TOLERANCE)
    assert cv.alpha_ == value["lambda.min"]


def own_path(kind: str, X, y, alphas=None, *, n: int = 100):
    """Penalties that glmnet would choose itself, with its early end, and the fit at each."""
    scale = X.std(axis=0) if kind.endswith("stdT") else np.ones(X.shape[1])
    largest = np.abs(((X - X.mean(axis=0)) / scale).T @ (y - y.mean())).max() / len(y)
    ratio = 1e-4 if len(y) > X.shape[1] else 1e-2
    alphas = largest * ratio ** (np.arange(n) / (n - 1))
    a, b = fit(kind, X, y, alphas)
    explained = 1 - ((y[:, None] - a - X @ b.T) ** 2).sum(axis=0) / ((y - y.mean()) ** 2).sum()
    gain = np.diff(explained, prepend=0.0)
    done = (gain < 1e-5 * explained) | (explained > 0.999)
    done[:4] = False
    last = int(np.argmax(done)) if done.any() else n - 1
    return alphas[: last + 1], a[: last + 1], b[: last + 1]


def interpolated(kind: str, X, y, alphas):
    """Fit along its own penalties, then interpolate linearly, as cv.glmnet does by default."""
    own, a, b = own_path(kind, X, y)
    columns = [np.interp(alphas, own[::-1], column[::-1]) for column in (a, *b.T)]
    return columns[0], np.array(columns[1:]).T


@pytest.mark.parametrize(("dataset", "kind", "value"), entries("cv_glmnet"))
def test_cross_validation_along_glmnet_s_own_penalties(dataset, kind, value):
    X, _, _, fold = data(dataset)
    y, alphas = outcome(dataset, kind), np.array(value["lambda"])
    lowest = [value["lambda.min"], value["lambda.1se"]]
    a, b = fit(kind, X, y, lowest)
    for i, name in enumerate(("coef_min", "coef_1se")):
        assert [a[i], *b[i]] == pytest.approx(np.array(value[name]), abs=R_THRESHOLD)
    scale = X.std(axis=0) if kind.endswith("stdT") else np.ones(X.shape[1])
    largest = np.abs(((X - X.mean(axis=0)) / scale).T @ (y - y.mean())).max() / len(y)
    assert largest == pytest.approx(value["lambda_max"], rel=TOLERANCE)
    if kind.startswith("binomial"):
        return  # each fold's own end of the path follows rules of the deviance in R's C++ code
    own, _, b = own_path(kind, X, y)
    assert own == pytest.approx(alphas, rel=TOLERANCE)
    assert (b != 0).sum(axis=1).tolist() == value["nzero"]
    mean, spread = fold_errors(kind, X, y, fold, alphas, fitted=interpolated)
    assert mean == pytest.approx(np.array(value["cvm"]), rel=R_THRESHOLD)
    assert spread == pytest.approx(np.array(value["cvsd"]), rel=R_THRESHOLD)
    assert one_standard_error(alphas, mean, spread) == tuple(lowest)


@pytest.mark.parametrize(("dataset", "_kind", "value"), only("binomial_stdT", "glmnet_path"))
def test_scikit_learn_s_own_logistic_lasso(dataset, _kind, value):
    """SAGA leaves the intercept free, as glmnet does, but stops on the weights alone.

    It needs columns of one scale to converge in reasonable time: stdT.
    """
    X, _, y, _ = data(dataset)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    for alpha, beta, df in zip(value["lambda"], value["beta"], value["df"], strict=True):
        model = LogisticRegression(
            C=1 / (len(y) * alpha), l1_ratio=1, solver="saga", tol=1e-11, max_iter=200_000
        )
        found = model.fit(Z, y).coef_[0] / X.std(axis=0)
        assert found == pytest.approx(np.array(beta), abs=TOLERANCE)
        assert (found != 0).sum() == df
