"""A trial of `her2 classify`: one recipe on the training patients, fold by fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from her2.compute.forests import class_probability
from her2.core.errors import BadCohort
from her2.core.settings import StudySettings
from her2.models.classifiers import SearchPlan, fit_prepared, grid_search
from her2.models.nested_cv import Arm, TrainingSet
from her2.pipeline import arm_definitions
from her2.pipeline.enhance import enhanced_run
from her2.pipeline.load_cohort import NEEDS_FEATURES
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.radiomic_features import RadiomicInputs, radiomic_inputs
from her2.pipeline.run import OpenRun
from her2.pipeline.search_trial import (
    Answer,
    Judged,
    Remembered,
    Request,
    checked_facts,
    cross_validate,
    open_training,
)
from her2.selection import fit_chain

FloatArray = NDArray[np.float64]

_REMEMBERED = Remembered()


def search_classify(settings: StudySettings, run_dir: Path, request: Request) -> Answer:
    """Return `request.metrics` of the grid's recipe on training patients."""
    arm_definitions.check_study(settings)
    # what the features depend on; the selection only by the columns that it asks for
    of_features = (
        str(run_dir), settings.cohort, settings.split, settings.enhance, settings.radiomics,
        settings.evaluation, settings.seed, settings.cache, settings.selection.reader_icc,
        settings.selection.robust_icc,
    )  # fmt: skip
    run, radiomic = _REMEMBERED.get(["features", *of_features], lambda: _open(settings, run_dir))
    facts = checked_facts(run, request.facts)
    if request.is_rehearsal:
        return Answer("ready", facts=facts)
    arm = arm_definitions.radiomics_arm(radiomic, settings)
    folds = _judged_folds(arm, run.training, [*of_features, settings.selection], settings)
    return cross_validate(folds, run.training, request)


def _open(settings: StudySettings, run_dir: Path) -> tuple[OpenRun, RadiomicInputs]:
    opened = open_training("classify", settings, run_dir)
    run, radiomic = on_readable(lambda run: radiomic_inputs(enhanced_run(run)[0]), opened)
    if radiomic is None:
        raise BadCohort(NEEDS_FEATURES)
    return run, radiomic


def _judged_folds(
    arm: Arm, training: TrainingSet, of_arm: Sequence[object], settings: StudySettings
) -> Iterator[Judged]:
    """Yield the predictions of folds by models that have not seen them, repeat by repeat."""
    X = arm.rows(training.keys)
    for r in range(training.n_repeats):
        one = training.repeat(r)
        for k in range(one.n_folds):
            with threadpool_limits(1):
                probability = _fold_probability(arm, one, X, k, [*of_arm, r], settings)
            yield np.flatnonzero(one.fold == k), one.from_fold(k, probability)


def _fold_probability(
    arm: Arm,
    training: TrainingSet,
    X: FloatArray,
    k: int,
    of_arm: Sequence[object],
    settings: StudySettings,
) -> FloatArray:
    """Return the probabilities (n_fold,) of fold k; a grid is searched inside the other folds."""
    evaluation, seed = settings.evaluation, settings.seed
    learned = training.fold != k
    y = training.y_true[learned]
    if len(arm.points) > 1:
        search = grid_search(
            X[learned], y, training.groups[learned], preparation=arm.preparation,
            points=arm.points, name=f"search fold {k}",
            plan=SearchPlan(evaluation.n_inner_folds, seed, evaluation.scoring),
        )  # fmt: skip
        return search.predict(X[~learned])
    selected, judged = _REMEMBERED.get(
        ["prepared", *of_arm, k], lambda: _prepared(arm, training, X, learned)
    )
    model = fit_prepared(arm.points[0], selected, y, seed)
    return class_probability(model, judged)[:, 1].astype(np.float64)


def _prepared(
    arm: Arm, training: TrainingSet, X: FloatArray, learned: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Return the selected columns of learning and judged rows, selected on the former only."""
    y, groups = training.y_true[learned], training.groups[learned]
    fitted = fit_chain(arm.preparation, X[learned], y, groups)
    return fitted.transform(X[learned]), fitted.transform(X[~learned])
