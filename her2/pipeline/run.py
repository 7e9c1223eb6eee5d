"""How every modelling run begins: folder, cohort, frozen split, training rows and folds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from her2.core.errors import BadConfig
from her2.core.run_folder import RunFolder
from her2.core.settings import CohortSettings, ComputeSettings, EvaluationSettings, SplitSettings
from her2.core.types import Cohort, split_groups
from her2.evaluation import UNITS, check_patients
from her2.models.classifiers import check_scoring
from her2.models.nested_cv import TrainingSet
from her2.models.splits import Split, grouped_folds
from her2.pipeline.cost import forget_peak
from her2.pipeline.load_cohort import attention, frozen_split, open_cohort, record_cohort

CHOICES = {"stepwise": ("none", "aic", "p"), "imputation": ("median", "multiple"), "unit": UNITS}


@dataclass
class Stopwatch:
    """Seconds that each step of a run took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        start = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - start, 2)


@dataclass(frozen=True)
class OpenRun:
    """A run that has its folder, cohort, split and folds, and may begin to fit.

    flow: counts of the flow diagram; warning: what the user must look at, or None.
    """

    folder: RunFolder
    config: dict[str, Any]
    cohort: Cohort
    split: Split
    training: TrainingSet
    flow: dict[str, object]
    watch: Stopwatch
    warning: str | None

    @property
    def held_out(self) -> tuple[str, ...]:
        """Keys of the lesions that no fit may see."""
        return (*self.split.test, *self.split.external)

    @property
    def has_images(self) -> bool:
        """Whether every lesion has an image and a mask, and no features were brought instead."""
        lesions = self.cohort.lesions
        return self.cohort.features is None and all(x.image and x.masks for x in lesions)


def open_run(
    run_dir: Path,
    config: dict[str, Any],
    *,
    cohort: CohortSettings,
    split: SplitSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> OpenRun:
    """Return a run that is ready to fit; everything that can be refused is refused here.

    Raises
    ------
    BadConfig, BadCohort, MissingInput, LeakageError
        With the sentence for the user.
    """
    forget_peak()
    watch = Stopwatch()
    folder = RunFolder.open(run_dir, config)
    with watch.step("cohort"):
        patients = open_cohort(cohort, compute=compute, cache=cache)
        if evaluation.unit == "patient":
            check_patients(patients.lesions)
        frozen = frozen_split(folder, patients, test_size=split.test_size, seed=seed)
        training = training_set(patients, frozen, evaluation=evaluation, seed=seed)
        flow = record_cohort(folder, patients, frozen)
    warning = attention(patients, cohort)
    return OpenRun(folder, config, patients, frozen, training, flow, watch, warning)


def training_set(
    cohort: Cohort, split: Split, *, evaluation: EvaluationSettings, seed: int
) -> TrainingSet:
    """Return the training rows with their outer folds.

    Raises
    ------
    BadConfig
        Fewer than two folds, or an unknown scoring.
    BadCohort
        A class has fewer patients than folds.
    """
    check_evaluation(evaluation)
    chosen = set(split.train)
    rows = [i for i, lesion in enumerate(cohort.lesions) if lesion.key in chosen]
    groups = split_groups(cohort.lesions)[rows]
    y_true = cohort.y_true[rows]
    first, *more = (
        grouped_folds(y_true, groups, n_folds=evaluation.n_folds, seed=seed, name=name)
        for name in ["outer", *(f"outer {r}" for r in range(1, evaluation.n_repeats))]
    )
    keys = tuple(cohort.lesions[i].key for i in rows)
    return TrainingSet(keys, y_true, groups, first, tuple(more))


def check_evaluation(evaluation: EvaluationSettings) -> None:
    """Refuse folds, repeats and counts that cannot be run, and unknown choices."""
    check_scoring(evaluation.scoring)
    if min(evaluation.n_folds, evaluation.n_inner_folds) < 2:
        raise BadConfig(
            f"expected at least 2 folds, found {evaluation.n_folds} outer and "
            f"{evaluation.n_inner_folds} inner; 5 is usual"
        )
    if evaluation.n_repeats < 1:
        raise BadConfig(
            f"expected at least 1 repeat, found evaluation.n_repeats={evaluation.n_repeats}; "
            "5 is usual"
        )
    counts = ("n_resamples", "n_permutations", "n_stability", "n_shuffles", "n_optimism")
    negative = [name for name in counts if getattr(evaluation, name) < 0]
    if negative:
        raise BadConfig(
            f"expected evaluation.{negative[0]} of at least 0, found "
            f"{getattr(evaluation, negative[0])}; 0 leaves it out"
        )
    if not all(0 < share < 1 for share in evaluation.learning_curve):
        raise BadConfig(
            "expected evaluation.learning_curve as shares between 0 and 1, found "
            f"{evaluation.learning_curve}; [0.4, 0.6, 0.8] is usual, [] for none"
        )
    for name, choices in CHOICES.items():
        if getattr(evaluation, name) not in choices:
            raise BadConfig(
                f"expected evaluation.{name} to be one of {', '.join(choices)}, found "
                f"{getattr(evaluation, name)!r}"
            )
