"""How much a study's choices depend on who was in it, and whether its protocol leaks.

Every refit here uses training patients only. Grids are not searched again: the model of an outer
fold is the one that was chosen without that fold, so what is judged has still seen nobody it is
judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from her2.core.errors import NotEstimable
from her2.core.seeds import generator
from her2.models.classifiers import (
    Candidate,
    SearchPlan,
    fit_pipeline,
    grid_search,
    positive_probability,
)
from her2.models.clinical_imputation import numeric_columns
from her2.models.fusion import signature_regression
from her2.models.nested_cv import Arm, CombinedArm, FittedArm, TrainingSet, run_in_order
from her2.stats import auc, optimism_corrected

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

POISON = 1e9


def learning_curve(
    arms: Sequence[Arm],
    fitted: Mapping[str, FittedArm],
    training: TrainingSet,
    *,
    shares: Sequence[float],
    seed: int,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[tuple[str, float], FloatArray]:
    """Return out-of-fold probabilities (n_train,) of arms that learned from fewer patients.

    In every outer fold of the first repeat, a share of the other folds' patients (drawn within
    the outcome; in (0, 1)) fit the preparation and the model that was chosen without the fold.
    They are found by (arm, share).
    """
    tasks = [(arm, share) for arm in arms for share in shares]
    calls = (
        (arm.alone(training.keys), fitted[arm.name], training, share, seed) for arm, share in tasks
    )
    found = run_in_order(_learn_from_share, calls, n_workers=n_workers, advance=advance)
    return {(arm.name, share): y for (arm, share), y in zip(tasks, found, strict=True)}


@dataclass(frozen=True)
class Resampled:
    """An arm after refits in resamples of the training patients.

    Attributes
    ----------
    supports
        Which features each refit selects, (n_resamples, n_features); None where the preparation
        makes new columns.
    risks
        Probabilities of all training rows by each refit, (n_resamples, n_train).
    drawn
        Which rows each refit learned from, (n_resamples, n_train).
    """

    supports: BoolArray | None
    risks: FloatArray
    drawn: BoolArray

    def first(self, n: int) -> Resampled:
        """Return the first n resamples."""
        supports = None if self.supports is None else self.supports[:n]
        return Resampled(supports, self.risks[:n], self.drawn[:n])

    def shares(self, groups: IntArray) -> FloatArray:
        """Return the share of the patients that each refit learned from, (n_resamples,)."""
        first = np.unique(groups, return_index=True)[1]
        return np.asarray(self.drawn[:, first].mean(axis=1))


def refitted_in_resamples(
    arm: Arm,
    fitted: FittedArm,
    training: TrainingSet,
    *,
    n_resamples: int,
    seed: int,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Resampled:
    """Return an arm's selection and risks after refits in resamples of the training patients.

    A resample is a bootstrap of the training patients within each outcome, in which everybody
    who was drawn counts once (about 63 % of them): a t-test or a LASSO would count a copy as
    another patient, and inner folds would hold copies of the patients that they judge. Refitted
    is the candidate that the final search chose. Arms of one name have the same resamples.
    """
    alone, candidate = arm.alone(training.keys), fitted.final.best
    calls = ((i, alone, candidate, training, arm.name, seed) for i in range(n_resamples))
    found = run_in_order(_fit_in_resample, calls, n_workers=n_workers, advance=advance)
    supports = [support for support, _, _ in found if support is not None]
    return Resampled(
        np.array(supports, dtype=bool) if len(supports) == n_resamples else None,
        np.array([risks for _, risks, _ in found]),
        np.array([drawn for _, _, drawn in found]),
    )


def combined_in_resamples(
    combined: CombinedArm,
    fitted: Mapping[str, FittedArm],
    members: Sequence[Resampled],
    training: TrainingSet,
) -> Resampled:
    """Return the combined arm after refits of its members in the same resamples.

    Its regression learns from the members' out-of-fold signatures of the patients drawn, and is
    given the signatures that the members' refits make.
    """
    drawn = members[0].drawn
    signatures = np.column_stack([fitted[m].out_of_fold for m in combined.members])
    risks = [
        positive_probability(
            signature_regression().fit(signatures[rows], training.y_true[rows]),
            np.column_stack([member.risks[i] for member in members]),
        )
        for i, rows in enumerate(drawn)
    ]
    return Resampled(None, np.array(risks), drawn)


def shuffled_aucs(
    arm: Arm,
    fitted: FittedArm,
    training: TrainingSet,
    *,
    n_shuffles: int,
    seed: int,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> FloatArray:
    """Return out-of-fold AUCs (n_shuffles,) of an arm refitted to shuffled outcomes.

    Patients swap outcomes, selection and model are refitted in every outer fold, and the result
    is judged against the shuffled outcomes: about .5, unless the protocol leaks.
    """
    calls = ((i, arm.alone(training.keys), fitted, training, seed) for i in range(n_shuffles))
    found = run_in_order(_shuffled_auc, calls, n_workers=n_workers, advance=advance)
    return np.array(found, dtype=np.float64)


def shuffled_outcomes(training: TrainingSet, rng: np.random.Generator) -> IntArray:
    """Return outcomes (n_train,) after whole patients have swapped theirs within their fold.

    Within the fold, because the folds were dealt by outcome and must keep their prevalence.
    """
    y = training.y_true.copy()
    for k in range(training.n_folds):
        rows = training.fold == k
        groups, unit = np.unique(training.groups[rows], return_inverse=True)
        outcome = np.array([training.y_true[training.groups == g].max() for g in groups])
        y[rows] = rng.permutation(outcome)[unit]
    return y


def optimism_of_pipelines(
    arms: Sequence[Arm],
    training: TrainingSet,
    *,
    n_resamples: int,
    plan: SearchPlan,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Return Harrell's optimism of whole arms: preparation, grid search and refit.

    Columns: arm, measure, apparent, optimism, corrected, n_resamples, note. Everything is
    repeated in every bootstrap sample of patients, whose copies stay in one inner fold.

    References
    ----------
    Harrell et al. (1996), Stat. Med. 15:361, section 5.
    """
    calls = ((arm.alone(training.keys), training, n_resamples, plan) for arm in arms)
    found = run_in_order(_optimism, calls, n_workers=n_workers, advance=advance)
    columns = ["arm", "measure", "apparent", "optimism", "corrected", "n_resamples", "note"]
    return pd.concat(found, ignore_index=True)[columns]


def unmoved_by_poison(
    arm: Arm, fitted: FittedArm, training: TrainingSet, held_out: Sequence[str], *, seed: int
) -> bool:
    """Whether the final model stays the same to the last bit when held-out features are spoilt."""
    features = arm.features.copy()
    numeric = numeric_columns(features)
    features.loc[list(held_out), numeric] = POISON
    spoilt = replace(arm, features=features)
    rows = np.ones(len(training.keys), dtype=bool)
    model = _refit(spoilt, training, rows, fitted.final.best, seed)
    probability = positive_probability(model, spoilt.rows(training.keys))
    return bool(np.array_equal(probability, fitted.in_sample))


def selected_features(pipeline: Pipeline, n_features: int) -> BoolArray:
    """Return which of the n_features columns reach the end of a fitted chain of filters.

    Steps that make new columns (components) end the trail: NotEstimable.
    """
    kept = np.arange(n_features)
    for name, step in pipeline.steps:
        if hasattr(step, "get_support"):
            kept = kept[step.get_support()]
        elif hasattr(step, "pca_") or hasattr(step, "levels_"):
            raise NotEstimable(
                f"the step {name} makes new columns, so a kept column is no input feature; look "
                "at an arm without it"
            )
    support = np.zeros(n_features, dtype=bool)
    support[kept] = True
    return support


def _refit(
    arm: Arm, training: TrainingSet, rows: BoolArray, candidate: Candidate, seed: int
) -> Pipeline:
    X, y, groups = arm.rows(training.keys)[rows], training.y_true[rows], training.groups[rows]
    return fit_pipeline(X, y, groups, preparation=arm.preparation, candidate=candidate, seed=seed)


def _out_of_fold(
    arm: Arm,
    fitted: FittedArm,
    training: TrainingSet,
    learners: Callable[[int], BoolArray],
    seed: int,
) -> FloatArray:
    """Return out-of-fold probabilities of refits on the rows that `learners` names for a fold."""
    probability = np.full(len(training.keys), np.nan)
    for k, search in enumerate(fitted.by_fold):
        own = arm.judging(k)
        model = _refit(own, training, learners(k), search.best, seed)
        judged = training.fold == k
        X = own.rows(training.keys)[judged]
        probability[judged] = training.from_fold(k, positive_probability(model, X))
    return probability


def _learn_from_share(
    arm: Arm, fitted: FittedArm, training: TrainingSet, share: float, seed: int
) -> FloatArray:
    def learners(k: int) -> BoolArray:
        """Return rows of a share of the patients, at least two of each outcome."""
        rng = generator(seed, "learning curve", arm.name, f"{share:g}", k)
        rows: BoolArray = training.fold != k
        drawn = [
            rng.choice(units, min(len(units), max(2, round(share * len(units)))), replace=False)
            for units in _units_by_outcome(training, rows)
        ]
        chosen: BoolArray = np.isin(training.groups, np.concatenate(drawn))
        return rows & chosen

    return _out_of_fold(arm, fitted, training, learners, seed)


def _fit_in_resample(
    number: int, arm: Arm, candidate: Candidate, training: TrainingSet, draws: str, seed: int
) -> tuple[BoolArray | None, FloatArray, BoolArray]:
    rng = generator(seed, "stability", draws, number)
    by_outcome = _units_by_outcome(training, np.ones(len(training.keys), dtype=bool))
    drawn = [rng.choice(units, size=len(units)) for units in by_outcome]
    rows = np.isin(training.groups, np.concatenate(drawn))
    model = _refit(arm, training, rows, candidate, seed)
    try:
        support = selected_features(Pipeline(model.steps[:-1]), arm.features.shape[1])
    except NotEstimable:
        support = None
    return support, positive_probability(model, arm.rows(training.keys)), rows


def _shuffled_auc(
    number: int, arm: Arm, fitted: FittedArm, training: TrainingSet, seed: int
) -> float:
    y = shuffled_outcomes(training, generator(seed, "shuffle", number))
    shuffled = replace(training, y_true=y)
    return auc(y, _out_of_fold(arm, fitted, shuffled, lambda k: training.fold != k, seed))


def _optimism(arm: Arm, training: TrainingSet, n_resamples: int, plan: SearchPlan) -> pd.DataFrame:
    rows = arm.features.loc[list(training.keys)].set_axis(training.groups)

    def fit(table: pd.DataFrame, y: IntArray) -> Callable[[pd.DataFrame], FloatArray]:
        search = grid_search(
            _as_input(arm, table), y, table.index.to_numpy(), preparation=arm.preparation,
            points=arm.points, plan=plan, name="optimism",
        )  # fmt: skip
        return lambda others: search.predict(_as_input(arm, others))

    return optimism_corrected(
        fit, rows, training.y_true, groups=training.groups, n_resamples=n_resamples,
        seed=generator(plan.seed, "optimism", arm.name),
    ).assign(arm=arm.name)  # fmt: skip


def _as_input(arm: Arm, table: pd.DataFrame) -> Any:
    return table.reset_index(drop=True) if arm.is_table else table.to_numpy(np.float64)


def _units_by_outcome(training: TrainingSet, rows: BoolArray) -> list[IntArray]:
    """Return the units (patients) of some rows, those without and those with the outcome."""
    found = np.unique(training.groups[rows])
    positive = np.array([training.y_true[training.groups == g].max() for g in found], dtype=bool)
    return [found[~positive], found[positive]]
