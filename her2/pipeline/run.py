"""A run that may begin to fit: folder, cohort, frozen split, training rows and folds.

Lesions that cannot be measured after the split was drawn leave the run by `run_with`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from her2.cohort.problems import LEFT_OUT, sort_problems
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings, check_rules
from her2.core.store import content_key
from her2.core.types import Cohort, Problem, split_groups
from her2.evaluation import check_patients, judged_unit
from her2.models.nested_cv import TrainingSet
from her2.models.splits import Split, centre_folds, check_split, grouped_folds
from her2.pipeline.cost import forget_peak
from her2.pipeline.load_cohort import (
    attention,
    frozen_split,
    n_workers,
    open_cohort,
    record_cohort,
    unseen_level_problems,
)
from her2.tracking import LiveRun, open_live_run, opening_tags, run_name


class Stopwatch:
    """Seconds that each step of a run took, by the name of the step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        start = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - start, 2)


@dataclass(frozen=True)
class OpenRun:
    """A run that has its settings, folder, cohort, split and folds, and may begin to fit.

    Every step takes it and returns its results.

    Attributes
    ----------
    command, settings
        Name of the command that makes it, and all settings.
    folder
        Where everything is written.
    cohort, split
        The verified cohort, and the frozen roles of its lesions.
    training
        The training rows with their folds.
    flow, warning
        Counts of the flow diagram, and what the user must look at, or None.
    watch
        Seconds by step.
    """

    command: str
    settings: StudySettings
    folder: RunFolder
    cohort: Cohort
    split: Split
    training: TrainingSet
    flow: dict[str, object]
    warning: str | None
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def config(self) -> dict[str, Any]:
        """The settings that the command reads, as config.yaml keeps them."""
        return self.settings.record(self.command)

    @property
    def seed(self) -> int:
        """Root of all random numbers."""
        return self.settings.seed

    @property
    def n_workers(self) -> int:
        """Number of worker processes."""
        return n_workers(self.settings.compute)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Keys of the lesions that no fit may see."""
        return self.split.held_out

    @property
    def has_images(self) -> bool:
        """Whether every lesion has an image and a mask, and no features were brought instead."""
        lesions = self.cohort.lesions
        return self.cohort.features is None and all(x.image and x.masks for x in lesions)

    @property
    def unit(self) -> str:
        """What is judged, ``lesion`` or ``patient``."""
        unit = self.settings.evaluation.unit
        return judged_unit(self.cohort.lesions) if unit == "auto" else unit

    @property
    def patients(self) -> list[str]:
        """The patient of every training row."""
        patient_of = {lesion.key: lesion.patient_id for lesion in self.cohort.lesions}
        return [patient_of[key] for key in self.training.keys]

    @property
    def patients_judged(self) -> list[str] | None:
        """The patient of every training row where patients are judged, None elsewhere."""
        return self.patients if self.unit == "patient" else None


def open_run(command: str, settings: StudySettings, run_dir: Path) -> OpenRun:
    """Return a run that is ready to fit."""
    check_rules(command, settings)
    forget_peak()
    watch = Stopwatch()
    folder = RunFolder.open(run_dir, settings.record(command))
    with watch.step("cohort"):
        cohort = open_cohort(settings, folder)
        if settings.evaluation.unit == "patient":
            check_patients(cohort.lesions)
        split = frozen_split(folder, cohort, settings)
        by_centre = settings.split.leave_out is not None
        new_levels = unseen_level_problems(cohort, split, by_centre=by_centre)
        cohort = cohort_with(cohort, new_levels)
        training = training_set(cohort, split, settings)
        flow = record_cohort(folder, cohort, split)
    warning = attention(cohort, settings.cohort.max_quarantine)
    return OpenRun(command, settings, folder, cohort, split, training, flow, warning, watch)


def training_set(
    cohort: Cohort, split: Split, settings: StudySettings, *, draws: Sequence[str] = ()
) -> TrainingSet:
    """Return the training rows with the outer folds of every repeat.

    Where each centre is left out in turn, the folds are the centres, and there is one repeat.

    draws: names of the random numbers of the folds, one a repeat; those of a study if empty.
    """
    evaluation, chosen = settings.evaluation, set(split.train)
    rows = [i for i, lesion in enumerate(cohort.lesions) if lesion.key in chosen]
    groups = split_groups(cohort.lesions)[rows]
    y_true = cohort.y_true[rows]
    keys = tuple(cohort.lesions[i].key for i in rows)
    if settings.split.leave_out is not None and not draws:
        folds, centres = centre_folds([cohort.lesions[i] for i in rows])
        return TrainingSet(keys, y_true, groups, folds, centres=centres)
    first, *more = (
        grouped_folds(y_true, groups, n_folds=evaluation.n_folds, seed=settings.seed, name=name)
        for name in draws or ["outer", *(f"outer {r}" for r in range(1, evaluation.n_repeats))]
    )
    return TrainingSet(keys, y_true, groups, first, tuple(more))


def live_run(run: OpenRun) -> LiveRun | None:
    """Return the run that is open in MLflow; None without tracking, or if no server answers."""
    tracking = run.settings.tracking
    if not tracking.enabled:
        return None
    return open_live_run(
        run.folder.path, run_name(run.config, run.cohort.name), uri=tracking.uri,
        experiment=tracking.experiment, tags=opening_tags(run.config),
    )  # fmt: skip


def cohort_of(cohort: Cohort, keys: set[str]) -> Cohort:
    """Return a cohort of some of its lesions: no row, image or outcome of the others."""
    is_chosen = np.array([lesion.key in keys for lesion in cohort.lesions])
    lesions = tuple(lesion for lesion in cohort.lesions if lesion.key in keys)
    chosen = [lesion.key for lesion in lesions]
    seen, small = cohort.acquisition, cohort.thumbnails
    return replace(
        cohort,
        lesions=lesions,
        clinical=cohort.clinical.loc[chosen],
        features=None if cohort.features is None else cohort.features.loc[chosen],
        acquisition=seen.loc[chosen] if len(seen) else seen,
        thumbnails=None if small is None else small[is_chosen],
    )


def cohort_with(cohort: Cohort, found: Sequence[Problem]) -> Cohort:
    """Return a cohort with more problems, and without the lesions that these leave out."""
    if not found:
        return cohort
    lost = {f"{p.patient_id}/{p.lesion_id}" for p in found if p.severity in LEFT_OUT}
    sha256 = cohort.data_sha256
    return replace(
        cohort_of(cohort, {lesion.key for lesion in cohort.lesions} - lost),
        problems=sort_problems([*cohort.problems, *found]),
        data_sha256=content_key([sha256, sorted(lost)]) if lost else sha256,
    )


def run_with(run: OpenRun, found: Sequence[Problem]) -> OpenRun:
    """Return a run whose cohort has more problems; its split and folds stay as they were drawn.

    The files of the cohort are written again; split.json keeps the draw, lost lesions included,
    so that the run can be resumed.
    """
    if not found:
        return run
    cohort = cohort_with(run.cohort, found)
    left = {lesion.key for lesion in cohort.lesions}

    whole, split = run.training, run.split.of(left)
    rows = np.array([key in left for key in whole.keys])
    training = TrainingSet(
        tuple(key for key in whole.keys if key in left), whole.y_true[rows], whole.groups[rows],
        whole.fold[rows], tuple(fold[rows] for fold in whole.more_folds), whole.centres,
    )  # fmt: skip
    check_split(split, cohort.lesions)
    return replace(
        run, cohort=cohort, split=split, training=training,
        flow=record_cohort(run.folder, cohort, split),
        warning=attention(cohort, run.settings.cohort.max_quarantine),
    )  # fmt: skip
