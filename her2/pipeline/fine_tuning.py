"""Networks that are fine-tuned in a run: out of fold in training, held out in test."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from her2.core.seeds import integer_seed
from her2.core.settings import BackboneSettings
from her2.core.types import split_groups
from her2.models.nested_cv import Signature
from her2.pipeline.cost import charged
from her2.pipeline.run import OpenRun, live_run
from her2.tracking import system_metrics

if TYPE_CHECKING:
    from lightning_modules.fine_tuning.cross_fitting import FineTuned

logger = logging.getLogger(__name__)

WORK = "training"  # folder of a run: outputs and checkpoints of its networks


def fine_tune(run: OpenRun, *, wants_features: bool = False, keeps: bool = True) -> FineTuned:
    """Return predictions of networks of the run's folds, and of one of all training lesions.

    Stopped and run again, it goes on from the last epoch; what is finished is not trained again.
    keeps: leave networks in the run, not their outputs alone: where Grad-CAM follows those of all
    folds, until `settle_networks`.
    """
    from lightning_modules.crops import cohort_crops
    from lightning_modules.fine_tuning.cross_fitting import out_of_fold_training
    from lightning_modules.fine_tuning.jobs import TrainingTask

    lesions, settings, live = run.cohort.lesions, run.settings, live_run(run)
    explains = settings.evaluation.grad_cam and keeps
    crops = cohort_crops(lesions, settings.backbone)
    position = {lesion.key: i for i, lesion in enumerate(lesions)}
    train, test = (
        np.array([position[key] for key in keys], dtype=np.int64)
        for keys in (run.training.keys, run.held_out)
    )
    with (
        run.watch.step("train"),
        system_metrics(live, enabled=settings.tracking.system_metrics),
        charged(run.folder) as charge,
    ):

        def say(line: str) -> None:  # after every network
            charge()
            logger.info(line)

        task = TrainingTask(
            crops, run.cohort.y_true, split_groups(lesions), settings.backbone,
            replace(settings.trainer, keep="all") if explains else settings.trainer,
            seed=integer_seed(run.seed, "train"), folder=run.folder.file(WORK),
            model_dir=run.folder.file("model") if keeps else None,
            record=None if live is None else live.record,
        )  # fmt: skip
        return out_of_fold_training(
            task, run.training.fold, train, test, wants_features=wants_features, log=say
        )


def settle_networks(run: OpenRun) -> None:
    """Delete the networks of the folds where the settings keep the final ones only."""
    from lightning_modules.fine_tuned import keep_final

    if run.settings.trainer.keep == "final":
        keep_final(run.folder.file("model"))


def check_weights(backbone: BackboneSettings) -> None:
    """Raise MissingWeights or BadConfig now, unless the network and its weights can be had."""
    from lightning_modules.backbones import check_image_size, describe_backbone

    describe_backbone(backbone)
    check_image_size(backbone.name, backbone.image_size)


def tuned_signature(run: OpenRun, tuned: FineTuned) -> Signature:
    """Return the deep learning arm's signature."""
    from lightning_modules.backbones import embedding_width

    name = run.settings.backbone.name
    return Signature(
        arm="deep_learning",
        model=f"{name}, fine-tuned",
        n_features=embedding_width(name),
        repeats=tuned.out_of_fold[np.newaxis],
        in_sample=tuned.in_sample,
        held_out=dict(zip(run.held_out, tuned.held_out.tolist(), strict=True)),
    )
