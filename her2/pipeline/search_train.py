"""A trial of `her2 train`: the networks of the folds among training patients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadCohort
from her2.core.seeds import integer_seed
from her2.core.settings import BackboneSettings, StudySettings
from her2.pipeline.enhance import check_enhance, enhanced_run
from her2.pipeline.fine_tuning import check_weights
from her2.pipeline.load_cohort import NEEDS_IMAGES
from her2.pipeline.lost_lesions import on_readable
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

WORK = "training"  # outputs and checkpoints of all trials: their names hold what made them

_REMEMBERED = Remembered(8)


def search_train(settings: StudySettings, run_dir: Path, request: Request) -> Answer:
    """Return `request.metrics` of a fine-tuned backbone on training patients."""
    backbone = settings.backbone
    check_enhance(settings.enhance)
    of_images = (
        str(run_dir), settings.cohort, settings.split, settings.enhance, settings.evaluation,
        settings.seed, settings.cache,
    )  # fmt: skip
    run = _REMEMBERED.get(["run", *of_images], lambda: _open(settings, run_dir))
    facts = checked_facts(run, request.facts)
    if request.is_rehearsal:
        check_weights(backbone)
        return Answer("ready", facts=facts)
    run, crops = _REMEMBERED.get(
        ["crops", *of_images, backbone.image_size, backbone.margin_px, backbone.margin_mm,
         backbone.aspect],
        lambda: on_readable(partial(_with_crops, backbone), run),
    )  # fmt: skip
    checked_facts(run, request.facts)  # a lesion that can no longer be read changes them
    folds = _judged_folds(run, crops, settings, run_dir / WORK)
    return cross_validate(folds, run.training, request)


def _open(settings: StudySettings, run_dir: Path) -> OpenRun:
    run = open_training("train", settings, run_dir)
    if not run.has_images:
        raise BadCohort(NEEDS_IMAGES)
    return on_readable(lambda run: enhanced_run(run)[0], run)


def _with_crops(backbone: BackboneSettings, run: OpenRun) -> tuple[OpenRun, NDArray[np.uint8]]:
    from lightning_modules.crops import cohort_crops

    return run, cohort_crops(run.cohort.lesions, backbone)


def _judged_folds(
    run: OpenRun, crops: NDArray[np.uint8], settings: StudySettings, folder: Path
) -> Iterator[Judged]:
    from lightning_modules.fine_tuning.cross_fitting import fold_predictions
    from lightning_modules.fine_tuning.jobs import TrainingTask

    training = run.training
    task = TrainingTask(
        crops, training.y_true, training.groups, settings.backbone, settings.trainer,
        seed=integer_seed(settings.seed, "train"), folder=folder,
    )  # fmt: skip
    yield from fold_predictions(task, training.fold)
