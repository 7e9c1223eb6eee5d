"""The LASSO as a filter: exact paths, cross-validation, and curves for the report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path, lars_path_gram, lasso_path
from sklearn.model_selection import StratifiedKFold

from her2.core.errors import BadArgument, NotEstimable
from her2.core.seeds import generator
from her2.selection.filters import FloatArray, SupervisedFilter, patients_of, unit_columns
from her2.selection.lasso_paths import lasso_paths

ROUNDING = 1e-12
TOGETHER = 128  # features up to which the paths of all folds are faster together than in turn
COPY = 1e-10  # how far |r| of a feature and its copy may be from 1


@dataclass(frozen=True)
class LassoModel:
    """A cross-validated LASSO.

    Attributes
    ----------
    alphas_
        Penalties (n_alphas,), descending.
    mse_path_
        Mean squared errors, (n_alphas, n_folds).
    alpha_
        The largest penalty with the smallest mean error.
    coef_
        Weights (p,) at that penalty.
    """

    alphas_: FloatArray
    mse_path_: FloatArray
    alpha_: float
    coef_: FloatArray


class LassoFilter(SupervisedFilter):
    """Keep features with a weight in the LASSO whose penalty has the smallest CV error.

    Least squares on the 0/1 outcome, as the paper's platform does; folds are stratified (fewer
    than `n_folds` when a class has fewer patients), and rows of one patient stay in one fold.
    The `n_alphas` penalties go from the largest that keeps a feature down to `path_ratio` of it
    (.01 is glmnet's ratio when features outnumber rows; below it the solution is close to least
    squares, slow, and never the one with the smallest error). When the best penalty keeps fewer
    than `min_features`, those with the largest absolute correlation with the outcome are kept.
    """

    def __init__(
        self,
        n_folds: int = 10,
        n_alphas: int = 50,
        path_ratio: float = 0.01,
        min_features: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_folds = n_folds
        self.n_alphas = n_alphas
        self.path_ratio = path_ratio
        self.min_features = min_features
        self.seed = seed

    def fit(
        self, X: FloatArray, y: NDArray[np.int64], groups: ArrayLike | None = None
    ) -> LassoFilter:
        """Learn weights of X (n, p), z-scored, for y (n,) in {0, 1}.

        groups: the patient of each row, (n,); None where each row is a patient.
        """
        X, y = self._checked(X, y, min_samples=1)
        patient, level = patients_of(y, groups)
        n_folds = min(self.n_folds, int(np.bincount(level).min()))
        self.fell_back_ = n_folds < 2
        if self.fell_back_ or X.shape[1] <= self.min_features:
            self.support_ = np.ones(X.shape[1], dtype=bool)
            return self
        split = _folds(patient, level, n_folds, self.seed)
        outcome = y.astype(np.float64)
        self.model_ = _cross_validated(X, outcome, split, self.n_alphas, self.path_ratio)
        self.support_ = self.model_.coef_ != 0
        self._keep_at_least(np.argsort(-np.abs(X.T @ (y - y.mean())), kind="stable"))
        return self


@dataclass(frozen=True)
class LassoCurves:
    """Path and error of a filter's LASSO on its training rows; penalties descend.

    Attributes
    ----------
    path
        Columns alpha, feature and coefficient (of z-scored features).
    error
        Columns alpha, mse_mean and mse_sd: mean squared error over the folds, and its standard
        deviation between them.
    chosen
        The alpha with the smallest mean error.
    """

    path: pd.DataFrame
    error: pd.DataFrame
    chosen: float


def lasso_curves(
    X: FloatArray, y: NDArray[np.int64], fitted: LassoFilter, *, names: Sequence[str] | None = None
) -> LassoCurves:
    """Return the coefficient path of a fitted filter and its cross-validation error.

    X, y: exactly what the filter was fitted on, (n, p) z-scored training rows and (n,) in {0, 1};
    names: of the p columns, None for x0, x1, ...

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 5)), np.arange(40) % 2
    >>> X[:, 2] += 2 * y
    >>> curves = lasso_curves(X, y, LassoFilter(n_folds=5).fit(X, y))
    >>> curves.path.iloc[5]["feature"], bool(curves.chosen in curves.error["alpha"].tolist())
    ('x0', True)
    """
    if not hasattr(fitted, "model_"):
        raise NotEstimable(
            "a LASSO path needs a filter that fitted one, found one that kept all of its "
            f"{fitted.n_features_in_} features without; there is nothing to draw"
        )
    X, p = np.asarray(X, dtype=np.float64), fitted.n_features_in_
    labels = [f"x{i}" for i in range(p)] if names is None else [str(name) for name in names]
    if X.shape != (len(y), p) or len(labels) != p:
        raise BadArgument(
            f"expected the filter's training rows with {p} columns and names, found shape "
            f"{X.shape}, {len(y)} outcomes and {len(labels)} names"
        )
    alphas, errors = fitted.model_.alphas_, fitted.model_.mse_path_
    coefficients = exact_path(X, np.asarray(y, dtype=np.float64), alphas)
    columns = {"alpha": np.repeat(alphas, p), "feature": labels * len(alphas)}
    path = pd.DataFrame({**columns, "coefficient": coefficients.ravel()})
    spread = {"mse_mean": errors.mean(axis=1), "mse_sd": errors.std(axis=1, ddof=1)}
    return LassoCurves(
        path, pd.DataFrame({"alpha": alphas, **spread}), float(fitted.model_.alpha_)
    )


def _folds(
    patient: NDArray[np.intp], level: NDArray[np.intp], n_folds: int, seed: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return rows to learn from and rows to judge: patients are dealt, by their outcomes."""
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(level, level)
    return [
        (np.flatnonzero(~is_judged), np.flatnonzero(is_judged))
        for is_judged in (np.isin(patient, judged) for _, judged in folds)
    ]


def _cross_validated(
    X: FloatArray,
    y: FloatArray,
    folds: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    n_alphas: int,
    path_ratio: float,
) -> LassoModel:
    largest = float(np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max()) / len(y)
    alphas = largest * np.geomspace(1.0, path_ratio, n_alphas)
    every = [*(train for train, _ in folds), np.arange(len(y))]
    *of_folds, of_all = exact_paths(X, y, every, alphas)
    errors = np.empty((n_alphas, len(folds)))
    for k, (train, judged) in enumerate(folds):
        intercepts = y[train].mean() - of_folds[k] @ X[train].mean(axis=0)
        predicted = X[judged] @ of_folds[k].T + intercepts
        errors[:, k] = ((predicted - y[judged, None]) ** 2).mean(axis=0)
    best = int(np.argmin(errors.mean(axis=1)))
    return LassoModel(alphas, errors, float(alphas[best]), of_all[best])


def exact_paths(
    X: FloatArray, y: FloatArray, rows: Sequence[NDArray[np.intp]], alphas: FloatArray
) -> list[FloatArray]:
    """Return `exact_path` of several choices of rows; with few features, all at the same time."""
    if X.shape[1] > TOGETHER or not alphas[0] > 0.0:
        return [exact_path(X[chosen], y[chosen], alphas) for chosen in rows]
    centred = [X[chosen] - X[chosen].mean(axis=0) for chosen in rows]
    weights, is_solved = lasso_paths(
        np.stack([Z.T @ Z for Z in centred]),
        np.stack([Z.T @ y[chosen] for Z, chosen in zip(centred, rows, strict=True)]),
        np.array([len(chosen) for chosen in rows])[:, np.newaxis] * alphas,
        np.stack([_first_of_copies(Z) for Z in centred]),
    )
    return [
        found if solved else exact_path(X[chosen], y[chosen], alphas)
        for found, solved, chosen in zip(weights, is_solved, rows, strict=True)
    ]


def exact_path(X: FloatArray, y: FloatArray, alphas: FloatArray) -> FloatArray:
    """Return the weights of `lasso_coefficients`, (n_alphas, p), by least angle regression.

    The path is piecewise linear in the penalty, and the steps give its corners exactly; that is
    faster than descent to a tolerance. Where columns are so nearly dependent that the steps end
    early, coordinate descent answers. `alphas` descend.

    References
    ----------
    Efron et al. (2004), Ann. Stat. 32:407, doi:10.1214/009053604000000067, section 3.
    """
    centred, residual = X - X.mean(axis=0), y - y.mean()
    if not alphas[0] > 0.0:
        return np.zeros((len(alphas), X.shape[1]))
    limits = {"alpha_min": alphas[-1], "max_iter": 20 * X.shape[1]}
    corners, weights = _corners(centred, residual, limits)
    if corners[-1] > alphas[-1] * (1 + 1e-9) and corners[-1] > 1e-9 * alphas[0]:
        return lasso_coefficients(X, y, alphas)
    return _between_corners(corners, weights, alphas)


def first_on_path(X: FloatArray, y: FloatArray, n_features: int) -> NDArray[np.intp]:
    """Return the features that the LASSO lets in first, in the order in which they enter.

    They are fewer than `n_features` where the path ends before, and none where y is constant.

    >>> X = np.array([[-1.0, 1.0], [0.0, -2.0], [1.0, 1.0]])
    >>> first_on_path(X, np.array([1.0, 2.0, 4.0]), 2).tolist()
    [0, 1]
    """
    centred, residual = X - X.mean(axis=0), y - y.mean()
    if not residual.any():
        return np.empty(0, dtype=np.intp)
    # twice the steps, because some let a feature out again; a copy of a feature stays out
    limits = {"alpha_min": 0.0, "max_iter": 2 * n_features}
    weights = _corners(centred, residual, limits)[1]
    has_weight = weights != 0
    entered = np.flatnonzero(has_weight.any(axis=1))
    order = np.argsort(has_weight[entered].argmax(axis=1), kind="stable")
    return entered[order][:n_features]


def _corners(
    centred: FloatArray, residual: FloatArray, limits: dict[str, float]
) -> tuple[FloatArray, FloatArray]:
    """Return penalties and weights (p, n_corners) where the path changes its direction."""
    how = {"method": "lasso", **limits}
    is_first = _first_of_copies(centred)
    X, n = centred[:, is_first], len(centred)
    # who calls looks how far it came
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        if X.shape[1] > n:  # the Gram matrix would cost more than the path
            corners, _, found = lars_path(X, residual, Gram=None, **how)
        else:
            corners, _, found = lars_path_gram(X.T @ residual, X.T @ X, n_samples=n, **how)
    weights = np.zeros((centred.shape[1], found.shape[1]))
    weights[is_first] = found
    return corners, weights


def _first_of_copies(centred: FloatArray) -> NDArray[np.bool_]:
    """Return which columns (p,) are no multiple of an earlier one.

    Among multiples the path is not unique, and its steps would end early. Radiomic features are
    full of them. Multiples of length 1 have the same size along any direction, so each needs to
    be compared with its neighbours in the order of that size only.
    """
    unit = unit_columns(centred)
    size = np.abs(generator(0, "copies").normal(size=len(unit)) @ unit)
    order = np.argsort(size, kind="stable")
    r = np.abs((unit[:, order[1:]] * unit[:, order[:-1]]).sum(axis=0))
    group = np.concatenate([[0], np.cumsum(r < 1 - COPY)])
    first = np.full(group[-1] + 1, len(order))
    np.minimum.at(first, group, order)
    return np.isin(np.arange(len(order)), first)


def _between_corners(corners: FloatArray, weights: FloatArray, alphas: FloatArray) -> FloatArray:
    """Return weights (n_alphas, p) on the lines between the corners, weights (p, n_corners)."""
    ascending, at = corners[::-1], weights[:, ::-1]
    right = np.clip(np.searchsorted(ascending, alphas), 1, max(len(ascending) - 1, 1))
    if len(ascending) == 1:
        return np.tile(at[:, 0], (len(alphas), 1))
    left = right - 1
    width = ascending[right] - ascending[left]
    share = np.clip((alphas - ascending[left]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    found = np.asarray((at[:, left] * (1.0 - share) + at[:, right] * share).T)
    # a weight that has just left keeps a rounding error at its corner
    found[np.abs(found) < ROUNDING * np.abs(found).max(initial=0.0)] = 0.0
    return found


def lasso_coefficients(
    X: FloatArray, y: FloatArray, alphas: FloatArray, *, tol: float = 1e-6
) -> FloatArray:
    """Return the LASSO's weights at each penalty, (n_alphas, p), with a free intercept.

    Minimises ``|y - a - X b|^2 / (2 n) + alpha |b|_1`` by coordinate descent, as R's glmnet with
    ``standardize = FALSE``. `alphas` are in any order; `tol` is the largest duality gap, relative
    to the sum of squares of y.

    >>> X = np.array([[-1.0], [0.0], [1.0]])
    >>> lasso_coefficients(X, np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25])).round(6).tolist()
    [[0.25], [0.625]]

    References
    ----------
    Friedman, Hastie & Tibshirani (2010), J. Stat. Softw. 33(1):1, doi:10.18637/jss.v033.i01.
    """
    # where features outnumber rows the smallest penalties converge slowly; they are not chosen
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        centred, outcome = np.asfortranarray(X - X.mean(axis=0)), y - y.mean()
        found = lasso_path(centred, outcome, alphas=alphas, tol=tol, max_iter=10_000)
    order = np.argsort(-np.asarray(alphas), kind="stable")  # scikit-learn's path descends
    coefficients = np.empty((len(order), X.shape[1]))
    coefficients[order] = found[1].T
    return coefficients
