"""The protocol: every arm is fitted on training patients, and every signature is out of fold.

An arm is a feature table, a preparation and a set of candidates. For each outer fold the whole
of it (preparation, grid search, refit) is repeated without the fold's patients; the final model
is fitted the same way on all training patients. No function here is ever given a test outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from her2.core.parallel import run_jobs
from her2.models.classifiers import (
    TITLES,
    Candidate,
    Search,
    SearchPlan,
    grid_search,
    positive_probability,
)
from her2.models.fusion import signature_regression
from her2.models.imbalance import at_prevalence
from her2.models.splits import Rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Result = TypeVar("Result")
# a grid search: its rows (n,), the name of its random numbers, the outer fold that it judges
_Task = tuple[NDArray[np.bool_], str, int | None]

_ROUNDING = 1e-7  # spread of probabilities that are all one; some classifiers count in float32


@dataclass(frozen=True)
class Arm:
    """One way to predict: features of all lesions, and how to learn from them.

    Attributes
    ----------
    name
        One of `her2.core.types.ARMS`.
    features
        Table of all lesions; its index is `Lesion.key`.
    preparation
        Unfitted transformers: selection, scaling.
    points
        Candidates of the grid search.
    is_table
        Whether the preparation takes named columns (clinical variables), not an array.
    auxiliary
        Names of columns that help the preparation and can never be selected (a second reader's
        features, the scanner).
    by_fold
        Features that were made without the outer fold of that number, with the same columns,
        where a fold has its own (networks fine-tuned without it); then there is one repeat only.
    """

    name: str
    features: pd.DataFrame
    preparation: Pipeline
    points: Sequence[Candidate]
    is_table: bool = False
    auxiliary: frozenset[str] = frozenset()
    by_fold: tuple[pd.DataFrame, ...] = ()

    def judging(self, k: int) -> Arm:
        """Return the arm whose features were made without outer fold k of the first repeat."""
        if not self.by_fold:
            return self
        return replace(self, features=self.by_fold[k], by_fold=())

    def alone(self, keys: Sequence[str]) -> Arm:
        """Return the arm with the rows of some lesions only: no other one can reach a worker."""
        rows = list(keys)
        by_fold = tuple(features.loc[rows] for features in self.by_fold)
        return replace(self, features=self.features.loc[rows], by_fold=by_fold)

    @property
    def is_candidate(self) -> NDArray[np.bool_]:
        """Which columns a selection may choose, (n_columns,)."""
        return ~self.features.columns.isin(list(self.auxiliary))

    def rows(self, keys: Sequence[str]) -> FloatArray:
        """Return the features of some lesions, (n, p) float64; a frame where `is_table`."""
        chosen = self.features.loc[list(keys)]
        return chosen if self.is_table else chosen.to_numpy(np.float64)  # type: ignore[return-value]


@dataclass(frozen=True)
class TrainingSet(Rows):
    """Rows to learn from.

    Attributes
    ----------
    fold
        Outer folds, (n,).
    more_folds
        Outer folds (n,) of further repeats of the cross-validation; the first repeat makes the
        signatures, all of them make the primary estimate.
    centres
        Name of the centre that each outer fold leaves out; empty where folds are drawn.
    """

    fold: IntArray
    more_folds: tuple[IntArray, ...] = ()
    centres: tuple[str, ...] = ()

    @property
    def n_repeats(self) -> int:
        """Number of repeats of the outer cross-validation."""
        return 1 + len(self.more_folds)

    def repeat(self, r: int) -> TrainingSet:
        """Return the same rows with the outer folds of repeat r alone."""
        return replace(self, fold=(self.fold, *self.more_folds)[r], more_folds=())

    @property
    def n_folds(self) -> int:
        """Number of outer folds."""
        return int(self.fold.max()) + 1

    def from_fold(self, k: int, probability: FloatArray) -> FloatArray:
        """Return probabilities of a model trained without fold k, at the common prevalence."""
        without, common = self.y_true[self.fold != k].mean(), self.y_true.mean()
        return at_prevalence(probability, before=float(without), after=float(common))

    def to_fold(self, k: int, probability: FloatArray) -> FloatArray:
        """Undo `from_fold`."""
        without, common = self.y_true[self.fold != k].mean(), self.y_true.mean()
        return at_prevalence(probability, before=float(common), after=float(without))


@dataclass(frozen=True)
class _FoldFits:
    """One outer cross-validation: a search without each fold, and what it says of its rows."""

    searches: tuple[Search, ...]
    out_of_fold: FloatArray


@dataclass(frozen=True)
class FittedArm:
    """An arm after training.

    Attributes
    ----------
    name
        Of the arm.
    final
        The search on all training rows.
    repeats
        One outer cross-validation each.
    in_sample
        Probabilities (n_train,) of the training rows by the final model.
    """

    name: str
    final: Search
    repeats: tuple[_FoldFits, ...]
    in_sample: FloatArray

    @property
    def by_fold(self) -> tuple[Search, ...]:
        """Searches of the first repeat."""
        return self.repeats[0].searches

    @property
    def out_of_fold(self) -> FloatArray:
        """Probabilities of the training rows in the first repeat, (n_train,)."""
        return self.repeats[0].out_of_fold

    @property
    def model(self) -> str:
        """Title of the chosen classifier."""
        return TITLES[self.final.best.classifier]


@dataclass(frozen=True)
class CombinedArm:
    """Logistic regression of two arms' signatures, fitted on out-of-fold signatures alone.

    Attributes
    ----------
    members
        Names of the arms.
    regression
        Fitted on all training rows.
    repeats
        Out-of-fold probabilities, (n_repeats, n_train).
    in_sample
        Probabilities of the training rows, (n_train,).
    """

    members: tuple[str, ...]
    regression: Pipeline
    repeats: FloatArray
    in_sample: FloatArray


def fit_arms(
    arms: Sequence[Arm],
    training: TrainingSet,
    *,
    n_folds: int,
    seed: int,
    scoring: str = "roc_auc",
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, FittedArm]:
    """Return every arm fitted with repeated, nested, grouped cross-validation.

    Of the arms only the rows of `training` are read; `n_folds` and `scoring` are those of the
    inner grid search. `advance` is called with the number of finished searches (arms x
    `n_searches`).
    """
    tasks, plan = _tasks(training), SearchPlan(n_folds, seed, scoring)
    calls = ((arm.alone(training.keys), training, task, plan) for arm in arms for task in tasks)
    searches = iter(run_in_order(_search, calls, n_workers=n_workers, advance=advance))
    return {arm.name: _assemble(arm, training, [next(searches) for _ in tasks]) for arm in arms}


def run_in_order(
    function: Callable[..., Result],
    calls: Iterable[tuple[Any, ...]],
    *,
    n_workers: int,
    advance: Callable[[int], None],
) -> list[Result]:
    """Return what a function makes of the arguments of each call, in the order of the calls.

    It runs on one thread of a worker, and arguments are made when a worker is free; the result
    does not depend on the number of processes. `advance` is called with that of finished calls.
    """
    jobs = (delayed(_numbered)(i, function, call) for i, call in enumerate(calls))
    found: dict[int, Result] = {}
    for i, result in run_jobs(jobs, n_workers=n_workers):
        found[i] = result
        advance(len(found))
    return [found[i] for i in range(len(found))]


def _numbered(
    position: int, function: Callable[..., Result], call: tuple[Any, ...]
) -> tuple[int, Result]:
    with threadpool_limits(1):
        return position, function(*call)


def n_searches(training: TrainingSet) -> int:
    """Return the number of grid searches an arm needs: one an outer fold, and the final one."""
    return sum(training.repeat(r).n_folds for r in range(training.n_repeats)) + 1


def combine(
    fitted: Mapping[str, FittedArm], members: Sequence[str], training: TrainingSet
) -> CombinedArm:
    """Return the combined arm of some fitted arms.

    In outer fold k the regression learns from signatures that the members' inner folds made
    without fold k, so neither a signature nor a weight has seen the patients of fold k.
    """
    arms = [fitted[m] for m in members]
    repeats = [
        _combine_folds([arm.repeats[r] for arm in arms], training.repeat(r))
        for r in range(training.n_repeats)
    ]
    signatures = np.column_stack([arm.out_of_fold for arm in arms])
    regression = signature_regression().fit(signatures, training.y_true)
    in_sample = positive_probability(regression, np.column_stack([arm.in_sample for arm in arms]))
    return CombinedArm(tuple(members), regression, np.array(repeats), in_sample)


def _combine_folds(members: Sequence[_FoldFits], training: TrainingSet) -> FloatArray:
    """Return out-of-fold probabilities (n_train,) of the combined arm in one repeat."""
    y = training.y_true
    out_of_fold = np.full(len(y), np.nan)
    for k in range(training.n_folds):
        train, judged = training.fold != k, training.fold == k
        inner = np.column_stack([m.searches[k].out_of_fold for m in members])
        outer = np.column_stack([training.to_fold(k, m.out_of_fold[judged]) for m in members])
        regression = signature_regression().fit(inner, y[train])
        out_of_fold[judged] = training.from_fold(k, regression.predict_proba(outer)[:, 1])
    return out_of_fold


@dataclass(frozen=True)
class Signature:
    """An arm's probabilities of all lesions.

    Attributes
    ----------
    arm, model
        Name of the arm, and title of its model.
    n_features
        Features that the model reads.
    repeats
        Out-of-fold probabilities (n_repeats, n_train) in the order of `TrainingSet.keys`.
    in_sample
        Probabilities of the training rows by the final model, (n_train,).
    held_out
        Probabilities by lesion key, for lesions of the other roles.
    """

    arm: str
    model: str
    n_features: int
    repeats: FloatArray
    in_sample: FloatArray
    held_out: Mapping[str, float]

    @property
    def out_of_fold(self) -> FloatArray:
        """Probabilities of the training rows in the first repeat, (n_train,)."""
        return np.asarray(self.repeats[0])


def arm_signature(fitted: FittedArm, arm: Arm, held_out: Sequence[str]) -> Signature:
    """Return the signature of a fitted arm; its features hold the rows of `held_out`."""
    probability = fitted.final.predict(arm.rows(held_out)) if held_out else np.empty(0)
    n_features = int(fitted.final.pipeline[-1].n_features_in_)
    return Signature(
        fitted.name, fitted.model, n_features,
        np.array([r.out_of_fold for r in fitted.repeats]), fitted.in_sample,
        dict(zip(held_out, probability.tolist(), strict=True)),
    )  # fmt: skip


def combined_signature(combined: CombinedArm, members: Mapping[str, Signature]) -> Signature:
    """Return the signature of the combined arm from its members' signatures."""
    keys = list(members[combined.members[0]].held_out)
    columns = np.array([[members[m].held_out[key] for key in keys] for m in combined.members])
    probability = positive_probability(combined.regression, columns.T) if keys else np.empty(0)
    model = f"Logistic regression of {' + '.join(combined.members)}"
    return Signature(
        "combined", model, len(combined.members), combined.repeats, combined.in_sample,
        dict(zip(keys, probability.tolist(), strict=True)),
    )  # fmt: skip


def _tasks(training: TrainingSet) -> list[_Task]:
    """Return the searches of one arm: the folds of every repeat in order, then the final one."""
    tasks: list[_Task] = []
    for r in range(training.n_repeats):
        one = training.repeat(r)
        prefix = f"repeat {r} " if r else ""
        tasks += [(one.fold != k, f"{prefix}fold {k}", k) for k in range(one.n_folds)]
    everybody = np.ones(len(training.keys), dtype=bool)
    return [*tasks, (everybody, f"fold {training.n_folds}", None)]


def _search(arm: Arm, training: TrainingSet, task: _Task, plan: SearchPlan) -> Search:
    rows, name, fold = task
    arm = arm if fold is None else arm.judging(fold)
    X, y, groups = arm.rows(training.keys), training.y_true, training.groups
    return grid_search(
        X[rows], y[rows], groups[rows], preparation=arm.preparation, points=arm.points, plan=plan,
        name=name,
    )  # fmt: skip


def _assemble(arm: Arm, training: TrainingSet, searches: Sequence[Search]) -> FittedArm:
    *by_fold, final = searches
    left, repeats = iter(by_fold), []
    for r in range(training.n_repeats):
        one = training.repeat(r)
        repeats.append(_out_of_fold(arm, one, list(islice(left, one.n_folds))))
    return FittedArm(arm.name, final, tuple(repeats), final.predict(arm.rows(training.keys)))


def _out_of_fold(arm: Arm, training: TrainingSet, searches: Sequence[Search]) -> _FoldFits:
    probability = np.full(len(training.keys), np.nan)
    for k, search in enumerate(searches):
        judged = training.fold == k
        X = arm.judging(k).rows(training.keys)[judged]
        probability[judged] = training.from_fold(k, search.predict(X))
    if np.ptp(probability) < _ROUNDING:  # no model knows more than the prevalence
        probability[:] = probability[0]
    return _FoldFits(tuple(searches), probability)
