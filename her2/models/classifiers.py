"""The five classifiers of the paper, and a grid search that does shared work once.

A grid is `{classifier: {fixed: {...}, grid: {name: [values]}}}`, as the files of conf/classifier
hold it, with `imbalance: none`, `weights` or `smote` beside the classifiers. Folds share one
fitted selection, because it does not depend on the candidate.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from her2.compute.forests import class_probability, fit_classifier
from her2.core.errors import BadConfig
from her2.models.imbalance import METHODS, Balanced, at_prevalence
from her2.models.splits import grouped_folds
from her2.selection import fit_chain

FloatArray = NDArray[np.float64]

NAMES = ("lr", "random_forest", "extra_trees", "xgboost", "lightgbm")
IMBALANCE = "imbalance"  # the key of a grid that names no classifier
CLASS_WEIGHTS = {  # parameters of the five, and names that LightGBM takes beside its own
    "class_weight", "scale_pos_weight", "is_unbalance", "unbalance",
    "pos_bagging_fraction", "neg_bagging_fraction",
}  # fmt: skip
SCORINGS = ("log_loss", "roc_auc")
TITLES = {
    "lr": "Logistic regression",
    "random_forest": "Random forest",
    "extra_trees": "Extremely randomised trees",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
}


@dataclass(frozen=True)
class Candidate:
    """One point of a grid.

    Attributes
    ----------
    classifier
        One of `NAMES`.
    parameters
        Name and value of all parameters that are set.
    searched
        Those of them that differ between points.
    imbalance
        What is done about classes of unequal size (`her2.models.imbalance.METHODS`).
    """

    classifier: str
    parameters: tuple[tuple[str, Any], ...]
    searched: tuple[tuple[str, Any], ...]
    imbalance: str = "none"

    @property
    def label(self) -> str:
        """Text such as ``C=0.1, penalty=l2`` of the searched parameters."""
        return ", ".join(f"{name}={value}" for name, value in self.searched) or "fixed"


@dataclass(frozen=True)
class SearchPlan:
    """How a grid is searched.

    Attributes
    ----------
    n_folds
        Inner folds, fewer when a class has fewer units.
    seed
        Of folds and classifiers.
    scoring
        ``roc_auc`` (the larger the better) or ``log_loss`` (the smaller). Log loss also asks for
        probabilities that mean the same in every fold; the AUC does not see their scale.
    """

    n_folds: int
    seed: int
    scoring: str = "roc_auc"


@dataclass(frozen=True)
class Search:
    """A finished grid search on one training set.

    Attributes
    ----------
    best
        The winner.
    pipeline
        Preparation and winner, fitted on all rows.
    out_of_fold
        Probabilities (n,) of the winner from the inner folds.
    table
        Scores, one row a candidate.
    """

    best: Candidate
    pipeline: Pipeline
    out_of_fold: FloatArray
    table: pd.DataFrame

    def predict(self, X: FloatArray) -> FloatArray:
        """Return the probability of a positive outcome of every row of X, shape (n,)."""
        return positive_probability(self.pipeline, X)


def candidates(grids: Mapping[str, Any], where: str = "classifier") -> list[Candidate]:
    """Return every point of the grids in a stable order; `where`: the setting that holds them.

    >>> [c.label for c in candidates({"lr": {"fixed": {}, "grid": {"C": [0.1, 1.0]}}})]
    ['C=0.1', 'C=1.0']
    """
    imbalance = grids.get(IMBALANCE, "none")
    grids = {name: content for name, content in grids.items() if name != IMBALANCE}
    _check_grids(grids, where)
    if imbalance not in METHODS:
        raise BadConfig(
            f"expected {where}.imbalance among {', '.join(METHODS)}, found {imbalance!r}"
        )
    points = []
    for classifier in (name for name in NAMES if name in grids):
        fixed = dict(grids[classifier].get("fixed") or {})
        grid = dict(grids[classifier].get("grid") or {})
        for values in product(*grid.values()):
            searched = tuple(zip(grid, values, strict=True))
            parameters = tuple(sorted({**fixed, **dict(searched)}.items()))
            points.append(Candidate(classifier, parameters, searched, imbalance))
    return points


def check_candidates(points: Sequence[Candidate], seed: int) -> None:
    """Refuse a candidate that cannot be fitted (to forty made-up rows), before hours of work."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = np.arange(40) % 2
    for point in points:
        model = build(point, seed)
        try:
            _fit(model, X, y)
        except (ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise BadConfig(f"classifier.{point.classifier} ({point.label}): {reason}") from error


def _check_grids(grids: Mapping[str, Any], where: str) -> None:
    unknown = sorted(set(grids) - set(NAMES))
    if unknown or not grids:
        raise BadConfig(
            f"expected classifiers among {', '.join(NAMES)}, found {', '.join(unknown) or 'none'};"
            " see conf/classifier"
        )
    for name, content in grids.items():
        grid = content.get("grid") or {} if isinstance(content, Mapping) else None
        if not isinstance(grid, Mapping) or not all(isinstance(v, list) for v in grid.values()):
            raise BadConfig(
                f"expected {where}.{name} with fixed: {{}} and grid: {{name: [values]}}, found "
                f"{content}; see conf/classifier"
            )
        weights = CLASS_WEIGHTS.intersection([*(content.get("fixed") or {}), *grid])
        if weights:
            raise BadConfig(
                f"expected class weights by {where}.imbalance alone, which moves probabilities "
                f"back to the prevalence, found {where}.{name} with {', '.join(sorted(weights))}; "
                f"take it out and set {where}.imbalance=weights"
            )


@lru_cache(maxsize=len(NAMES))
def _parameter_names(classifier: str) -> frozenset[str]:
    return frozenset(_unfitted(classifier, 0).get_params())


def build(candidate: Candidate, seed: int) -> BaseEstimator:
    """Return the unfitted classifier of a candidate: one thread, seeded."""
    model = _unfitted(candidate.classifier, seed)
    # set_params is not enough: XGBoost and LightGBM take any name without a word
    known = _parameter_names(candidate.classifier)
    unknown = [name for name, _ in candidate.parameters if name not in known]
    if unknown:
        raise BadConfig(
            f"classifier.{candidate.classifier}: expected parameters of {type(model).__name__}, "
            f"found {', '.join(unknown)}; its documentation has the names"
        )
    model = model.set_params(**dict(candidate.parameters))
    return model if candidate.imbalance == "none" else Balanced(model, candidate.imbalance, seed)


def grid_search(
    X: FloatArray,
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    preparation: Pipeline,
    points: Sequence[Candidate],
    plan: SearchPlan,
    name: str,
) -> Search:
    """Return the candidate with the best mean score over inner folds, refitted on all rows.

    X, y, groups: training rows only, features (n, p), outcomes (n,) in {0, 1}, and units (n,)
    that stay on one side of every fold; points: the earlier, simpler one wins among equals; name:
    of the random numbers, so that searches do not share folds by accident.
    """
    if plan.scoring not in SCORINGS:
        raise BadConfig(
            f"expected evaluation.scoring to be one of {', '.join(SCORINGS)}, found "
            f"{plan.scoring!r}"
        )
    seed = plan.seed
    fold = inner_folds(y, groups, n_folds=plan.n_folds, seed=seed, name=name)
    probability = np.full((len(points), len(y)), np.nan)
    auc = np.full((len(points), fold.max() + 1), np.nan)
    loss = np.full_like(auc, np.nan)
    for k in range(fold.max() + 1):
        train, judged = fold != k, fold == k
        prepared = fit_chain(preparation, X[train], y[train], groups[train])
        X_train, X_judged = prepared.transform(X[train]), prepared.transform(X[judged])
        for i, point in enumerate(points):
            model = _fit(build(point, seed), X_train, y[train])
            judged_probability = class_probability(model, X_judged)[:, 1]
            auc[i, k] = rank_auc(y[judged], judged_probability)
            loss[i, k] = _log_loss(y[judged], judged_probability)
            probability[i, judged] = at_prevalence(
                judged_probability, before=y[train].mean(), after=y.mean()
            )
    score = auc if plan.scoring == "roc_auc" else -loss
    winner = int(np.argmax(np.round(score.mean(axis=1), 12)))
    pipeline = fit_pipeline(
        X, y, groups, preparation=preparation, candidate=points[winner], seed=seed
    )
    return Search(points[winner], pipeline, probability[winner], _table(points, auc, loss, winner))


def fit_pipeline(
    X: FloatArray,
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    preparation: Pipeline,
    candidate: Candidate,
    seed: int,
) -> Pipeline:
    """Return preparation and classifier fitted on X (n, p) and y (n,), as one pipeline.

    groups: units (n,) that stay together where the preparation resamples rows.
    """
    prepared = fit_chain(preparation, X, y, groups)
    model = fit_prepared(candidate, prepared.transform(X), y, seed)
    return Pipeline([*prepared.steps, ("classifier", model)])


def fit_prepared(
    candidate: Candidate, X: FloatArray, y: NDArray[np.int64], seed: int
) -> BaseEstimator:
    """Return the candidate's classifier fitted on prepared features X (n, p) and y (n,)."""
    return _fit(build(candidate, seed), X, y)


def inner_folds(
    y: NDArray[np.int64], groups: NDArray[np.int64], *, n_folds: int, seed: int, name: str
) -> NDArray[np.int64]:
    """Return grouped folds, fewer than asked where the smaller class has fewer groups."""
    positive = np.array([y[groups == g].max() for g in np.unique(groups)])
    smallest = int(min(positive.sum(), len(positive) - positive.sum()))
    return grouped_folds(
        y, groups, n_folds=max(2, min(n_folds, smallest)), seed=seed, name=f"{name}/inner"
    )


def positive_probability(pipeline: Pipeline, X: FloatArray) -> FloatArray:
    """Return the probability of outcome 1 of every row of X, shape (n,), float64."""
    return np.asarray(pipeline.predict_proba(X)[:, 1], dtype=np.float64)


def _fit(model: BaseEstimator, X: FloatArray, y: NDArray[np.int64]) -> BaseEstimator:
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return fit_classifier(model, X, y)


def rank_auc(y: NDArray[np.int64], probability: FloatArray) -> float:
    """Return the area under the ROC curve; .5 where all probabilities are equal."""
    n_positive = int(y.sum())
    above = rankdata(probability)[y == 1].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * (len(y) - n_positive)))


def _log_loss(y: NDArray[np.int64], probability: FloatArray) -> float:
    """Return the mean surprise; a probability of 0 or 1 counts as the nearest number inside."""
    eps = np.finfo(probability.dtype).eps
    inside = np.clip(probability.astype(np.float64), eps, 1 - eps)
    return float(-np.mean(np.log(np.where(y == 1, inside, 1 - inside))))


def _table(
    points: Sequence[Candidate], auc: FloatArray, loss: FloatArray, winner: int
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "classifier": [point.classifier for point in points],
            "parameters": [point.label for point in points],
            "cv_auc_mean": auc.mean(axis=1),
            "cv_auc_sd": auc.std(axis=1, ddof=1),
            "cv_log_loss_mean": loss.mean(axis=1),
            "chosen": [i == winner for i in range(len(points))],
        }
    )


def _unfitted(classifier: str, seed: int) -> BaseEstimator:
    """Return a classifier with the settings that no grid changes; its library is loaded here."""
    if classifier == "lr":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=2000, random_state=seed)
    if classifier == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, n_jobs=1, tree_method="exact", verbosity=0)
    if classifier == "lightgbm":
        from lightgbm import LGBMClassifier

        quiet = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
        return LGBMClassifier(random_state=seed, n_jobs=1, **quiet)
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    forests = {"random_forest": RandomForestClassifier, "extra_trees": ExtraTreesClassifier}
    return forests[classifier](random_state=seed, n_jobs=1)
