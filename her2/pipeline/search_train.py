"""A trial of `her2 train`: networks of the folds among training patients, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadCohort, BadConfig
from her2.core.seeds import integer_seed
from her2.core.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    SplitSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.pipeline.enhance import check_enhance, enhanced_run
from her2.pipeline.fine_tuning import check_once, check_weights
from her2.pipeline.load_cohort import NEEDS_IMAGES
from her2.pipeline.run import OpenRun
from her2.pipeline.search_trial import (
    Answer,
    Judged,
    Remembered,
    Request,
    check_facts,
    cross_validate,
    facts_of,
    open_training,
)

WORK = "training"  # outputs and checkpoints of all trials: their names hold what made them

_REMEMBERED = Remembered(8)


def search_train(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    enhance: EnhanceSettings,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
    request: Request,
) -> Answer:
    """Return what a fine-tuned backbone is worth on training patients, by `request.metrics`."""
    check_once(evaluation)
    if backbone.mode != "finetune":
        raise BadConfig(f"expected backbone.mode=finetune, found {backbone.mode}")
    check_enhance(enhance)
    of_images = (str(run_dir), cohort, split, enhance, evaluation, seed, cache)
    run = _REMEMBERED.get(
        ["run", *of_images],
        lambda: _open(run_dir, config, cohort, split, enhance, evaluation, compute, seed, cache),
    )
    facts = facts_of(run)
    check_facts(facts, request.facts)
    if request.is_rehearsal:
        check_weights(backbone)
        return Answer("ready", facts=facts)
    crops = _REMEMBERED.get(
        ["crops", *of_images, backbone.image_size, backbone.margin_px, backbone.margin_mm,
         backbone.aspect],
        lambda: _crops(run, backbone),
    )  # fmt: skip
    folds = _judged_folds(run, crops, backbone, trainer, seed, run_dir / WORK)
    return cross_validate(folds, run.training, request)


def _open(
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    enhance: EnhanceSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> OpenRun:
    run = open_training(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    if not run.has_images:
        raise BadCohort(NEEDS_IMAGES)
    run, _ = enhanced_run(
        run, enhance, tracking=TrackingSettings(enabled=False), compute=compute, cache=cache,
        seed=seed,
    )  # fmt: skip
    return run


def _crops(run: OpenRun, backbone: BackboneSettings) -> NDArray[np.uint8]:
    from lightning_modules.crops import cohort_crops

    return cohort_crops(
        run.cohort.lesions,
        size=backbone.image_size,
        margin_px=backbone.margin_px,
        margin_mm=backbone.margin_mm,
        aspect=backbone.aspect,
    )


def _judged_folds(
    run: OpenRun,
    crops: NDArray[np.uint8],
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    seed: int,
    folder: Path,
) -> Iterator[Judged]:
    from lightning_modules.fine_tuning.cross_fitting import fold_predictions
    from lightning_modules.fine_tuning.jobs import TrainingTask

    training = run.training
    task = TrainingTask(
        crops, training.y_true, training.groups, backbone, trainer,
        seed=integer_seed(seed, "train"), folder=folder,
    )  # fmt: skip
    for rows, probability in fold_predictions(task, training.fold):
        yield Judged(rows, probability)
