"""Networks that are fine-tuned in a run: out of fold in training, held out in test."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from her2.arms import Signature
from her2.errors import BadConfig
from her2.seeds import integer_seed
from her2.settings import (
    BackboneSettings,
    EvaluationSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.splits import units
from her2.tracking import open_live_run
from her2.workflows.opening import OpenRun

if TYPE_CHECKING:
    from lightning_modules.training import FineTuned

logger = logging.getLogger(__name__)

WORK = "training"  # folder of a run: outputs and checkpoints of its networks


def check_once(evaluation: EvaluationSettings) -> None:
    """Refuse a cross-validation that is repeated: every fold is a network to train."""
    if evaluation.n_repeats != 1:
        raise BadConfig(
            f"expected evaluation.n_repeats=1 to fine-tune, found {evaluation.n_repeats}; every "
            "fold of every repeat is a network to train: use evaluation=once"
        )


def fine_tune(
    run: OpenRun,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    *,
    tracking: TrackingSettings,
    seed: int,
    wants_features: bool = False,
) -> FineTuned:
    """Return what networks of the run's folds say, and one of all training lesions of the rest.

    Stopped and run again, it goes on from the last epoch; what is finished is not trained again.
    """
    from lightning_modules.cohort_embedding import cohort_crops
    from lightning_modules.training import out_of_fold_training

    crops = cohort_crops(
        run.cohort.lesions,
        size=backbone.image_size,
        margin_px=backbone.margin_px,
        margin_mm=backbone.margin_mm,
        aspect=backbone.aspect,
    )
    position = {lesion.key: i for i, lesion in enumerate(run.cohort.lesions)}
    live = None
    if tracking.enabled:
        name = f"{run.config['command']} {run.cohort.name} seed {seed}"
        live = open_live_run(
            run.folder.path, name, uri=tracking.uri, experiment=tracking.experiment
        )
    with run.watch.step("train"):
        return out_of_fold_training(
            crops,
            run.cohort.y_true,
            run.training.fold,
            np.array([position[key] for key in run.training.keys], dtype=np.int64),
            np.array([position[key] for key in run.held_out], dtype=np.int64),
            backbone=backbone,
            trainer=trainer,
            groups=units(run.cohort.lesions),
            seed=integer_seed(seed, "train"),
            folder=run.folder.file(WORK),
            model_dir=run.folder.file("model"),
            wants_features=wants_features,
            record=None if live is None else live.record,
            log=logger.info,
        )


def tuned_signature(run: OpenRun, tuned: FineTuned, backbone: BackboneSettings) -> Signature:
    """Return the deep learning arm's signature."""
    from lightning_modules.embedding import embedding_width

    return Signature(
        arm="deep_learning",
        model=f"{backbone.name}, fine-tuned",
        n_features=embedding_width(backbone.name),
        repeats=tuned.out_of_fold[np.newaxis],
        in_sample=tuned.in_sample,
        held_out=dict(zip(run.held_out, tuned.held_out.tolist(), strict=True)),
    )
