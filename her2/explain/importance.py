"""Importance of features: permutation importance and SHAP values, of predictions out of fold.

Nothing is fitted here. Every row is judged by the model of its outer fold, which has not seen it.
Columns that carry one thing (the levels of a category, the components of deep features) are taken
together, under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from her2.compute.forests import class_probability
from her2.core.errors import NotEstimable
from her2.core.seeds import generator
from her2.models.classifiers import Search
from her2.models.clinical_imputation import ClinicalEncoder
from her2.models.nested_cv import Arm, FittedArm, TrainingSet
from her2.selection.pca import CompressDeepFeatures
from her2.stats import auc_difference

FloatArray = NDArray[np.float64]

MOST_INPUTS = 200  # of a model; more are neither quick to permute nor possible to read
N_PAIRS = 32  # sampled orders, and the reverse of each, of a model without a closed form
DEEP_FEATURES = "deep features"
COLUMNS = ["arm", "feature", "auc_loss", "low", "high"]
SHAP_COLUMNS = ["arm", "feature", "mean_abs_shap"]


@dataclass(frozen=True)
class ShapValues:
    """SHAP values of one arm, in log odds.

    Attributes
    ----------
    features
        Names, the most important first.
    values
        Shape (n_rows, n_features).
    positions
        Where a row's feature lies among all training rows, from 0 (lowest) to 1, NaN where the
        feature has no order; the same shape.
    """

    features: tuple[str, ...]
    values: FloatArray
    positions: FloatArray

    def table(self, arm: str) -> pd.DataFrame:
        """Return `SHAP_COLUMNS`: how far a feature moves the log odds of a row, on average."""
        mean = np.abs(self.values).mean(axis=0)
        rows = {"arm": arm, "feature": self.features, "mean_abs_shap": mean}
        return pd.DataFrame(rows, columns=SHAP_COLUMNS)


def permutation_importance(
    arm: Arm, fitted: FittedArm, training: TrainingSet, *, n_permutations: int = 10, seed: int = 0
) -> pd.DataFrame:
    """Return how much AUC is lost when a feature of the judged rows is shuffled.

    In each outer fold of each repeat the fold's rows exchange their values of one feature
    `n_permutations` times, and the fold's model judges them again. The loss is the arm's AUC out
    of fold less the mean of the AUCs after shuffling, with the interval of `stats.auc_difference`.
    The table has `COLUMNS`, the largest loss first, without features that no model of a fold
    reads.

    References
    ----------
    Breiman (2001), Mach. Learn. 45:5, doi:10.1023/A:1010933404324, section 10.
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    """
    _check_readable(fitted)
    shuffled: dict[str, FloatArray] = {}
    given = np.array([fits.out_of_fold for fits in fitted.repeats])
    with threadpool_limits(1):
        for r in range(training.n_repeats):
            for k, search in enumerate(fitted.repeats[r].searches):
                rng = generator(seed, "importance", arm.name, r, k)
                judged = _fold_rows(arm, training, search, r, k)
                for name, probability in _shuffle_each(judged, n_permutations, rng).items():
                    rows = shuffled.setdefault(name, np.repeat(given[:, None], n_permutations, 1))
                    rows[r][:, judged.rows] = training.repeat(r).from_fold(k, probability)
    losses = []
    for name, rows in shuffled.items():  # (n_repeats, n_permutations, n)
        flat = rows.reshape(-1, rows.shape[2])
        test = auc_difference(
            training.y_true, given, flat, groups=training.groups, n_folds=training.n_folds
        )
        losses.append((arm.name, name, test.difference, test.low, test.high))
    table = pd.DataFrame(losses, columns=COLUMNS)
    return table.sort_values(["auc_loss", "feature"], ascending=[False, True], ignore_index=True)


def shap_values(
    arm: Arm, fitted: FittedArm, training: TrainingSet, *, seed: int = 0
) -> ShapValues:
    """Return SHAP values of the training rows by the models that have not seen them.

    Of the first repeat. Logistic regression: the weight times the distance from the mean of the
    rows that the model learned from. XGBoost and LightGBM: TreeSHAP, as these libraries compute
    it. Forests: Shapley values of the log odds against rows that the forest learned from, by
    `N_PAIRS` sampled orders and their reverses.

    References
    ----------
    Lundberg & Lee (2017), NeurIPS 30:4765, arXiv:1705.07874, corollary 1 (linear models).
    Lundberg et al. (2020), Nat. Mach. Intell. 2:56, doi:10.1038/s42256-019-0138-9 (trees).
    """
    _check_readable(fitted)
    with threadpool_limits(1):
        frames = [
            _contributions(arm, training, search, k, generator(seed, "shap", arm.name, k))
            for k, search in enumerate(fitted.by_fold)
        ]
    table = pd.concat(frames).fillna(0.0)  # a feature that a fold's model does not read adds 0
    mean = table.abs().mean().sort_index()
    table = table[mean.sort_values(ascending=False, kind="stable").index]
    features = tuple(str(name) for name in table.columns)
    positions = _positions(arm, training, features)[table.index.to_numpy()]
    return ShapValues(features, table.to_numpy(np.float64), positions)


def input_names(pipeline: Pipeline, columns: Sequence[str]) -> NDArray[np.object_]:
    """Return the (not unique) names of the columns that a fitted pipeline's classifier reads.

    `columns` are those of the table that the pipeline takes.
    """
    names = np.array([str(column) for column in columns], dtype=object)
    for _, step in pipeline.steps[:-1]:
        if isinstance(step, ClinicalEncoder):
            widths = [1 if x in step.medians_ else len(step.levels_[x]) for x in names]
            names = np.repeat(names, widths)
        elif isinstance(step, CompressDeepFeatures):
            n_components = step.pca_[-1].n_components_
            names = np.concatenate(
                [np.full(n_components, DEEP_FEATURES, dtype=object), names[step.n_deep :]]
            )
        elif hasattr(step, "get_support"):
            names = names[step.get_support()]
    return names


def _check_readable(fitted: FittedArm) -> None:
    searches = [search for fits in fitted.repeats for search in fits.searches]
    most = max(int(search.pipeline[-1].n_features_in_) for search in searches)
    if most > MOST_INPUTS:
        raise NotEstimable(
            f"the importance of single features needs models of at most {MOST_INPUTS} columns, "
            f"found one of {most}; choose a selection"
        )


@dataclass(frozen=True)
class _FoldRows:
    """Rows of a fold as its model reads them: rows (n,) bool, X (n_judged, p), names (p,)."""

    rows: NDArray[np.bool_]
    X: FloatArray
    names: NDArray[np.object_]
    model: Any


def _fold_rows(arm: Arm, training: TrainingSet, search: Search, r: int, k: int) -> _FoldRows:
    arm = arm.judging(k)
    rows = training.repeat(r).fold == k
    prepared = search.pipeline[:-1].transform(arm.rows(training.keys)[rows])
    names = input_names(search.pipeline, [str(c) for c in arm.features.columns])
    return _FoldRows(rows, np.asarray(prepared, dtype=np.float64), names, search.pipeline[-1])


def _shuffle_each(
    judged: _FoldRows, n_permutations: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return, by feature, probabilities (n_permutations, n_judged) with it shuffled."""
    n = len(judged.X)
    found = {}
    for name in dict.fromkeys(judged.names.tolist()):
        order = rng.permuted(np.tile(np.arange(n), (n_permutations, 1)), axis=1).ravel()
        rows = np.tile(judged.X, (n_permutations, 1))
        own = np.flatnonzero(judged.names == name)
        rows[:, own] = judged.X[order][:, own]
        probability = class_probability(judged.model, rows)[:, 1].astype(np.float64)
        found[name] = probability.reshape(n_permutations, n)
    return found


def _contributions(
    arm: Arm, training: TrainingSet, search: Search, k: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Return SHAP values of the fold's rows (their numbers are the index), a column a feature."""
    judged = _fold_rows(arm, training, search, 0, k)
    model = getattr(judged.model, "classifier_", judged.model)  # recalibration only moves all
    known = arm.judging(k).rows(training.keys)[~judged.rows]
    learned = np.asarray(search.pipeline[:-1].transform(known))
    if isinstance(model, LogisticRegression):
        values = (judged.X - learned.mean(axis=0)) * model.coef_[0]
    elif type(model).__name__ == "XGBClassifier":
        from xgboost import DMatrix

        values = model.get_booster().predict(DMatrix(judged.X), pred_contribs=True)[:, :-1]
    elif type(model).__name__ == "LGBMClassifier":
        values = np.asarray(model.booster_.predict(judged.X, pred_contrib=True))[:, :-1]
    else:
        return _of_forest(replace(judged, model=model), learned, rng)
    table = pd.DataFrame(values.T, dtype=np.float64)
    return table.groupby(judged.names, sort=False).sum().T.set_axis(np.flatnonzero(judged.rows))


def _of_forest(judged: _FoldRows, learned: FloatArray, rng: np.random.Generator) -> pd.DataFrame:
    """Return sampled Shapley values of a forest's log odds, a column a feature.

    A probability of 0 or 1, where all trees agree, counts as half a tree's vote away from it.
    """
    least = 0.5 / len(judged.model.estimators_)

    def log_odds(rows: FloatArray) -> FloatArray:
        p = np.clip(class_probability(judged.model, rows)[:, 1], least, 1 - least)
        return np.asarray(np.log(p / (1 - p)))

    names = list(dict.fromkeys(judged.names.tolist()))
    players = [np.flatnonzero(judged.names == name) for name in names]
    values = sampled_shapley(log_odds, judged.X, learned, players, n_pairs=N_PAIRS, rng=rng)
    return pd.DataFrame(values, columns=names, index=np.flatnonzero(judged.rows))


def _positions(arm: Arm, training: TrainingSet, features: Sequence[str]) -> FloatArray:
    """Return where each training row lies among all of them, (n, n_features), 0 to 1 or NaN."""
    table = arm.features.loc[list(training.keys)]
    ordered = [x for x in features if x in table and pd.api.types.is_numeric_dtype(table[x])]
    known = table[ordered].astype(np.float64).replace([np.inf, -np.inf], np.nan)
    found = (known.rank() - 1) / (known.count() - 1)
    return found.reindex(columns=list(features)).to_numpy(np.float64)


def sampled_shapley(
    value: Callable[[FloatArray], FloatArray],
    X: FloatArray,
    background: FloatArray,
    players: Sequence[NDArray[np.intp]],
    *,
    n_pairs: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return Shapley values of rows X (n, p) against a background (m, p), (n, n_players).

    Each sample walks from a background row to the judged row, one player at a time, in a random
    order and in the reverse of it. A player's value is the mean change of `value`, which takes
    rows and returns what is explained (n,), at its step: the values of a row add up to its own
    value less the mean over the sampled backgrounds. Features are taken as independent. `players`
    are the columns that enter together, `n_pairs` the orders that are drawn.

    References
    ----------
    Strumbelj & Kononenko (2014), Knowl. Inf. Syst. 41:647, doi:10.1007/s10115-013-0679-x.
    Mitchell et al. (2022), J. Mach. Learn. Res. 23(43), section 3.1 (reversed orders).

    Examples
    --------
    >>> rows, zero = np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((1, 2))
    >>> apart = [np.array([0]), np.array([1])]
    >>> product = lambda z: z[:, 0] * z[:, 1]
    >>> sampled_shapley(product, rows, zero, apart, n_pairs=1, rng=np.random.default_rng(0))
    array([[1., 1.],
           [6., 6.]])
    """
    found = np.zeros((len(X), len(players)))
    for _ in range(n_pairs):
        start = background[rng.integers(len(background), size=len(X))]
        order = rng.permutation(len(players))
        for walk in (order, order[::-1]):
            points = np.repeat(start[None], len(walk) + 1, axis=0)
            for i, player in enumerate(walk, start=1):
                points[i:, :, players[player]] = X[:, players[player]]
            values = value(points.reshape(-1, X.shape[1])).reshape(len(walk) + 1, len(X))
            found[:, walk] += np.diff(values, axis=0).T
    return found / (2 * n_pairs)
