"""Lesions that are lost after the split was drawn: they leave the run with a code, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from her2.cohort.problems import LEFT_OUT, sort_problems
from her2.core.store import content_key
from her2.core.types import Cohort, Problem
from her2.models.nested_cv import TrainingSet
from her2.models.splits import Split, check_split
from her2.pipeline.load_cohort import attention, record_cohort
from her2.pipeline.run import OpenRun


def cohort_with(cohort: Cohort, found: Sequence[Problem]) -> Cohort:
    """Return a cohort with more problems, and without the lesions that these leave out."""
    if not found:
        return cohort
    lost = {f"{p.patient_id}/{p.lesion_id}" for p in found if p.severity in LEFT_OUT}
    left = np.array([lesion.key not in lost for lesion in cohort.lesions])
    lesions = tuple(lesion for lesion, kept in zip(cohort.lesions, left, strict=True) if kept)
    keys = [lesion.key for lesion in lesions]
    seen, sha256, small = cohort.acquisition, cohort.data_sha256, cohort.thumbnails
    return replace(
        cohort,
        lesions=lesions,
        clinical=cohort.clinical.loc[keys],
        features=None if cohort.features is None else cohort.features.loc[keys],
        acquisition=seen.loc[keys] if len(seen) else seen,
        problems=sort_problems([*cohort.problems, *found]),
        data_sha256=content_key([sha256, sorted(lost)]) if lost else sha256,
        thumbnails=None if small is None else small[left],
    )


def run_with(run: OpenRun, found: Sequence[Problem]) -> OpenRun:
    """Return a run whose cohort has more problems; its split and folds stay as they were drawn.

    The files of the cohort are written again; split.json keeps the draw, lost lesions included,
    so that the run can be resumed.

    Raises
    ------
    BadCohort
        A role has lost its last lesion of an outcome.
    """
    if not found:
        return run
    cohort = cohort_with(run.cohort, found)
    left = {lesion.key for lesion in cohort.lesions}
    split = _split_of(run.split, left)
    check_split(split, cohort.lesions)
    flow = record_cohort(run.folder, cohort, split)
    return replace(
        run, cohort=cohort, split=split, training=_training_of(run.training, left), flow=flow,
        warning=attention(cohort, run.settings.cohort.max_quarantine),
    )  # fmt: skip


def _split_of(split: Split, left: set[str]) -> Split:
    roles = {
        role: tuple(key for key in getattr(split, role) if key in left)
        for role in ("train", "test", "external")
    }
    return replace(split, **roles)  # type: ignore[arg-type]


def _training_of(training: TrainingSet, left: set[str]) -> TrainingSet:
    rows = np.array([key in left for key in training.keys])
    return TrainingSet(
        tuple(key for key in training.keys if key in left),
        training.y_true[rows],
        training.groups[rows],
        training.fold[rows],
        tuple(fold[rows] for fold in training.more_folds),
    )
